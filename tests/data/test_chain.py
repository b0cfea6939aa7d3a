"""Transforms one after the other: what is drawn depends on the sample and the epoch, and on nothing else."""

import numpy as np
import pytest

from dlcli.data import chain as chains
from dlcli.data.batches import BatchSource, order
from dlcli.data.draws import Epoch
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import fitted

X = np.random.default_rng(0).integers(0, 256, (40, 12, 10, 3), np.uint8)
EVERYTHING = [
    {"type": "resize", "size": [14, 13]},
    {"type": "pad_and_crop", "padding": 2},
    {"type": "random_scale_crop", "size": [9, 8], "scale": [9, 15]},
    {"type": "random_crop", "size": [7, 6]},
    "mirror",
    "pca_jitter",
    {"type": "subtract_mean", "per": "pixel"},
    "gcn",
    {"type": "scale", "by": 3.0},
    "zca",
    "standardise",
    "flatten",
]
IMAGENET = [
    {"type": "random_crop", "size": [9, 8]},
    "mirror",
    {"type": "subtract_mean", "per": "channel"},
    "pca_jitter",
]


def source_of(written=EVERYTHING, x=X, rows=None):
    transforms = DataOptions.model_validate({"source": "bundled", "transform": written}).transform
    return BatchSource(x, np.arange(len(x)), transforms, fitted(transforms, x), rows)


def by_index(source, sequence, batch_size, epoch, dtype=np.float32):
    """The bits of each sample."""
    found = {}
    for batch in source.iterate(batch_size, sequence, dtype, epoch=epoch):
        found |= {int(y): x.tobytes() for x, y in zip(batch.x, batch.y, strict=True)}
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("epoch", [None, Epoch(1, 2)])
@pytest.mark.parametrize("batch_size", [1, 7, 39])
def test_the_cut_into_batches_and_the_order_change_no_bit(batch_size, epoch, dtype):
    whole = by_index(source_of(), np.arange(40), 40, epoch, dtype)
    assert by_index(source_of(), order(9, "supervised", 4, 40), batch_size, epoch, dtype) == whole
    rest = by_index(source_of(), np.array([33, 5, 6]), batch_size, epoch, dtype)  # as after an interruption
    assert rest == {index: whole[index] for index in (33, 5, 6)}


@pytest.mark.parametrize("written", [EVERYTHING, IMAGENET])
@pytest.mark.parametrize("cache", [1, 5000, 1 << 30])
def test_how_many_are_worked_on_at_a_time_changes_no_bit(monkeypatch, cache, written):
    whole = by_index(source_of(written), np.arange(40), 40, Epoch(1, 2))
    monkeypatch.setattr(chains, "CACHE", cache)
    assert by_index(source_of(written), np.arange(40), 40, Epoch(1, 2)) == whole


def test_every_epoch_and_seed_has_its_own():
    drawn = {
        epoch: by_index(source_of(IMAGENET), np.arange(40), 40, epoch)
        for epoch in (None, Epoch(1, 0), Epoch(1, 1), Epoch(2, 0))
    }
    assert len({tuple(each.values()) for each in drawn.values()}) == 4
    for index in range(40):
        assert len({each[index] for each in drawn.values()}) > 1


def test_transforms_of_one_kind_draw_by_their_position():
    twice = source_of([{"type": "random_crop", "size": [8, 8]}, {"type": "random_crop", "size": [4, 6]}])
    corners = {i: np.frombuffer(x, np.float32)[:3] for i, x in by_index(twice, np.arange(40), 40, Epoch(1, 0)).items()}
    offsets = [np.argwhere((X[i, ..., :3] == corners[i]).all(axis=-1))[0] for i in range(40)]
    assert {int(top) for top, _ in offsets} == set(range(9))  # 0 … 4 and 0 … 4, independent: all sums occur


def test_numbers_belong_to_the_index_among_the_training_samples():
    """Held-out samples don't count: a source of rows draws for their place among the rows."""
    rows = np.array([3, 4, 9, 20, 39])
    some = by_index(source_of(IMAGENET, rows=rows), np.array([4, 0, 2]), 2, Epoch(1, 2))
    copied = source_of(IMAGENET)
    alone = BatchSource(X[rows], rows, [step.transform for each in copied._chain._passes for step in each.windows])
    assert some.keys() == {39, 3, 9}
    crops = by_index(source_of(IMAGENET[:2], rows=rows), np.array([4, 0, 2]), 2, Epoch(1, 2))
    assert crops == by_index(alone, np.array([4, 0, 2]), 2, Epoch(1, 2))


def test_rows_are_samples_in_their_order():
    source = source_of([], rows=np.array([5, 2, 30]))
    assert len(source) == 3
    np.testing.assert_array_equal(source.x, X[[5, 2, 30]])
    np.testing.assert_array_equal(source.y, [5, 2, 30])
    (batch,) = source.iterate(3)
    np.testing.assert_array_equal(batch.x, X[[5, 2, 30]])
    out = source.buffers(2)
    source.fill(slice(1, 3), *out)
    np.testing.assert_array_equal(out.x, X[[2, 30]])
    with pytest.raises(IndexError, match="expected 0 to 2"):
        source.fill(np.array([0, 5]), *out)


def test_evaluation_draws_nothing(monkeypatch):
    monkeypatch.setattr("dlcli.kernels.draws.uniform", None)
    monkeypatch.setattr("dlcli.kernels.draws.normal", None)
    list(source_of().iterate(7))
