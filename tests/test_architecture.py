"""The picture of the house in ARCHITECTURE.md stays true: which part may import which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dlcli

ROOT = Path(dlcli.__file__).parent

# What each part may import of the others. It has no cycle: `test_the_rules_are_a_hierarchy`.
BASE = {"errors", "options", "random", "version"}
KERNELS = {"kernels", "cache"}
LAYERS = {"layers", "initialisers", *KERNELS, *BASE}
NETWORK = {"network", "graph", "expansion", "losses", "optim", "data", *LAYERS}
MAY_IMPORT = {
    "version": set(),
    "errors": set(),
    "options": set(),
    "random": set(),
    "cache": {"version"},
    "kernels": {"cache"},
    "initialisers": BASE,
    "layers": {"initialisers", *KERNELS, *BASE},
    "expansion": LAYERS,
    "graph": {"expansion", *LAYERS},
    "arena": set(),
    "backward": {"graph", "arena", *LAYERS},
    "losses": LAYERS,
    "optim": LAYERS,
    "data": LAYERS,
    "network": {"graph", "backward", *LAYERS},
    "training": NETWORK,
    "pretrain": {"training", *NETWORK},
    "config": {"training", "pretrain", *NETWORK},  # the classes of options, through the registry
    "report": KERNELS | BASE,
    "trained": {"training", "config", *NETWORK},
    "models": {"trained", "training", "pretrain", "config", *NETWORK},
    "wiring": {"training", "pretrain", "config", *NETWORK},
    "cli": {"report", "wiring", "models", "trained", "config", "training", "pretrain", *NETWORK},
    "__main__": {"cli"},
}
OUTSIDE = {  # the only parts that may import these packages
    "numba": {"kernels", "cache", "report", "cli"},
    "llvmlite": {"kernels", "report"},
    "click": {"cli"},
    "tqdm": {"report"},
    "yaml": {"config", "cli"},
    "safetensors": {"training"},
    "matplotlib": {"report"},
    "PIL": {"data", "report"},
}
NEVER = {"pickle", "marshal", "shelve", "dill", "torch", "scipy"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of dlcli: its name below ``dlcli.`` and its syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield name or "version", ast.parse(path.read_text(), str(path))  # dlcli/__init__.py holds the version


def imported(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be read"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str:
    """The part of the house that an imported name of dlcli belongs to."""
    names = dotted.split(".")
    there = len(names) > 1 and any((ROOT / f"{names[1]}{suffix}").exists() for suffix in ("", ".py"))
    return names[1] if there else "version"


IMPORTS = [(name, target) for name, tree in modules() for target in imported(tree)]


def test_every_part_has_its_rule():
    assert {name.split(".")[0] for name, _ in modules()} == set(MAY_IMPORT)


def test_the_rules_are_a_hierarchy():
    placed: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while ready := {name for name, below in waiting.items() if below <= placed}:
        placed |= ready
        waiting = {name: below for name, below in waiting.items() if name not in ready}
    assert not waiting


def test_imports_run_one_way():
    wrong = [
        f"{name} imports {target}"
        for name, target in IMPORTS
        if target.split(".")[0] == "dlcli"
        and part(target) != name.split(".")[0]
        and part(target) not in MAY_IMPORT[name.split(".")[0]]
    ]
    assert not wrong


def test_only_the_command_line_reads_config_files():
    """Others may take the experiment that was read, and write it out."""
    allowed = {"dlcli.config.experiment", "dlcli.config.dump"}
    wrong = [
        f"{name} imports {target}"
        for name, target in IMPORTS
        if target.startswith("dlcli.config") and name.split(".")[0] not in {"cli", "config"}
        if target.rpartition(".")[0] not in allowed
    ]
    assert not wrong


def test_one_layer_does_not_see_the_optimiser_and_kernels_see_no_options():
    assert "optim" not in MAY_IMPORT["layers"]
    assert MAY_IMPORT["kernels"].isdisjoint(BASE - {"version"})


@pytest.mark.parametrize("package", OUTSIDE)
def test_packages_stay_in_their_parts(package: str):
    users = {name.split(".")[0] for name, target in IMPORTS if target.split(".")[0] == package}
    assert users <= OUTSIDE[package]


def test_nothing_that_runs_what_a_file_says():
    assert not [(name, target) for name, target in IMPORTS if target.split(".")[0] in NEVER]
    calls = [
        (name, node.func.id)
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    assert not calls


def test_no_global_random_numbers():
    """Every draw has an address (dlcli/random.py); nothing uses a generator with a history of its own."""
    allowed = {"random"}
    draws = [
        (name, ast.unparse(node))
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith(("np.random.", "random.random", "numpy.random"))
        if name not in allowed
    ]
    assert not draws
    assert not [name for name, target in IMPORTS if target.split(".")[0] in {"random", "secrets"}]
