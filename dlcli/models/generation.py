"""Where a model that generates is found in a trained network: the one place that knows all their kinds."""

from collections.abc import Callable

from dlcli.errors import UsageError
from dlcli.models.belief import belief_network
from dlcli.models.deep_boltzmann import deep_boltzmann_machine
from dlcli.models.general_boltzmann import general_boltzmann_machine
from dlcli.models.generative import Generative
from dlcli.trained import Trained

FINDERS: tuple[Callable[[Trained, str | None], Generative | None], ...] = (
    deep_boltzmann_machine,
    general_boltzmann_machine,
    belief_network,
)


def generative(trained: Trained, layer: str | None = None) -> Generative:
    """The generative model in a trained network; ``layer`` is its uppermost, by default the last one that can be it.

    Raises
    ------
    UsageError: there is none.
    """
    for find in FINDERS:
        if (found := find(trained, layer)) is not None:
            return found
    where = f"with {layer} at the top" if layer else "among the layers"
    raise UsageError(
        f"{trained.path}: found no generative model {where}; expected layers pretrained by method rbm, dbm or "
        "boltzmann_machine"
    )
