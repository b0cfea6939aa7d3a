"""A trained network, from its checkpoint alone: its numbers against counts made by hand."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.config.experiment import Experiment
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import prepare
from dlcli.errors import CheckpointError, DataError, MisfitError, UsageError
from dlcli.trained import evaluate, open_run, predict
from dlcli.training.checkpoint import Checkpoint, load, save
from dlcli.training.run_directory import find_checkpoint
from tests.runs import SUPERVISED, experiment, train

CLASSES = 7
MANY = experiment(
    data__source={"type": "synthetic", "shape": [6], "classes": CLASSES, "samples": 80, "test_samples": 45},
    network=[*SUPERVISED["network"][:3], {"type": "dense", "name": "output", "units": CLASSES}],
    training__epochs=12,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("many") / "run"
    train(directory, MANY)
    return directory


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A run on two targets, and its test samples."""
    folder, random = tmp_path_factory.mktemp("regression"), np.random.default_rng(5)
    x = random.normal(size=(40, 6)).astype(np.float32)
    y = np.stack([x[:, 0] - x[:, 1], 0.5 * x[:, 2]], axis=1)
    np.savez(folder / "data.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    of = experiment(
        data__source={"type": "npz", "file": str(folder / "data.npz")},
        data__validation=0,
        network=[{"type": "dense", "name": "output", "units": 2}],
        loss="mean_squared_error",
        sgd={"learning_rate": 0.02},
        training__epochs=60,
    )
    train(folder / "run", of)
    return folder / "run", x[30:], y[30:]


def logits(run, x):
    """The network's outputs for raw samples, in float64 and by hand."""
    tensors = {name: array.astype(np.float64) for name, array in load(find_checkpoint(run)).tensors.items()}
    h = (x - tensors["transform/0/mean"]) / tensors["transform/0/deviation"]
    for layer in ("hidden1", "hidden2"):
        h = 1 / (1 + np.exp(-(h @ tensors[f"{layer}/weights"] + tensors[f"{layer}/bias"])))
    return h @ tensors["output/weights"] + tensors["output/bias"]


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("split", ["train", "validation", "test", None])
def test_evaluation_is_a_count(run, split):
    data = MANY.data.source.load()
    held_out = prepare(MANY.data)
    source = {"train": held_out.train, "validation": held_out.validation}.get(split)
    x, y = (source.x, source.y) if source is not None else (data.test.x, data.test.y)
    result = evaluate(open_run(run), split)
    outputs = logits(run, x)
    probabilities = softmax(outputs)
    confusion = [[0] * CLASSES for _ in range(CLASSES)]
    wrong = wrong_of_five = 0
    loss = 0.0
    for row, label in zip(probabilities, y, strict=True):
        best = sorted(range(CLASSES), key=lambda j, row=row: -row[j])
        confusion[label][best[0]] += 1
        wrong += best[0] != label
        wrong_of_five += label not in best[:5]
        loss -= np.log(row[label])
    assert result["split"] == (split or "test")
    assert result["samples"] == len(y)
    assert result["loss"] == pytest.approx(loss / len(y), rel=1e-5)
    assert result["error"] == wrong / len(y)
    assert result["top5_error"] == wrong_of_five / len(y)
    assert result["confusion"] == confusion
    for i, row in enumerate(result["classes"]):
        column = [confusion[j][i] for j in range(CLASSES)]
        assert row == {
            "label": i,
            "precision": confusion[i][i] / sum(column) if sum(column) else None,
            "recall": confusion[i][i] / sum(confusion[i]) if sum(confusion[i]) else None,
            "samples": sum(confusion[i]),
        }
    assert sum(row["samples"] for row in result["classes"]) == len(y)
    json.dumps(result, allow_nan=False)


def test_a_class_that_is_never_there_or_never_found_has_no_share(tmp_path):
    """The test set has two of seven classes; an untrained network finds one."""
    random = np.random.default_rng(0)
    x = random.random((30, 6), np.float32)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=np.arange(30) % CLASSES, x_test=x[:4], y_test=[2, 2, 5, 2])
    mapping = MANY.model_dump(mode="json") | {"training": {"epochs": 0}}
    mapping["data"]["source"] = {"type": "npz", "file": str(tmp_path / "d.npz")}
    mapping["network"][-1]["initialiser"] = "zeros"
    mapping["network"][-1]["bias_initialiser"] = {"type": "constant", "value": 0.0}
    train(tmp_path / "run", Experiment.model_validate(mapping))
    result = evaluate(open_run(tmp_path / "run"))
    assert result["confusion"][2] == [3, 0, 0, 0, 0, 0, 0]
    assert [row["recall"] for row in result["classes"]] == [None, None, 0, None, None, 0, None]
    assert [row["precision"] for row in result["classes"]] == [0, None, None, None, None, None, None]
    assert (result["error"], result["top5_error"]) == (1, 0)  # equals: none scored higher than the true class


def test_an_ignored_class_is_neither_mistaken_nor_predicted(tmp_path):
    """The last class has no output: the network tells the others apart, and that is what is measured."""
    loss = {"type": "softmax_cross_entropy", "ignored_label": 2, "class_weights": [1.0, 2.0, 1.0]}
    source = SUPERVISED["data"]["source"] | {"deviation": 0.3}
    output = [*SUPERVISED["network"][:3], {"type": "dense", "name": "output", "units": 2}]
    summary = train(tmp_path / "run", experiment(network=output, loss=loss, data__source=source, training__epochs=40))
    assert summary["train_error"] < 0.1
    trained = open_run(tmp_path / "run")
    found = evaluate(trained)
    classes = prepare(trained.experiment.data).test.y
    confusion = np.array(found["confusion"])
    assert confusion.sum(axis=1).tolist() == [np.sum(classes == 0), np.sum(classes == 1), 0]
    assert found["error"] == summary["test_error"] == 1 - np.trace(confusion) / confusion.sum()
    assert found["samples"] == 20
    first = next(predict(trained, [np.zeros((1, 6), np.float32)]))
    assert [label for label, _ in first["top"]] in ([0, 1], [1, 0])


def test_top5_has_no_meaning_up_to_five_classes(tmp_path):
    train(tmp_path / "run")
    assert evaluate(open_run(tmp_path / "run"))["top5_error"] is None


def test_without_a_test_set_the_validation_set_is_taken(tmp_path):
    source = SUPERVISED["data"]["source"] | {"test_samples": 0}
    train(tmp_path / "run", experiment(data__source=source))
    trained = open_run(tmp_path / "run")
    assert evaluate(trained)["split"] == "validation"
    with pytest.raises(UsageError, match="the data have no test set; expected one of: train, validation"):
        evaluate(trained, "test")


def test_neither_test_nor_validation_is_an_error(tmp_path):
    source = SUPERVISED["data"]["source"] | {"test_samples": 0}
    train(tmp_path / "run", experiment(data__source=source, data__validation=0))
    with pytest.raises(UsageError, match="the data have no validation set; expected one of: train"):
        evaluate(open_run(tmp_path / "run"))


def test_predictions_come_in_order_with_their_probabilities(run):
    x = MANY.data.source.load().test.x
    found = list(predict(open_run(run), [x[:20], x[20:]]))
    expected = softmax(logits(run, x))
    assert [row["index"] for row in found] == list(range(45))
    for row, probabilities in zip(found, expected, strict=True):
        best = np.argsort(-probabilities)[:5].tolist()
        assert [label for label, _ in row["top"]] == best
        np.testing.assert_allclose([p for _, p in row["top"]], probabilities[best], rtol=1e-4, atol=1e-6)
        assert (row["label"], row["probability"]) == tuple(row["top"][0])
    errors = np.mean([row["label"] for row in found] != MANY.data.source.load().test.y)
    assert evaluate(open_run(run))["error"] == errors
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("size", [1, 2, 7, 44, 45])
def test_predictions_do_not_depend_on_their_batch(run, size):
    x = MANY.data.source.load().test.x
    cut = list(predict(open_run(run), (x[start : start + size] for start in range(0, 45, size))))
    assert cut == list(predict(open_run(run), [x]))


def test_nothing_is_predicted_before_it_is_asked_for(run):
    def endless():
        while True:
            yield np.zeros((2, 6), np.float32)

    predictions = predict(open_run(run), endless())
    assert [next(predictions)["index"] for _ in range(5)] == [0, 1, 2, 3, 4]


def test_labels_are_those_of_the_data(tmp_path):
    lines = [f"{i % 5},{i % 7},{('iris', 'rose')[i % 2]}" for i in range(20)]
    (tmp_path / "flowers.csv").write_text("a,b,kind\n" + "\n".join(lines) + "\n")
    of = experiment(
        data__source={"type": "csv", "train": str(tmp_path / "flowers.csv"), "label": "kind"},
        data__validation=4,
        network=[{"type": "dense", "name": "output", "units": 2}],
    )
    train(tmp_path / "run", of)
    trained = open_run(tmp_path / "run")
    assert {row["label"] for row in evaluate(trained)["classes"]} == {"iris", "rose"}
    (row,) = predict(trained, [np.array([[1, 2]], np.float32)])
    assert {label for label, _ in row["top"]} == {"iris", "rose"}


def test_a_regression_gives_numbers(regression):
    run, x, y = regression
    trained = open_run(run)
    result = evaluate(trained)
    found = list(predict(trained, [x]))
    assert [key for key, value in result.items() if value is not None] == ["split", "samples", "loss"]
    assert result.keys() >= {"error", "top5_error", "confusion", "classes"}
    outputs = np.array([row["output"] for row in found])
    assert found[3].keys() == {"index", "output"}
    assert outputs.shape == (10, 2)
    assert result["loss"] == pytest.approx(np.mean(np.sum((outputs - y) ** 2, axis=1)) / 2, rel=1e-4)
    assert result["loss"] < 0.1
    np.testing.assert_allclose(outputs, y, atol=0.8)


def test_what_is_not_finite_becomes_null(regression):
    run, x, _ = regression
    assert next(predict(open_run(run), [np.full_like(x[:1], np.nan)]))["output"] == [None, None]


def test_the_statistics_are_the_checkpoints(run, tmp_path):
    """Moved means move the predictions: nothing is fitted again, not even to evaluate."""
    found = load(find_checkpoint(run))
    tensors = found.tensors | {"transform/0/mean": found.tensors["transform/0/mean"] + 3}
    save(tmp_path / "moved.safetensors", Checkpoint(tensors, found.record))
    moved = open_run(tmp_path / "moved.safetensors")
    x = MANY.data.source.load().test.x
    assert list(predict(moved, [x + 3])) != list(predict(moved, [x]))
    np.testing.assert_allclose(
        [row["probability"] for row in predict(moved, [x + 3])],
        [row["probability"] for row in predict(open_run(run), [x])],
        rtol=1e-4,
    )
    assert evaluate(moved)["loss"] != evaluate(open_run(run))["loss"]


def test_which_checkpoint_is_chosen(run):
    assert open_run(run).path.name == "best.safetensors"
    assert open_run(run, "last").path.name == "last.safetensors"
    file = run / "checkpoints" / "last.safetensors"
    assert open_run(file).record["progress"]["step"] == open_run(run, "last").record["progress"]["step"]
    with pytest.raises(CheckpointError, match="expected a run directory or a checkpoint file"):
        open_run(run / "nowhere")


def test_other_data_than_it_was_trained_on_are_refused(tmp_path):
    random = np.random.default_rng(0)

    def put(classes, features=6):
        x, y = random.random((30, features), np.float32), np.arange(30) % classes
        np.savez(tmp_path / "data.npz", x_train=x, y_train=y)

    put(3)
    of = experiment(data__source={"type": "npz", "file": str(tmp_path / "data.npz")}, data__transform=[])
    train(tmp_path / "run", of)
    trained = open_run(tmp_path / "run")
    put(4)
    with pytest.raises(DataError, match=r"in 4 classes, expected shape \[6\] and the 3 classes of .*best"):
        evaluate(trained, "train")
    put(3, features=5)
    with pytest.raises(DataError, match=r"found samples of shape \[5\] in 3 classes"):
        evaluate(trained, "train")


def edited(run, tmp_path, edit):
    """A copy of the run's checkpoint, changed and sealed again."""
    found = load(find_checkpoint(run))
    tensors, record = dict(found.tensors), json.loads(json.dumps(found.record))
    edit(tensors, record)
    save(tmp_path / "edited.safetensors", Checkpoint(tensors, record))
    return tmp_path / "edited.safetensors"


EDITS = {
    "missing": (lambda t, r: t.pop("hidden1/bias"), "'hidden1/bias' is missing"),
    "misshapen": (lambda t, r: t.update({"hidden1/bias": np.zeros(4, np.float32)}), r"found float32 \[4\]"),
    "float64": (lambda t, r: t.update({"hidden1/bias": np.zeros(5)}), "found float64"),
    "NaN": (lambda t, r: t["hidden1/bias"].fill(np.nan), "not finite"),
    "NaN statistics": (lambda t, r: t["transform/0/mean"].fill(np.nan), "not finite"),
    "no statistics": (lambda t, r: t.pop("transform/0/mean"), "mean kept from training: found none"),
    "misshapen statistics": (
        lambda t, r: t.update({"transform/0/mean": np.zeros(5, np.float32)}),
        r"found shape \[5\], expected \[6\]",
    ),
    "no experiment": (lambda t, r: r.pop("experiment"), "not one of this version"),
    "a foreign option": (lambda t, r: r["experiment"].update(colour="red"), "not one of this version"),
    "an unknown layer": (lambda t, r: r["experiment"]["network"][0].update(type="os.system"), "not one of this"),
    "10^12 units": (lambda t, r: r["experiment"]["network"][0].update(units=10**12), r"expected float32 \[6, 10{12}\]"),
    "no classes": (lambda t, r: r.pop("classes"), "not one of this version"),
    "no list of classes": (lambda t, r: r.update(classes=3), "not one of this version"),
    "a class too few": (lambda t, r: r["classes"].pop(), "found 7 outputs, expected 6"),
    "layers that don't fit": (lambda t, r: r.update(sample_shape=[6, 2, 2, 2], raw_shape=[6]), "missing|found|not one"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_inconsistent_checkpoints_are_refused(run, tmp_path, edit):
    change, message = EDITS[edit]
    path = edited(run, tmp_path, change)
    with pytest.raises(CheckpointError, match=f"edited.safetensors: .*(?s:{message})"):
        open_run(path)


CROPS = experiment(
    data__source={"type": "synthetic", "shape": [6, 5, 2], "classes": CLASSES, "samples": 80, "test_samples": 21},
    data__transform=[{"type": "random_crop", "size": [4, 4]}, "mirror", {"type": "subtract_mean"}],
    data__test_crops=5,
    network=[{"type": "dense", "name": "output", "units": CLASSES}],
)


@pytest.fixture(scope="module")
def cropping(tmp_path_factory):
    directory = tmp_path_factory.mktemp("crops") / "run"
    return directory, train(directory, CROPS)


def by_hand(run, crops):
    """Mean probabilities of the test samples over the first crops: corners, centre, mirror images."""
    tensors = {name: array.astype(np.float64) for name, array in load(find_checkpoint(run)).tensors.items()}
    x = CROPS.data.source.load().test.x - tensors["transform/2/mean"]
    views = [x[:, i : i + 4, j : j + 4] for i, j in ((0, 0), (0, 1), (2, 0), (2, 1), (1, 0))]
    views = {1: views[4:], 5: views, 10: views + [view[:, :, ::-1] for view in views]}[crops]
    each = [softmax(v.reshape(21, -1) @ tensors["output/weights"] + tensors["output/bias"]) for v in views]
    return np.mean(each, axis=0)


@pytest.mark.parametrize("crops", [None, 1, 5, 10])
def test_crops_are_averaged(cropping, crops):
    run, summary = cropping
    trained = open_run(run).with_crops(crops)
    p, data = by_hand(run, crops or 5), CROPS.data.source.load().test
    result = evaluate(trained)
    own = p[np.arange(21), data.y]
    assert result["loss"] == pytest.approx(-np.log(own).mean(), rel=1e-4)
    assert result["error"] == np.mean(p.argmax(axis=1) != data.y)
    assert result["top5_error"] == np.mean((p > own[:, None]).sum(axis=1) >= 5)
    found = list(predict(trained, [data.x[:20], data.x[20:]]))
    np.testing.assert_allclose([row["probability"] for row in found], p.max(axis=1), rtol=1e-4)
    if crops is None:
        assert (summary["test_loss"], summary["test_error"]) == (result["loss"], result["error"])


def test_crops_need_crops_and_classes(run, regression):
    with pytest.raises(UsageError, match=r"found 10 crops, expected a transform that crops \(random_crop, "):
        open_run(run).with_crops(10)
    assert open_run(run).with_crops(1).experiment.data.test_crops == 1
    with pytest.raises(UsageError, match="expected a transform that crops"):
        open_run(regression[0]).with_crops(5)
    with pytest.raises(ValidationError, match=r"data\.test_crops\n.*found 5 crops, expected a transform that crops"):
        experiment(data__test_crops=5)
    with pytest.raises(ValidationError, match=r"data\.test_crops"):
        experiment(CROPS.model_dump(mode="json"), data__test_crops=2)


def test_crops_of_a_regression_are_refused(tmp_path):
    x = np.zeros((9, 3, 3, 1), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=np.linspace(0, 1, 9))
    changed = {"data__source": {"type": "npz", "file": str(tmp_path / "d.npz")}, "data__validation": 0}
    crop = [{"type": "centre_crop", "size": 2}]
    of = experiment(data__transform=crop, network=[{"type": "dense", "units": 1}], loss="mean_squared_error", **changed)
    train(tmp_path / "run", of)
    with pytest.raises(UsageError, match="found 5 crops for a regression"):
        open_run(tmp_path / "run").with_crops(5)
    with pytest.raises(MisfitError, match=r"data\.test_crops: expected 1 for a regression"):
        prepare(DataOptions.model_validate(of.data.model_dump(mode="json") | {"test_crops": 5}))
