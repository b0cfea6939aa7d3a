"""Options of the data section."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from dlcli.data.base import Source, Spatial, Transform
from dlcli.options import Count, Listed, Options


class Tail(Options):
    """The last samples of the training set."""

    tail: Count
    """How many of the last samples are held out."""


class DataOptions(Options):
    """The samples."""

    source: Source
    """Where samples come from."""
    validation: Annotated[float, Field(ge=0, lt=1)] | Annotated[int, Field(ge=0)] | Tail = 0.0
    """Held out of the training set: a share below 1, a count, or `{tail: N}` for the last N; shares and
    counts are drawn at random, in the classes' proportions."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw of the validation set (`seed` has no part in it)."""
    batch_size: Count = 100
    """Samples in a mini-batch; the last of an epoch may be smaller."""
    shuffle: bool = True
    """Draw a new order of the training samples for each epoch."""
    transform: Annotated[tuple[Transform, ...], Listed] = ()
    """Changes to every sample, in this order."""
    targets: Literal["source", "input"] = "source"
    """What the network is to give: the classes or numbers of the source, or the samples themselves as the transforms
    leave them (`input`: an autoencoder's reconstruction, a regression; classes then only part the validation set)."""
    test_crops: Literal[1, 5, 10] = 1
    """Crops of each image over which test metrics and predictions average the classes' probabilities: the centre alone;
    5: the corners too; 10: these and their mirror images. They are those of the last crop among the transforms. The
    loss is then −log of the true class's mean probability. Validation, between epochs, looks at the centre alone."""

    @field_validator("test_crops")
    @classmethod
    def _there_is_a_crop(cls, value: int, info: ValidationInfo) -> int:
        transforms = info.data.get("transform")
        if value > 1 and transforms is not None and not has_crop(transforms):
            raise PydanticCustomError("no_crop", "found {crops} crops, {expected}", {"crops": value, "expected": CROP})
        return value


CROP = "expected a transform that crops (random_crop, centre_crop, random_scale_crop)"


def has_crop(transforms: Sequence[Transform]) -> bool:
    """Whether evaluation may look at more than one crop of an image."""
    return any(isinstance(transform, Spatial) and transform.is_crop for transform in transforms)


Split = Literal["train", "validation", "test"]
