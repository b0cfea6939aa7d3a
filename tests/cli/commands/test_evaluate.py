import json

import pytest

from tests.cli.conftest import run


def test_json_has_the_promised_keys(trained):
    result = json.loads(run("evaluate", trained, "--json").stdout)
    assert result["split"] == "test"
    assert result["samples"] == 30
    assert result["top5_error"] is None  # three classes
    assert [sum(row) for row in result["confusion"]] == [row["samples"] for row in result["classes"]] == [10, 10, 10]
    wrong = 30 - sum(result["confusion"][i][i] for i in range(3))
    assert result["error"] == pytest.approx(wrong / 30)
    assert set(result["classes"][0]) == {"label", "precision", "recall", "samples"}


def test_text_has_the_classes_and_the_confusion(trained):
    text = run("evaluate", trained, "--split", "validation").stdout
    assert text.startswith("split    validation\nsamples  12\n")
    assert "precision" in text
    assert "true \\ found" in text


def test_checkpoints_are_chosen(trained):
    best = run("evaluate", trained, "--json").stdout
    assert run("evaluate", trained, "--checkpoint", "best", "--json").stdout == best
    assert run("evaluate", trained / "checkpoints" / "best.safetensors", "--json").stdout == best
    last = trained / "checkpoints" / "last.safetensors"
    by_name = run("evaluate", trained, "--checkpoint", "last", "--json").stdout
    assert run("evaluate", trained, "--checkpoint", last, "--json").stdout == by_name


def test_no_run_is_a_checkpoint_error(tmp_path):
    result = run("evaluate", tmp_path)
    assert result.exit_code == 4
    assert str(tmp_path) in result.stderr


def test_a_text_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_text("no tensors at all")
    assert run("evaluate", path).exit_code == 4


def test_crops_need_a_transform_that_crops(trained):
    result = run("evaluate", trained, "--crops", "10")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: found 10 crops, expected a transform that crops (random_crop")
    assert run("evaluate", trained, "--crops", "1", "--json").stdout == run("evaluate", trained, "--json").stdout
    assert run("evaluate", trained, "--crops", "3").exit_code == 2
