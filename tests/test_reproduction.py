"""Headers of the papers' configs, the runs behind them, and the page that is made of both."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from docs.reproduction import headers, runs
from docs.reproduction.__main__ import main
from docs.reproduction.headers import Measure, Variant
from docs.reproduction.page import PAGE, page
from docs.reproduction.runs import Failed, Run, carry_out, find, load_results, value_of

HEADER = """\
# A tiny net
#
# Free text: not a statement, nor is "Paper" in it.
#
# Paper: A. Author, "Title: with colon"
# Published: 1.2 % | test error
# Published (at random): 1.9 %
# Measure (at random): 2 × train_loss of pretrain/hidden
# Variant (at random): training.epochs=2 'loss={type: softmax_cross_entropy}'
# Differs: batches of 10,
#   not 1.
# Differs: no bias.
"""
CONFIG = f"""{HEADER}
name: tiny
data: {{source: {{type: synthetic, shape: [6], classes: 3, samples: 40, test_samples: 10}}, batch_size: 10}}
network:
  - {{type: dense, name: hidden, units: 4, activation: sigmoid}}
  - {{type: dense, name: output, units: 3}}
loss: softmax_cross_entropy
pretrain: {{method: autoencoder, epochs: 2}}
sgd: {{learning_rate: 0.1}}
training: {{epochs: 1}}
"""


@pytest.fixture
def configs(tmp_path):
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(CONFIG)
    return folder


def test_a_header_is_read_whole(configs):
    header = headers.read(configs / "tiny.yaml")
    assert (header.title, header.paper) == ("A tiny net", 'A. Author, "Title: with colon"')
    assert header.differs == ("batches of 10, not 1.", "no bias.")
    changes = ("training.epochs=2", "loss={type: softmax_cross_entropy}")
    assert header.variants == (
        Variant("", (), Measure("test_error"), "1.2 % | test error"),
        Variant("at random", changes, Measure("train_loss", "pretrain/hidden", 2.0), "1.9 %"),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# Paper: ", "# Papers: ", "found no line 'Paper'"),
        ("# Published: ", "# publ: ", "found no line 'Published'"),
        ("# Differs: ", "# ", "found no line 'Differs'"),
        ("# Variant (at random)", "# Variant (other)", "found no changes of variant 'at random'"),
        ("# Published (at random)", "# Published", "found Published twice"),
        ("2 × train_loss", "twice the loss", "expected .FACTOR ×. KEY .of STAGE."),
    ],
)
def test_a_header_that_lacks_something_is_refused(configs, old, new, message):
    path = configs / "tiny.yaml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(ValueError, match=message):
        headers.read(path)


def test_a_measure_is_a_number_of_the_run():
    summary, rows = {"test_error": 0.25}, [{"stage": "a", "x": 1.0}, {"stage": "b", "x": 2.0}, {"stage": "a", "x": 3.0}]
    assert value_of(Measure(), summary, rows) == 0.25
    assert value_of(Measure.read("2 × x of a"), summary, rows) == 6.0
    for absent in ("train_error", "y of a", "x of c"):
        with pytest.raises(ValueError, match=f"the run has no {absent}"):
            value_of(Measure.read(absent), summary, rows)


def test_the_full_set_takes_the_samples_place_and_no_other_sources(configs, tmp_path):
    (run, _) = find([], [1], configs)
    assert not [word for word in run.command(Path("m"), tmp_path) if word.startswith("data.source")]
    path = configs / "tiny.yaml"
    path.write_text(CONFIG.replace("{type: synthetic, shape: [6], classes: 3, samples: 40, test_samples: 10}",
                                   "{type: bundled, name: mnist-sample}"))  # fmt: skip
    assert 'data.source={"type": "idx", "root": "m"}' in run.command(Path("m"), tmp_path)


def test_what_decides_the_result_has_a_digest(configs):
    first, second = find(["tiny"], [1], configs)
    assert first.digest != second.digest
    before = first.digest
    path = configs / "tiny.yaml"
    path.write_text(CONFIG.replace("no bias", "no bias at all"))
    assert first.digest == before
    path.write_text(CONFIG.replace("learning_rate: 0.1", "learning_rate: 0.2"))
    assert first.digest != before
    assert Run(first.config, first.header, first.variant, 2).digest != first.digest


def test_runs_are_trained_once_and_put_on_the_page(configs, tmp_path, monkeypatch, capsys):
    """The second time nothing is trained; a run that was begun is gone on with."""
    results, written = tmp_path / "results.json", tmp_path / "page.md"
    words = ["tiny", "--mnist", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert main(words, configs, results, written) == 0
    found = load_results(results)
    assert set(found) == {"tiny-seed1", "tiny-at-random-seed1"}
    row = json.loads((tmp_path / "runs/tiny-at-random-seed1/metrics.jsonl").read_text().splitlines()[1])
    assert (row["stage"], found["tiny-at-random-seed1"]["value"]) == ("pretrain/hidden", 2 * row["train_loss"])
    text = written.read_text()
    assert text == page(found, configs)
    assert "| tiny | 1.2 % \\| test error | " in text
    assert "- batches of 10, not 1.\n- no bias.\n" in text
    before = results.read_text()
    monkeypatch.setattr("docs.reproduction.runs.subprocess", None)  # nothing may be trained
    assert main(words, configs, results, written) == 0
    assert results.read_text() == before
    assert "tiny-seed1: done" in capsys.readouterr().err
    first = find(["tiny"], [1], configs)[0]
    assert first.command(tmp_path, tmp_path / "runs")[-1] == "--resume"
    assert first.command(tmp_path, tmp_path / "elsewhere")[-1] == "--overwrite"


def test_a_run_that_is_stopped_goes_on_where_it_was(configs, tmp_path):
    """TERM is passed on to the training, which writes a checkpoint; the next attempt resumes it."""
    path = configs / "tiny.yaml"
    path.write_text(CONFIG.replace("training: {epochs: 1}", "training: {epochs: 100000}"))
    (run, _), folder = find([], [1], configs), tmp_path / "runs"

    def stop_later():
        while len(list((folder / run.name).glob("checkpoints/*.safetensors"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_later)
    thread.start()
    with pytest.raises(Failed, match="ended with exit code 143"):
        carry_out(run, tmp_path, folder, "")
    thread.join()
    assert run.command(tmp_path, folder)[-1] == "--resume"


def test_a_run_that_fails_is_told(configs, tmp_path):
    path = configs / "tiny.yaml"
    path.write_text(CONFIG.replace("units: 4", "units: no"))
    with pytest.raises(Failed, match="tiny-seed1: ended with exit code 2"):
        carry_out(find([], [1], configs)[0], tmp_path, tmp_path / "runs", "")


def test_mistakes(configs, tmp_path, capsys):
    for words, code, message in (
        (["tiny", "--mnist", str(tmp_path / "none")], 3, "none: no such folder; give the one with MNIST's four files"),
        (["tini", "--mnist", str(tmp_path)], 2, "found no config 'tini', expected one of: tiny"),
    ):
        assert main(words, configs, tmp_path / "results.json", tmp_path / "page.md") == code
        assert message in capsys.readouterr().err


def test_seeds_have_a_mean_and_a_spread(configs):
    names = {seed: find([], [seed], configs)[0] for seed in (1, 2)}
    results = {
        run.name: {"value": value, "seconds": 600.0, "seed": seed, "digest": run.digest, "machine": "m"}
        for (seed, run), value in zip(names.items(), (0.012, 0.014), strict=True)
    }
    text = page(results, configs)
    assert "| tiny | 1.2 % \\| test error | 1.30 ± 0.14 % | 10 min | 1, 2 |" in text
    assert "| tiny, at random | 1.9 % | not run yet | – | – |" in text
    (configs / "tiny.yaml").write_text(CONFIG.replace("epochs: 1", "epochs: 3"))
    assert "1, 2 (of an earlier config)" in page(results, configs)


def test_the_papers_configs_state_their_figures():
    for path in sorted(runs.CONFIGS.glob("*.yaml")):
        headers.read(path)


@pytest.mark.skipif(not PAGE.exists(), reason="nothing has been reproduced yet")
def test_the_page_is_that_of_the_results():
    assert PAGE.read_text(encoding="utf-8") == page(load_results(runs.RESULTS), runs.CONFIGS), (
        "run: python -m docs.reproduction --page"
    )
