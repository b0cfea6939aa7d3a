"""The configs that come with dlcli."""

from pathlib import Path

import dlcli


def folder() -> Path:
    """Where they are: inside the package when it is installed, beside it in a checkout."""
    package = Path(dlcli.__file__).parent
    return next(path for path in (package / "configs", package.parent / "configs") if path.is_dir())


def names() -> list[str]:
    """Their names, in alphabetical order; those that reproduce a paper are called ``papers/<name>``."""
    found = folder()
    return sorted(path.relative_to(found).with_suffix("").as_posix() for path in found.rglob("*.yaml"))


def files(name: str) -> list[Path]:
    """The config and the data files beside it, which have the same name."""
    return sorted(folder().glob(f"{name}.*"))


def title(name: str) -> str:
    """What its first line, a comment, says."""
    with (folder() / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().lstrip("#").strip()
