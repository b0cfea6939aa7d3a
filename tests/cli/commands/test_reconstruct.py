import numpy as np

from tests.cli.commands.test_predict import ROWS, as_csv, parsed
from tests.cli.conftest import run


def test_one_line_an_input(trained):
    """The synthetic data are not transformed, so that the error can be taken from what is read."""
    for index, line in enumerate(parsed(run("reconstruct", trained, stdin=as_csv(ROWS)))):
        assert set(line) == {"index", "error", "reconstruction"}
        assert line["index"] == index
        error = np.square(ROWS[index] - np.float64(line["reconstruction"])).sum()
        assert np.isclose(line["error"], error, rtol=1e-5)


def test_of_a_split(trained):
    assert len(parsed(run("reconstruct", trained, "--split", "test"))) == 30


def test_mistakes(trained):
    result = run("reconstruct", trained, "--layer", "output", stdin=as_csv(ROWS))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "output was not pretrained; expected one of: hidden" in result.stderr
