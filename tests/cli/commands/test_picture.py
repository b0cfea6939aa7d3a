import builtins
import json
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from dlcli.models.generation import generative
from dlcli.trained import open_run
from tests.cli.conftest import run

SIZE = {"width": 44 + 1, "height": 55 + 1}  # of a tile and a line: images of 5 × 4, enlarged by 11


def pixels(path):
    return np.asarray(Image.open(path))


def tile(image, row, column):
    """The values of a tile, an eleventh of its pixels."""
    top, left = 11 + row * SIZE["height"], 11 + column * SIZE["width"]
    return image[top : top + 55 : 11, left : left + 44 : 11]


def test_weights_stand_in_the_runs_directory(belief):
    result = run("picture", belief, "--columns", "5")
    assert (result.exit_code, result.stdout) == (0, f"{belief / 'weights.png'}\n")
    weights = open_run(belief).network.parameters["hidden1/weights"]
    for unit in (0, 11):
        own = weights[:, unit].reshape(5, 4).astype(np.float64)
        expected = np.rint(255 * (own - own.min()) / (own.max() - own.min()))
        np.testing.assert_array_equal(tile(pixels(belief / "weights.png"), *divmod(unit, 5)), expected)
    before = (belief / "weights.png").read_bytes()
    assert run("picture", belief, "weights", "--columns", "5").exit_code == 0
    assert (belief / "weights.png").read_bytes() == before


def test_the_pretrained_weights(belief, tmp_path):
    """After pretraining alone they are the network's too."""
    for words in ((), ("--pretrained",)):
        assert run("picture", belief, "--output", tmp_path / f"w{len(words)}.png", *words).exit_code == 0
    now, then = pixels(tmp_path / "w0.png"), pixels(tmp_path / "w1.png")
    np.testing.assert_array_equal(tile(now, 0, 3), tile(then, 0, 3))
    assert "no weights of output" in run("picture", belief, "--pretrained", "--layer", "output").stderr


def test_reconstructions_stand_below_their_originals(belief, tmp_path):
    path = tmp_path / "r.png"
    words = ("--count", "3", "--columns", "2", "--split", "train", "--output", path)
    assert run("picture", belief, "reconstructions", *words).exit_code == 0
    lines = run("reconstruct", belief, "--split", "train").stdout.splitlines()[:3]
    made = [np.array(json.loads(line)["reconstruction"])[..., 0] for line in lines]
    first = 0.5 + 0.05 * open_run(belief).experiment.data.source.load().train.x[0]
    assert first.min() >= 0  # probabilities, which are shown from 0 to 1
    assert first.max() <= 1
    image = pixels(path)
    for shown, row in ((first[..., 0], 0), (made[0], 1)):
        np.testing.assert_allclose(tile(image, row, 0), 255 * shown.astype(np.float64), atol=0.51)


def test_samples_have_a_row_for_each_chain(belief, tmp_path):
    path = tmp_path / "s.png"
    words = ("--count", "2", "--columns", "3", "--steps", "4", "--seed", "5", "--output", path)
    assert run("picture", belief, "samples", *words).exit_code == 0
    states = list(islice(generative(open_run(belief)).chains(2, 5), 12))
    image = pixels(path)
    for chain in range(2):
        for column, step in enumerate((3, 7, 11)):
            expected = np.rint(255 * states[step][chain][..., 0].astype(np.float64))
            np.testing.assert_array_equal(tile(image, chain, column), expected)


def test_chains_may_start_at_samples(belief, tmp_path):
    words, paths = ("--count", "2", "--columns", "2", "--steps", "1"), [tmp_path / name for name in ("n.png", "d.png")]
    for path, start in zip(paths, ("noise", "data"), strict=True):
        assert run("picture", belief, "samples", *words, "--start", start, "--output", path).exit_code == 0
    noise, data = map(pixels, paths)
    assert not np.array_equal(noise, data)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["samples", "--steps", "1" + 20 * "0"], "is not in the range 1<=x<=1000000000"),
        (["--output", "w.jpg"], "expected a name that ends in .png"),
        (["samples", "--label", "1"], "the model was trained without labels"),
        (["--layer", "hidden2"], "hidden2 (dense) does not look at the samples"),
        (["reconstructions", "--layer", "output"], "output was not pretrained"),
        (["--split", "test"], "--split is for pictures of reconstructions; found it with weights"),
        (["--steps", "100"], "--steps is for pictures of samples; found it with weights"),
        (["weights", "--seed", "1"], "--seed is for pictures of samples; found it with weights"),
        (["reconstructions", "--label", "1"], "--label is for pictures of samples; found it with reconstructions"),
        (["--start", "data"], "--start is for pictures of samples; found it with weights"),
        (["samples", "--pretrained"], "--pretrained is for pictures of weights; found it with samples"),
    ],
)
def test_mistakes(belief, words, message):
    result = run("picture", belief, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_samples_that_are_no_images(trained):
    assert "found samples of shape [6], expected images" in run("picture", trained).stderr


def test_without_pillow_there_is_a_hint(belief, monkeypatch):
    whole = builtins.__import__

    def without(name, *rest, **more):
        if name == "PIL":
            raise ImportError(name)
        return whole(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("picture", belief)
    assert result.exit_code == 5
    assert "pip install 'dlcli[images]'" in result.stderr
