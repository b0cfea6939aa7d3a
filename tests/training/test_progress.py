import json

import pytest

from dlcli.training.options import StopEarly
from dlcli.training.progress import Progress, stops_early


def test_it_survives_json_bit_for_bit():
    progress = Progress(
        "supervised", 7, 0.1 + 0.2, 3, 56, 0.1, [{"epoch": 1, "train_loss": 1 / 3}], 2 / 3, ["pretrain/a"], 12
    )
    assert Progress.of(json.loads(json.dumps(progress.record()))) == progress


def test_a_record_without_the_count_of_what_errors_count_has_counted_all():
    record = Progress("supervised", 7, 0.5, 3, 56, 0.1).record()
    del record["counted"]
    assert Progress.of(record).counted == 56


def test_stages_follow_each_other():
    progress = Progress()
    progress.begin("pretrain/a")
    progress.step, progress.loss, progress.wrong, progress.samples, progress.best = 6, 2.0, 3, 46, 0.5
    progress.history.append({"epoch": 1})
    progress.finish()
    progress.finish()
    assert (progress.finished, progress.total_steps, progress.history) == (["pretrain/a"], 6, [{"epoch": 1}])
    progress.begin("supervised")
    assert progress == Progress(stage="supervised", finished=["pretrain/a"], steps_before=6)
    progress.step = 2
    assert progress.total_steps == 8


@pytest.mark.parametrize(
    ("losses", "patience", "minimum_change", "stops"),
    [
        ([], 1, 0.0, False),
        ([3, 2, 1], 1, 0.0, False),
        ([3, 2, 2], 1, 0.0, True),  # equal is no improvement
        ([3, 2, 4], 2, 0.0, False),
        ([3, 2, 4, 3], 2, 0.0, True),
        ([3, 2, 4, 1], 2, 0.0, False),
        ([3, 2, 4, 1, 5, 2], 2, 0.0, True),
        ([3, 2.5, 2.1], 2, 1.0, True),  # a fall, but too small a one
        ([3, 2.5, 1.9], 2, 1.0, False),  # small falls add up
    ],
)
def test_stops_early(losses, patience, minimum_change, stops):
    options = StopEarly(patience=patience, metric="train_loss", minimum_change=minimum_change)
    assert stops_early(options, [{"train_loss": loss} for loss in losses]) is stops
    assert not stops_early(None, [{"train_loss": loss} for loss in losses])
