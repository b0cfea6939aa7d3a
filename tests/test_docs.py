"""What the documents say is true: their commands run, their links lead somewhere, the reference is up to date."""

import gzip
import importlib.util
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SMALL = "--set training.epochs=1 --set data.batch_size=500"  # nothing of what is documented depends on these


def commands(document: Path) -> list[str]:
    """Command lines of a document's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    return [
        line[2:].partition("   #")[0].strip() for block in blocks for line in block.splitlines() if line[:2] == "$ "
    ]


def full_mnist(folder: Path) -> None:
    """A folder with MNIST's four file names, and few images in them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split, count in (("train", 600), ("t10k", 100)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for name, array in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{name}.gz").write_bytes(gzip.compress(header + array.tobytes()))


def runnable(command: str, folder: Path) -> str:
    """The command as the test runs it: with this interpreter's dlcli, and small."""
    command = command.replace("~/mnist", str(folder / "mnist"))
    if re.match(r"dlcli (train|pretrain) ", command):
        small = SMALL + (" --set pretrain.epochs=1" if "deep" in command and "pretrain=null" not in command else "")
        if "generative" in command:
            small += "".join(f" --set network.{name}.units=50" for name in ("hidden1", "hidden2", "top"))
        command = re.sub(r"^(dlcli \w+ \S+)", rf"\1 {small}", command)
    if shutil.which("jq") is None:
        command = re.sub(r"\| jq \S+", "| cat", command)
    return (
        command.replace("dlcli ", f"{sys.executable} -m dlcli ", 1)
        if command.startswith("dlcli")
        else command.replace("| dlcli", f"| {sys.executable} -m dlcli")
    )


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if any("dlcli " in c for c in commands(d))], ids=lambda d: d.name
)
def test_the_commands_of_a_document_run(document, tmp_path):
    full_mnist(tmp_path / "mnist")
    for command in commands(document):
        if command.startswith(("git ", "make ")):  # CI runs `make test`; `make run` is tried from a fresh clone
            continue
        done = subprocess.run(
            ["bash", "-c", f"set -e; {runnable(command, tmp_path)}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_make_has_the_targets_that_documents_name():
    make = shutil.which("make") or "make"
    help_text = subprocess.run([make, "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^  make (\w+)", help_text, re.MULTILINE))
    named = {name for d in DOCUMENTS for name in re.findall(r"(?:`|\$ )make ([a-z]+)", d.read_text(encoding="utf-8"))}
    assert named <= targets
    assert {"run", "test", "lint", "bench", "check"} <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_tables_are_whole(document):
    width = None
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("|") else None
        assert None in (width, cells) or cells == width, f"{document.name}: {line}"
        width = cells


def test_every_command_stands_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "dlcli/cli/commands").glob("[a-z]*.py"):
        assert f"dlcli {path.stem}" in readme, f"README.md says nothing of dlcli {path.stem}"


def test_the_reference_of_the_config_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == module.page(), "run: python docs/make_reference.py"
