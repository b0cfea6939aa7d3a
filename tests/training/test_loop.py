"""The loop, over an objective whose losses are given."""

from dataclasses import replace

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource, Epoch, order
from dlcli.data.transforms.random_crop import RandomCrop
from dlcli.errors import Diverged, Exit
from dlcli.pretrain.boltzmann.learner import Learner
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.loop import Loop
from dlcli.training.objective import Objective, StepResult
from dlcli.training.options import Interval, StopEarly
from dlcli.training.progress import Progress
from dlcli.training.signals import Requests, Stopped
from dlcli.training.stage import Stage
from tests.runs import PRETRAINED, Recorder, experiment, outcome, timeless, train

SAMPLES = np.arange(10, dtype=np.float32).reshape(10, 1)
LABELS = np.arange(10) % 2


class Scripted(Objective):
    """Each sample's loss is the sample and the epoch, counted from 0; class 1 is always wrong."""

    learning_rate = 0.5

    def __init__(self, validation=()):
        self.seen, self.clocks = [], []
        self.validation = list(validation)
        self.bad_step, self.loss_of_bad, self.parameter = None, np.nan, np.zeros(1, np.float32)
        self.counted = None

    def step(self, batch, clock):
        self.seen.append(batch.x[:, 0].tolist())
        self.clocks.append(clock)
        if len(self.seen) == self.bad_step:
            return StepResult(float(self.loss_of_bad), 0)
        self.parameter += 1
        return StepResult(float((batch.x + clock.epoch).sum()), int(batch.y.sum()), self.counted)

    def evaluate(self, source, batch_size):
        return {"loss": self.validation.pop(0), "error": 0.5}

    def tensors(self):
        return {"parameter": self.parameter}

    def diagnose(self, batch):
        return {"activity/hidden": float(batch.x.sum())}

    def first_bad_layer(self):
        return "hidden"


class Memory:
    """A keeper that remembers what it was given."""

    def __init__(self, progress):
        self.progress, self.rows, self.saved = progress, [], []

    def write_row(self, row):
        self.rows.append(row)

    def save(self, *, best=False):
        self.saved.append((self.progress.step, best))


class Setup:
    def __init__(self, *, requests=None, every=None, after=None, progress=None, validation=(), **stage):
        self.objective = Scripted(validation)
        self.progress = progress or Progress(stage="supervised")
        self.keeper = Memory(self.progress)
        self.requests = requests or Requests()
        self.recorder = Recorder(after)
        source = BatchSource(SAMPLES, LABELS)
        self.stage = Stage(
            "supervised", self.objective, source, source if validation else None, epochs=2, batch_size=4, seed=5
        )
        self.stage = replace(self.stage, **stage)
        self.every = every or Interval()

    def run(self):
        loop = Loop(self.stage, self.progress, self.keeper, self.recorder, self.requests, self.every)
        loop.run()


def test_every_sample_once_an_epoch_in_the_epochs_order_the_last_batch_partial():
    setup = Setup()
    setup.run()
    assert [len(batch) for batch in setup.objective.seen] == [4, 4, 2, 4, 4, 2]
    for epoch in (0, 1):
        seen = [int(x) for batch in setup.objective.seen[3 * epoch : 3 * epoch + 3] for x in batch]
        assert seen == order(5, "supervised", epoch, 10).tolist()
        assert sorted(seen) == list(range(10))
    assert setup.objective.seen[:3] != setup.objective.seen[3:]


def test_without_shuffling_the_samples_come_as_they_stand():
    setup = Setup(shuffle=False)
    setup.run()
    assert setup.objective.seen[:3] == setup.objective.seen[3:] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_mistakes_are_shared_among_the_samples_that_count():
    setup = Setup()
    setup.objective.counted = 3  # of each of an epoch's three batches
    setup.run()
    assert [row["train_error"] for row in setup.keeper.rows] == [LABELS.sum() / 9] * 2
    assert setup.keeper.rows[0]["train_loss"] == SAMPLES.sum() / 10


def test_random_transforms_draw_for_the_epoch_and_the_probe_draws_nothing():
    x = np.arange(90, dtype=np.float32).reshape(10, 1, 9, 1)
    source = BatchSource(x, LABELS, [RandomCrop(size=(1, 1))])
    setup = Setup(train=source, diagnostics=True)
    setup.run()
    for epoch in (0, 1):
        batch = source.buffers(10)
        source.fill(order(5, "supervised", epoch, 10), *batch, epoch=Epoch(5, epoch))
        seen = setup.objective.seen[3 * epoch : 3 * epoch + 3]
        assert [pixel for part in seen for pixel in np.ravel(part)] == batch.x.ravel().tolist()
    assert [row["activity/hidden"] for row in setup.keeper.rows] == [x[:4, 0, 4].sum()] * 2


def test_rows_average_over_samples_not_batches():
    setup = Setup(validation=[3.0, 2.0], diagnostics=True)
    setup.run()
    common = {
        "stage": "supervised",
        "learning_rate": 0.5,
        "train_error": 0.5,
        "validation_error": 0.5,
        "activity/hidden": 6.0,  # the first batch of the set, as it stands
    }
    assert timeless(setup.keeper.rows) == [
        common | {"epoch": 1, "step": 3, "train_loss": 4.5, "validation_loss": 3.0},
        common | {"epoch": 2, "step": 6, "train_loss": 5.5, "validation_loss": 2.0},
    ]
    assert setup.recorder.rows == setup.progress.history == setup.keeper.rows
    assert all(row["seconds"] >= 0 and row["samples_per_second"] > 0 for row in setup.keeper.rows)
    assert setup.recorder.stages == ["supervised"]


def test_the_clock_tells_steps_and_history():
    setup = Setup()
    setup.run()
    assert [clock.step for clock in setup.objective.clocks] == list(range(6))
    assert [len(clock.history) for clock in setup.objective.clocks] == [0, 0, 0, 1, 1, 1]
    assert {(clock.steps_per_epoch, clock.epochs) for clock in setup.objective.clocks} == {(3, 2)}


def test_no_epochs_write_the_checkpoint_alone():
    setup = Setup(epochs=0)
    setup.run()
    assert (setup.objective.seen, setup.keeper.rows, setup.keeper.saved) == ([], [], [(0, False)])
    assert setup.progress.finished == ["supervised"]


@pytest.mark.parametrize(
    ("every", "steps"),
    [
        (Interval(), [12]),
        (Interval(epochs=1), [3, 6, 9, 12, 12]),
        (Interval(epochs=3), [9, 12]),
        (Interval(steps=5), [5, 10, 12]),
        (Interval(epochs=2, steps=4), [4, 6, 8, 12, 12, 12]),
    ],
)
def test_checkpoints_come_as_often_as_asked_and_at_the_end(every, steps):
    setup = Setup(every=every, epochs=4)
    setup.run()
    assert [step for step, _ in setup.keeper.saved] == steps


def test_the_best_is_the_lowest_of_the_metric_and_the_first_of_equals():
    setup = Setup(validation=[3.0, 2.0, 2.0, 2.5, 1.0], best="validation_loss", epochs=5)
    setup.run()
    assert [step for step, best in setup.keeper.saved if best] == [3, 6, 15]
    assert setup.progress.best == 1.0


def test_it_stops_early_when_patience_ends():
    stop = StopEarly(patience=2, metric="validation_loss")
    setup = Setup(validation=[3.0, 2.0, 2.5, 2.0, 1.0], stop_early=stop, epochs=5)
    setup.run()
    assert [row["epoch"] for row in setup.keeper.rows] == [1, 2, 3, 4]
    assert setup.keeper.saved == [(12, False)]
    again = Setup(progress=setup.progress, stop_early=stop, epochs=5, validation=[0.0])
    again.run()
    assert again.objective.seen == []


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_before_anything_is_kept(loss):
    setup = Setup(every=Interval(steps=1))
    setup.objective.bad_step, setup.objective.loss_of_bad = 5, loss
    place = r"stage supervised, epoch 2, step 5 \(batch 2 of the epoch\), layer hidden: its loss is -?(nan|inf)"
    with pytest.raises(Diverged, match=place) as failure:
        setup.run()
    assert failure.value.exit_code == 6
    assert [step for step, _ in setup.keeper.saved] == [1, 2, 3, 4]


def test_a_metric_that_is_not_finite_stops_before_its_row():
    setup = Setup(validation=[1.0, np.inf], best="validation_loss", every=Interval(epochs=1))
    with pytest.raises(Diverged, match=r"epoch 2, step 6 \(batch 3 of the epoch\).*metric"):
        setup.run()
    assert len(setup.keeper.rows) == 1
    assert setup.keeper.saved == [(3, True)]


@pytest.mark.parametrize("every", [Interval(), Interval(epochs=1), Interval(steps=6)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_a_parameter_that_is_beyond_all_bounds_is_never_saved(every, value):
    """The last step's update is seen by no loss."""
    setup = Setup(every=every, after={})
    setup.recorder.after[6] = lambda: setup.objective.parameter.fill(value)
    with pytest.raises(Diverged, match=r"epoch 2, step 6 \(batch 3 of the epoch\), layer hidden: parameter holds"):
        setup.run()
    assert all(step < 6 for step, _ in setup.keeper.saved)


def test_a_request_to_stop_saves_and_stops_after_the_step_under_way():
    requests = Requests()
    setup = Setup(requests=requests, after={4: lambda: setattr(requests, "stop", Exit.TERMINATED)})
    with pytest.raises(Stopped, match=r"step 4.*--resume") as stopped:
        setup.run()
    assert stopped.value.exit_code == 143
    assert setup.keeper.saved == [(4, False)]
    assert len(setup.objective.seen) == 4


def test_a_request_to_stop_during_the_last_validation_is_not_forgotten():
    requests = Requests()
    setup = Setup(requests=requests, validation=[1.0, 1.0])
    setup.recorder.epoch = lambda row: row["epoch"] == 2 and setattr(requests, "stop", Exit.INTERRUPTED)
    with pytest.raises(Stopped) as stopped:
        setup.run()
    assert stopped.value.exit_code == 130
    assert setup.progress.finished == ["supervised"]


def test_a_request_to_save_saves_once_and_goes_on():
    requests = Requests()
    setup = Setup(requests=requests, after={2: lambda: setattr(requests, "save", True)})
    setup.run()
    assert setup.keeper.saved == [(2, False), (6, False)]


@pytest.mark.parametrize("step", range(1, 7))
def test_taken_up_anywhere_it_sees_the_same_batches_and_writes_the_same_rows(step):
    whole = Setup()
    whole.run()
    requests = Requests()
    first = Setup(requests=requests, after={step: lambda: setattr(requests, "stop", Exit.TERMINATED)})
    with pytest.raises(Stopped):
        first.run()
    second = Setup(progress=Progress.of(first.progress.record()))
    second.run()
    assert first.objective.seen + second.objective.seen == whole.objective.seen
    assert timeless(first.keeper.rows + second.keeper.rows) == timeless(whole.keeper.rows)


@pytest.mark.parametrize(
    "changes", [{}, {"pretrain": {"method": {"type": "rbm", "chains": 5}, "epochs": 2, "sgd": {"learning_rate": 0.01}}}]
)
def test_batches_written_in_place_change_no_bit(tmp_path, monkeypatch, changes):
    """In the objectives' own memory, which evaluations and diagnostics between the epochs use, too."""
    of = experiment(PRETRAINED | changes, training__diagnostics=True)
    train(tmp_path / "in place", of)
    for objective in (Backpropagation, Learner):
        monkeypatch.setattr(objective, "room", lambda *_: None)
    train(tmp_path / "copied", of)
    assert outcome(tmp_path / "in place") == outcome(tmp_path / "copied")
