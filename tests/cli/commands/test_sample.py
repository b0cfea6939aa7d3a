import numpy as np
import pytest
from PIL import Image

from tests.cli.commands.test_predict import parsed
from tests.cli.conftest import run

SHORT = ("--count", "3", "--steps", "4")


def test_one_line_a_sample(belief):
    lines = parsed(run("sample", belief, *SHORT))
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert np.shape(lines[0]["sample"]) == (5, 4, 1)
    assert parsed(run("sample", belief, *SHORT)) == lines
    for other in (["--seed", "2"], ["--steps", "5"], ["--layer", "hidden1"]):
        assert parsed(run("sample", belief, *SHORT, *other)) != lines


def test_chains_may_start_at_samples(belief):
    noise, data = (
        run("sample", belief, "--count", "3", "--steps", "1", "--start", start) for start in ("noise", "data")
    )
    assert noise.exit_code == data.exit_code == 0
    assert noise.stdout != data.stdout


def test_files_have_the_same(belief, tmp_path):
    expected = [line["sample"] for line in parsed(run("sample", belief, *SHORT))]
    result = run("sample", belief, *SHORT, "--output", tmp_path / "s.npz")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 's.npz'}\n")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["samples"], expected, rtol=1e-6)
    assert run("sample", belief, *SHORT, "--output", tmp_path / "s.png").exit_code == 0
    tile = np.asarray(Image.open(tmp_path / "s.png"))[11 : 11 + 55 : 11, 11 : 11 + 44 : 11]  # enlarged by 11
    np.testing.assert_array_equal(tile, np.rint(255 * np.array(expected[0])[..., 0]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "1" + 20 * "0"], "is not in the range 1<=x<=1000000000"),
        (["--count", "1" + 20 * "0"], "is not in the range 1<=x<=10000000"),
        (["--label", "1"], "found label 1, but the model was trained without labels"),
        (["--output", "s.jpg"], "expected a name that ends in .png or .npz"),
        (["--layer", "output"], "found no generative model with output at the top"),
    ],
)
def test_mistakes(belief, words, message):
    result = run("sample", belief, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_run_without_such_a_model(trained):
    assert "found no generative model among the layers" in run("sample", trained).stderr
