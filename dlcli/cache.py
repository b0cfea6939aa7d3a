"""Where compiled kernels are kept between runs: a private folder for this version of dlcli and its kernels.

The folder's name holds a hash of all kernel files, so that every change begins with an empty folder. A cache saves
time only: whatever is wrong with it, kernels are compiled anew and the run goes on.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dlcli

VARIABLE = "NUMBA_CACHE_DIR"  # names a folder of the user's own, instead of XDG_CACHE_HOME
PREFIX = "kernels-"
COMPILING = "compiling kernels for this machine; the next run finds them compiled"

_DIGEST = 16  # bytes at the head of an entry, by which damage is noticed
_tell: Callable[[str], object] | None = None


def announce(tell: Callable[[str], object] | None) -> None:
    """Let ``tell`` know, once, when a kernel is not in the cache and must be compiled, which takes a while."""
    global _tell
    _tell = tell


def _announce() -> None:
    global _tell
    tell, _tell = _tell, None
    if tell is not None:
        tell(COMPILING)


@functools.cache
def folder() -> Path | None:
    """Where entries are; where nothing lasting can be written a temporary folder of this process, or not even that."""
    return next(_writable_folders(), None)


def lasts() -> bool:
    """Whether other processes find the entries."""
    place = folder()
    return place is not None and place.name.startswith(PREFIX)


def has(name: str) -> bool:
    """Whether there is an entry of that name, be it damaged."""
    place = folder()
    return place is not None and (place / name).exists()


def load(name: str) -> bytes | None:
    """The entry of that name; None, which is announced, where there is none or it is damaged."""
    found = _read(name)
    if found is None:
        _announce()
    return found


def save(name: str, content: bytes) -> None:
    """Keep an entry, whole or not at all; that the disk is full is no failure."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=place, delete=False) as file:
        try:
            file.write(_digest(content) + content)
            file.close()
            os.replace(file.name, place / name)
        except OSError:
            os.unlink(file.name)


def kernel_hash() -> str:
    """A hash of every kernel file."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((Path(dlcli.__file__).parent / "kernels").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read(name: str) -> bytes | None:
    place = folder()
    if place is None:
        return None
    try:
        held = (place / name).read_bytes()
    except OSError:
        return None
    digest, content = held[:_DIGEST], held[_DIGEST:]
    return content if digest == _digest(content) else None


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _writable_folders() -> Iterator[Path]:
    """Folders to try, best first, each made when its turn comes."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: no home
        base = os.environ.get(VARIABLE) or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield _versioned(Path(base) / "dlcli")
    with contextlib.suppress(OSError):
        temporary = tempfile.mkdtemp(prefix="dlcli-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        yield Path(temporary)


def _versioned(base: Path) -> Path:
    """This version's folder in ``base``; when it is new, those of other versions go."""
    found = base / f"{PREFIX}{dlcli.__version__}-{kernel_hash()}"
    if not found.exists():
        # Entries are machine code, so nobody else may write here.
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in base.glob(f"{PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
        found.mkdir(mode=0o700, exist_ok=True)
    status = found.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{found} belongs to others, too")
    with tempfile.TemporaryFile(dir=found):
        return found
