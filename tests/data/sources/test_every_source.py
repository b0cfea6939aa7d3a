import subprocess
import sys

import pytest
from pydantic import ValidationError

from dlcli.data.base import Source, Transform
from dlcli.data.options import DataOptions

SOURCES = {"bundled", "cifar10", "cifar100", "csv", "idx", "image_folder", "npy", "npz", "synthetic"}
TRANSFORMS = {
    "centre_crop", "flatten", "global_contrast_normalisation", "mirror", "pad_and_crop", "pca_jitter", "random_crop",
    "random_scale_crop", "resize", "scale", "standardise", "subtract_mean", "zca",
}  # fmt: skip


def test_the_sources_are_these():
    assert set(Source.members()) == SOURCES


def test_the_transforms_are_these():
    assert set(Transform.members()) == TRANSFORMS


@pytest.mark.parametrize("member", [*Source.members().values(), *Transform.members().values()])
def test_every_option_is_described(member):
    assert member.__doc__
    for name, field in member.model_fields.items():
        assert name == "type" or field.description, name


def test_a_member_may_be_imported_before_the_options():
    code = (
        "from dlcli.data.sources.idx import Idx; from dlcli.data.options import DataOptions;"
        "assert isinstance(DataOptions.model_validate({'source': {'type': 'idx', 'root': '.'}}).source, Idx)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ({"type": "bundled", "name": "mnist"}, "name"),
        ({"type": "csv", "train": "a.csv", "delimiter": ";;"}, "delimiter"),
        ({"type": "csv", "train": "a.csv", "delimiter": ""}, "delimiter"),
        ({"type": "csv", "train": "a.csv", "header": "maybe"}, "header"),
        ({"type": "csv", "train": "a.csv", "task": "clustering"}, "task"),
        ({"type": "csv"}, "train"),
        ({"type": "npz", "file": "a.npz", "classes": 1}, "classes"),
        ({"type": "npz"}, "file"),
        ({"type": "idx", "root": ".", "classes": 1}, "classes"),
        ({"type": "cifar10"}, "root"),
        ({"type": "cifar100", "root": ".", "labels": "middling"}, "labels"),
        ({"type": "synthetic", "shape": []}, "shape"),
        ({"type": "synthetic", "shape": [0]}, "shape"),
        ({"type": "synthetic", "shape": [2], "classes": 1}, "classes"),
        ({"type": "synthetic", "shape": [2], "samples": 0}, "samples"),
        ({"type": "synthetic", "shape": [2], "test_samples": -1}, "test_samples"),
        ({"type": "synthetic", "shape": [2], "deviation": 0}, "deviation"),
        ({"type": "synthetic", "shape": [2], "seed": -1}, "seed"),
    ],
)
def test_a_broken_bound_is_refused_at_its_option(written, at):
    with pytest.raises(ValidationError) as caught:
        DataOptions.model_validate({"source": written})
    assert at in caught.value.errors()[0]["loc"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({}, "expected root, or train_images and train_labels"),
        ({"train_images": "a"}, "expected root, or train_images and train_labels"),
        ({"root": ".", "train_images": "a"}, "expected either of them"),
        ({"train_images": "a", "train_labels": "b", "test_images": "c"}, "test_images and test_labels together"),
    ],
)
def test_idx_wants_a_folder_or_its_files(written, message):
    with pytest.raises(ValidationError, match=message):
        DataOptions.model_validate({"source": {"type": "idx"} | written})
