"""The published figures of configs/papers, reproduced: ``python -m docs.reproduction``, or ``make reproduce``.

`headers` says how a config states what its paper found.
"""
