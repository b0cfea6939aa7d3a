"""Where compiled kernels are kept between runs: a private folder for this version of dlcli and its kernels.

Numba notices a changed kernel file, but not a changed helper in another file; so the folder's name holds a
hash of all kernel files, and every change begins with an empty folder. A cache saves time only: whatever is
wrong with it, kernels are compiled anew and the run goes on.
"""

import atexit
import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dlcli

VARIABLE = "NUMBA_CACHE_DIR"
PREFIX = "kernels-"
COMPILING = "compiling kernels for this machine; the next run finds them compiled"

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


def prepare_kernel_cache() -> None:
    """Tell Numba where to cache, before any kernel is defined; a `NUMBA_CACHE_DIR` of the user's own stays.

    Where nothing lasting can be written a temporary folder serves this process; where not even that, none.
    """
    if not os.environ.get(VARIABLE):
        folder = next(_writable_folders(), None)
        if folder is None:
            _cache_nothing()
            return
        os.environ[VARIABLE] = str(folder)
    _survive_damage()


def kernel_hash() -> str:
    """A hash of every kernel file."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted((Path(dlcli.__file__).parent / "kernels").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _writable_folders() -> Iterator[Path]:
    """Folders to try, best first, each made when its turn comes."""
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: no home
        yield _versioned(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlcli")
    with contextlib.suppress(OSError):
        folder = tempfile.mkdtemp(prefix="dlcli-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        yield Path(folder)


def _versioned(base: Path) -> Path:
    """This version's folder in ``base``; when it is new, those of other versions go."""
    folder = base / f"{PREFIX}{dlcli.__version__}-{kernel_hash()}"
    if not folder.exists():
        # Numba's entries are pickles, so nobody else may write here.
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in base.glob(f"{PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    with tempfile.TemporaryFile(dir=folder):
        return folder


def _cache_nothing() -> None:
    """Let ``@njit(cache=True)`` compile in memory only, where Numba would refuse for want of a folder."""
    from numba.core import dispatcher

    dispatcher.Dispatcher.enable_caching = lambda self: None  # type: ignore[method-assign]


def _survive_damage() -> None:
    """Let a damaged entry be compiled again and a full disk be no failure; Numba raises in both cases."""
    from numba.core import caching

    class Tolerant(caching.IndexDataCacheFile):
        def load(self, key: object) -> object:
            found = None
            try:
                found = super().load(key)
            except Exception:  # unpickling damaged bytes raises nearly anything
                with contextlib.suppress(OSError):
                    self.flush()
            if found is None:
                _announce()
            return found

        def save(self, key: object, data: object) -> None:
            with contextlib.suppress(OSError):
                super().save(key, data)

    caching.IndexDataCacheFile = Tolerant
