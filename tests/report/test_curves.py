import pytest

from dlcli.report.curves import draw
from dlcli.report.panels import panels
from tests.report.test_panels import ROWS


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_bits_every_time(tmp_path, suffix):
    first, second = (tmp_path / f"{name}.{suffix}" for name in ("first", "second"))
    for path in (first, second):
        draw({"run": panels(ROWS)}, path)
    assert first.read_bytes() == second.read_bytes()


def test_runs_stand_side_by_side(tmp_path):
    """Names, titles and labels are there; a panel that one run lacks leaves its place empty."""
    path = tmp_path / "c.svg"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
        draw({"runs/one": panels(ROWS), "runs/two": panels(ROWS[3:4])}, path)
    text = path.read_text()
    for word in ("runs/one", "runs/two", "pretraining loss", "gradient norm"):
        assert text.count(f">{word}<") == 1, word
    assert text.count(">epoch<") == 4 + 3
    assert text.count(">train<") == 4


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        draw({"run": panels(ROWS)}, tmp_path / "no" / "c.png")
