import io

import pytest

from dlcli.report import progress

ROW = {
    "stage": "supervised", "epoch": 2, "step": 20, "learning_rate": 0.01, "train_loss": 0.5, "train_error": 0.25,
    "validation_loss": 0.625, "validation_error": 0.3, "seconds": 1.25, "samples_per_second": 1234.5,
}  # fmt: skip
TEST = {"stage": "test", "epoch": 2, "step": 20, "test_loss": 0.75, "test_error": 0.125}


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def play(reporter):
    with reporter:
        reporter.message("hello")
        reporter.stage("supervised", 3, 10, 100)
        for _ in range(10):
            reporter.step(0.5, 10)
        reporter.epoch(ROW)
        reporter.epoch(TEST)
        reporter.message("done")


def test_lines():
    stream = io.StringIO()
    play(progress.Lines(stream))
    assert stream.getvalue().splitlines() == [
        "hello",
        "supervised: 3 epochs of 10 steps, 100 samples",
        "supervised 2/3  train loss 0.5  error 25.00 %  validation loss 0.625  error 30.00 %  "
        "learning rate 0.01  1.2 s  1,234 samples/s",
        "test 2  test loss 0.75  error 12.50 %",
        "done",
    ]


def test_the_bar_shows_stage_loss_speed_and_what_remains():
    stream = Terminal()
    reporter = progress.Bar(stream)
    reporter.stage("supervised", 3, 10, 100)
    reporter.step(1.0, 30)
    reporter.step(2.0, 10)
    reporter._bar.refresh()
    last = stream.getvalue().split("\r")[-1]
    assert last.startswith("supervised ")
    assert "13 %" in last  # 40 of 300
    assert "samples/s" in last
    assert "left" in last
    assert last.rstrip().endswith("loss 1.25")
    reporter.close()


def test_the_bar_follows_a_resumed_stage():
    reporter = progress.Bar(Terminal())
    reporter.stage("supervised", 3, 10, 100)
    reporter.epoch(ROW)
    assert reporter._bar.n == 200
    reporter.epoch(TEST)
    assert reporter._bar.n == 200
    reporter.close()


def test_lines_stay_above_the_bar():
    stream = Terminal()
    play(progress.Bar(stream))
    plain = [line.strip() for line in stream.getvalue().replace("\r", "\n").splitlines()]
    assert "hello" in plain
    assert "test 2  test loss 0.75  error 12.50 %" in plain
    assert "done" in plain


def test_quiet_shows_nothing(capsys):
    play(progress.reporter(quiet=True))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [progress.Lines, progress.Bar])
def test_a_broken_stream_stops_nothing(kind):
    play(kind(Broken()))


@pytest.mark.parametrize("kind", [progress.Lines, progress.Bar])
def test_a_closed_stream_stops_nothing(kind):
    stream = Terminal()
    stream.close()
    play(kind(stream))


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [
        (Terminal(), "xterm", progress.Bar),
        (Terminal(), "dumb", progress.Lines),
        (io.StringIO(), "xterm", progress.Lines),
    ],
)
def test_what_suits_the_stream(stream, term, kind, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(progress.reporter()) is kind
