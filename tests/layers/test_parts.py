"""Every layer's parameters, where they are shared: eq. (4) in parts, as the network's sinks ask for it."""

import numpy as np
import pytest

from dlcli.kernels.sink import ADD, BEGIN, CONTINUE, FINISH, STORE, UPDATE
from dlcli.layers.base import Array, Sink
from tests.layers.case import Variant, cases, spread
from tests.layers.harness import Driven, batch, driven

RATE, MOMENTUM, DECAY = 0.3, 0.9, 0.05
CONSTANTS = np.array([RATE, MOMENTUM, DECAY])
VARIANTS = [
    pytest.param(variant, id=f"{case.type}-{place}")
    for case in cases().values()
    for place, variant in enumerate(case.variants)
    if driven(variant).parameters
]


def send(layer: Driven, variant: Variant, kind: int, targets: dict[str, Array], velocities: dict[str, Array]) -> None:
    """One backward pass with sinks of a kind, whose targets are not the layer's own parameters."""
    y = layer.forward(batch(variant, 3), training=True)
    layer.sinks = {name: Sink(kind, target, velocities[name], CONSTANTS) for name, target in targets.items()}
    layer.backward(spread(y.shape, 5))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_layer_honours_every_kind_of_sink(variant: Variant):
    layer = driven(variant)
    w = {name: spread(array.shape, 3) for name, array in layer.parameters.items()}
    v = {name: spread(array.shape, 4) for name, array in layer.parameters.items()}
    gradients, added = ({name: array.copy() for name, array in w.items()} for _ in range(2))
    send(layer, variant, STORE, gradients, v)
    send(layer, variant, ADD, added, v)
    for times, kinds in ((1, (UPDATE,)), (4, (BEGIN, CONTINUE, CONTINUE, FINISH))):
        got_w, got_v = ({name: array.copy() for name, array in arrays.items()} for arrays in (w, v))
        for place, kind in enumerate(kinds):
            assert place == 0 or all(np.array_equal(got_w[name], w[name]) for name in w)
            send(layer, variant, kind, got_w, got_v)
        for name, g in gradients.items():
            change = MOMENTUM * v[name] - RATE * (times * g + DECAY * w[name])
            scale = np.abs(change).max()
            assert np.allclose(added[name], w[name] + g, rtol=1e-12, atol=1e-12 * scale), name
            assert np.allclose(got_v[name], change, rtol=1e-11, atol=1e-12 * scale), name
            assert np.allclose(got_w[name], w[name] + change, rtol=1e-11, atol=1e-12 * scale), name
