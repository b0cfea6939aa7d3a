"""The same bits: across interruptions, threads and repetitions."""

import os
import subprocess
import sys

import llvmlite.binding
import numba
import pytest

from dlcli.data.options import DataOptions
from dlcli.data.pipeline import prepare
from dlcli.training.checkpoint import load
from dlcli.training.run_directory import find_checkpoint, read_rows
from tests.kernels.test_machines import AVX2
from tests.runs import PRETRAINED, STEPS, SUPERVISED, Recorder, bits, experiment, last, outcome, train, train_until

TEN_EPOCHS = experiment(training__epochs=10)
CONVNET = experiment(
    data__source={"type": "synthetic", "shape": [9, 8, 2], "classes": 3, "samples": 58, "test_samples": 20},
    network=[
        {"type": "conv2d", "filters": 5, "kernel_size": 3, "activation": "relu"},
        {"type": "max_pool2d", "size": 2},
        {"type": "conv2d", "filters": 18, "kernel_size": 2, "activation": "tanh"},
        {"type": "dropout", "rate": 0.25},
        {"type": "dense", "units": 35, "activation": "sigmoid"},
        {"type": "dense", "units": 3},
    ],
)
AUGMENTED = experiment(
    data__source={"type": "synthetic", "shape": [9, 8, 3], "classes": 3, "samples": 58, "test_samples": 20},
    data__transform=[
        {"type": "pad_and_crop", "padding": 2},
        {"type": "random_scale_crop", "size": 7, "scale": [7, 12]},
        {"type": "random_crop", "size": [6, 5]},
        "mirror",
        {"type": "subtract_mean", "per": "pixel"},
        {"type": "pca_jitter", "deviation": 0.5},
        "gcn",
        "zca",
    ],
    data__test_crops=10,
)
EVERYTHING = experiment(
    {key: value for key, value in SUPERVISED.items() if key not in ("loss", "sgd")},
    data__source={"type": "synthetic", "shape": [12, 11, 3], "classes": 3, "samples": 58, "test_samples": 20},
    data__transform=[{"type": "random_crop", "size": 10}, "mirror"],
    network=[
        {"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same", "bias": False},
        {"type": "batch_norm", "activation": "relu"},
        {
            "type": "residual",
            "layers": [{"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same"}, "batch_norm"],
        },
        {"type": "activation", "function": "relu"},
        {"type": "stochastic_pool2d", "size": 2},
        {"type": "dropout", "rate": 0.25},
        {"type": "dense", "units": 3, "name": "output"},
        {"type": "dense", "units": 3, "name": "auxiliary", "inputs": ["dropout_1"]},
    ],
    losses=[{"type": "softmax_cross_entropy", "input": "output"},
            {"type": "softmax_cross_entropy", "input": "auxiliary", "weight": 0.3}],
    optimiser={"type": "adam", "learning_rate": 0.01},
)  # fmt: skip
WHOLE = experiment(PRETRAINED)  # 2 epochs for either layer, 3 of supervised training: 42 steps


@pytest.fixture(scope="module")
def ten_epochs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ten") / "run"
    train(directory, TEN_EPOCHS)
    return outcome(directory)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pretrained") / "run"
    train(directory, WHOLE)
    return outcome(directory)


def test_the_run_is_worth_comparing(ten_epochs, pretrained):
    """Everything that must survive an interruption is there."""
    assert {"hidden1/weights", "momentum/hidden1/weights", "transform/0/mean"} <= ten_epochs["tensors"].keys()
    assert any(ten_epochs["tensors"]["momentum/output/bias"][2])
    rows = ten_epochs["rows"]
    assert [row["step"] for row in rows] == [*range(STEPS, 10 * STEPS + 1, STEPS), rows[-1]["step"]]
    assert rows[-1]["stage"] == "test"
    assert rows[0].keys() >= {"learning_rate", "train_loss", "train_error", "validation_loss", "validation_error"}
    assert [row["stage"] for row in pretrained["rows"]] == (
        ["pretrain/hidden1"] * 2 + ["pretrain/hidden2"] * 2 + ["supervised"] * 3 + ["test"]
    )


@pytest.mark.parametrize("step", [1, 4 * STEPS, 4 * STEPS + 1, 5 * STEPS - 1, 10 * STEPS])
def test_ten_epochs_are_so_many_then_the_rest(tmp_path, ten_epochs, step):
    train_until(tmp_path / "run", step, TEN_EPOCHS)
    assert last(tmp_path / "run").record["progress"]["step"] == step
    train(tmp_path / "run", TEN_EPOCHS, resume=True)
    assert outcome(tmp_path / "run") == ten_epochs


def test_many_interruptions_are_none(tmp_path, ten_epochs):
    train_until(tmp_path / "run", 5, TEN_EPOCHS)
    for _ in range(4):
        train_until(tmp_path / "run", 11, TEN_EPOCHS, resume=True)
    train(tmp_path / "run", TEN_EPOCHS, resume=True)
    assert outcome(tmp_path / "run") == ten_epochs


@pytest.mark.parametrize("step", [1, 8, 12, 15, 24, 25, 30])
def test_interrupted_in_any_stage_it_goes_on(tmp_path, pretrained, step):
    train_until(tmp_path / "run", step, WHOLE)
    train(tmp_path / "run", WHOLE, resume=True)
    assert outcome(tmp_path / "run") == pretrained


OPTIMISERS = {
    "adam": {"type": "adam", "learning_rate": 0.01, "weight_decay": 0.01, "schedule": {"type": "exp", "gamma": 0.9}},
    "adamw": {"type": "adam", "learning_rate": 0.01, "weight_decay": 0.01, "decoupled": True, "clip_norm": 0.5},
    "rmsprop": {"type": "rmsprop", "learning_rate": 0.01},
    "adagrad": {"type": "adagrad", "learning_rate": 0.1},
    "nesterov": {"type": "nesterov", "learning_rate": 0.1},
    "lbfgs": {"type": "lbfgs", "history": 4, "weight_decay": 0.001},
}


STATES = {
    "adam": "adam/second/output/bias",
    "adamw": "adam/first/hidden1/weights",
    "rmsprop": "rmsprop/squares/output/bias",
    "adagrad": "adagrad/squares/hidden2/weights",
    "nesterov": "momentum/hidden1/bias",
    "lbfgs": "lbfgs/changes",
}


def of_optimiser(name):
    """Pretraining, dropout and supervised training, all with one optimiser."""
    mapping = {key: value for key, value in PRETRAINED.items() if key != "sgd"} | {"optimiser": OPTIMISERS[name]}
    return experiment(mapping | {"pretrain": {"method": {"type": "autoencoder", "corruption": 0.2}, "epochs": 2}})


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_goes_on_as_if_it_had_not_been_stopped(tmp_path, name):
    of = of_optimiser(name)
    train(tmp_path / "whole", of)
    whole = outcome(tmp_path / "whole")
    train_until(tmp_path / "parts", 5, of)  # in the first layer's pretraining, then the second's, then after both
    for steps in (10, 16):
        train_until(tmp_path / "parts", steps, of, resume=True)
    before = numba.get_num_threads()
    numba.set_num_threads(2)
    try:
        train(tmp_path / "parts", of, resume=True)
    finally:
        numba.set_num_threads(before)
    assert outcome(tmp_path / "parts") == whole
    assert any(whole["tensors"][STATES[name]][2])


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    directory = tmp_path_factory.mktemp("everything") / "run"
    train(directory, EVERYTHING)
    return outcome(directory)


@pytest.mark.parametrize(("step", "threads"), [(1, 2), (STEPS + 2, 1), (2 * STEPS + 5, 2)])
def test_a_graph_with_state_and_all_that_is_random_goes_on_where_it_was(tmp_path, everything, step, threads):
    assert everything["tensors"].keys() >= {"batch_norm_1/running_mean", "adam/second/output/bias"}
    assert everything["rows"][0].keys() >= {"train_loss/output", "train_loss/auxiliary"}
    train_until(tmp_path / "run", step, EVERYTHING)
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        train(tmp_path / "run", EVERYTHING, resume=True)
    finally:
        numba.set_num_threads(before)
    assert outcome(tmp_path / "run") == everything


@pytest.fixture(scope="module")
def augmented(tmp_path_factory):
    directory = tmp_path_factory.mktemp("augmented") / "run"
    train(directory, AUGMENTED)
    return outcome(directory)


@pytest.mark.parametrize("step", [1, STEPS, STEPS + 2, 2 * STEPS + 5])
def test_random_transforms_go_on_where_they_were(tmp_path, augmented, step):
    train_until(tmp_path / "run", step, AUGMENTED)
    train(tmp_path / "run", AUGMENTED, resume=True)
    assert outcome(tmp_path / "run") == augmented


@pytest.mark.parametrize("threads", [2, 3])
def test_random_transforms_know_no_threads(tmp_path, augmented, threads):
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        train(tmp_path / "run", AUGMENTED)
    finally:
        numba.set_num_threads(before)
    assert outcome(tmp_path / "run") == augmented


@pytest.mark.parametrize("step", [3, 17])
def test_untied_and_sparse_pretraining_goes_on_too(tmp_path, step):
    method = {"type": "autoencoder", "tied": False, "sparsity": {"target": 0.1, "weight": 0.1}}
    untied = experiment(PRETRAINED, pretrain__method=method)
    train(tmp_path / "whole", untied)
    train_until(tmp_path / "parts", step, untied)
    train(tmp_path / "parts", untied, resume=True)
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_resuming_what_is_done_changes_nothing(tmp_path, ten_epochs):
    train(tmp_path / "run", TEN_EPOCHS)
    reporter = Recorder()
    summary = train(tmp_path / "run", TEN_EPOCHS, resume=True, reporter=reporter)
    assert reporter.steps == 0
    assert (summary["epochs"], summary["stopped_by"]) == (10, "epochs")
    assert outcome(tmp_path / "run") == ten_epochs


def test_raised_epochs_give_the_bits_of_the_longer_run(tmp_path, ten_epochs):
    train(tmp_path / "run", experiment(training__epochs=4))
    train(tmp_path / "run", TEN_EPOCHS, resume=True)
    assert outcome(tmp_path / "run") == ten_epochs


def test_a_damaged_newest_checkpoint_costs_no_bits(tmp_path, ten_epochs):
    train_until(tmp_path / "run", 4 * STEPS + 2, TEN_EPOCHS)
    newest = find_checkpoint(tmp_path / "run", "last")
    newest.write_bytes(newest.read_bytes()[:-7])
    reporter = Recorder()
    train(tmp_path / "run", TEN_EPOCHS, resume=True, reporter=reporter)
    assert "0000000026.safetensors" in reporter.messages[0]
    assert "going on from" in reporter.messages[1]
    assert "0000000024.safetensors: stage supervised, step 24" in reporter.messages[1]
    assert outcome(tmp_path / "run") == ten_epochs


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(tmp_path, pretrained, threads):
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        train(tmp_path / "run", WHOLE)
    finally:
        numba.set_num_threads(before)
    assert outcome(tmp_path / "run") == pretrained


TRAIN_BOTH = """
import hashlib, pathlib, sys
import numba
from dlcli.kernels.vectors import MACHINE
from tests.runs import outcome, train
from tests.training.test_determinism import CONVNET, WHOLE

for name, of in ("mlp", WHOLE), ("convnet", CONVNET):
    for threads in 1, 2, 3:
        numba.set_num_threads(threads)
        path = pathlib.Path(sys.argv[1]) / f"{name}-{threads}"
        train(path, of)
        print(MACHINE.rows, name, hashlib.sha256(repr(outcome(path)).encode()).hexdigest())
"""
AVX512 = AVX2 + ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"


def train_both(directory, **environment):
    """The tile's rows, and for either network the digest of what it came to on 1, 2 and 3 threads."""
    found = subprocess.run(
        [sys.executable, "-c", TRAIN_BOTH, str(directory)],
        env=os.environ | {"NUMBA_NUM_THREADS": "3"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    rows, names, digests = zip(*map(str.split, found.stdout.splitlines()), strict=True)
    return rows[0], dict(zip(names, digests, strict=True)), set(digests)


def test_threads_and_instruction_sets_give_the_same_bits(tmp_path):
    """Of this processor's own instruction sets, those with fused multiply-add: the others round otherwise."""
    features = llvmlite.binding.get_host_cpu_features()
    results = {"host": train_both(tmp_path / "host")}
    if features.get("avx2"):
        results["6"] = train_both(tmp_path / "avx2", NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=AVX2)
    if features.get("avx512f") and features.get("avx512vl"):
        results["14"] = train_both(tmp_path / "avx512", NUMBA_CPU_NAME="skylake-avx512", NUMBA_CPU_FEATURES=AVX512)
    for name, (rows, by_network, digests) in results.items():
        assert name in ("host", rows)  # the instruction set that was asked for
        assert len(digests) == len(by_network) == 2  # one for each network, on any number of threads
        assert digests == results["host"][2]


def test_another_seed_gives_other_bits_from_the_same_split(tmp_path, ten_epochs):
    train(tmp_path / "run", experiment(training__epochs=10, seed=2))
    other = outcome(tmp_path / "run")
    same = {name for name, tensor in other["tensors"].items() if tensor == ten_epochs["tensors"][name]}
    assert same == {"transform/0/mean", "transform/0/deviation"}
    assert other["rows"] != ten_epochs["rows"]


def test_the_split_seed_moves_the_split_alone():
    def validation(**changes):
        return prepare(DataOptions.model_validate(experiment(**changes).data.model_dump())).validation.x

    assert validation(seed=2).tobytes() == validation().tobytes()
    assert validation(data__split_seed=1).tobytes() != validation().tobytes()


def test_a_checkpoint_within_an_epoch_changes_nothing(tmp_path, ten_epochs):
    train(tmp_path / "run", experiment(training__epochs=10, output__checkpoint_every={"steps": 4}))
    assert outcome(tmp_path / "run") == ten_epochs


def test_the_best_checkpoint_is_that_of_its_epoch(tmp_path, ten_epochs):
    train(tmp_path / "run", TEN_EPOCHS)
    rows = [row for row in read_rows(tmp_path / "run") if row["stage"] == "supervised"]
    best = min(rows, key=lambda row: row["validation_error"])  # the first of equals
    found = load(find_checkpoint(tmp_path / "run"))
    assert found.record["progress"]["step"] == best["step"]
    train(tmp_path / "shorter", experiment(training__epochs=best["epoch"]))
    assert bits(found) == bits(last(tmp_path / "shorter"))
