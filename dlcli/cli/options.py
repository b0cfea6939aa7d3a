"""Arguments and options that several commands share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

Decorator = Callable[[Any], Any]

MOST_STEPS = 1_000_000_000  # of a Gibbs chain: years, and far from what counts them


def examples(*lines: str) -> str:
    """An epilog of examples, one command a line, left as it is by click."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def together(*decorators: Decorator) -> Decorator:
    """One decorator for several, in the order in which the help shows them."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _use_threads(ctx: click.Context, parameter: click.Parameter, threads: int | None) -> None:
    """Numba reads the number of threads as it is imported, which is later: inside the command."""
    if threads is None:
        return
    if "numba" in sys.modules:
        import numba

        most: int = numba.config.NUMBA_NUM_THREADS
        numba.set_num_threads(min(threads, most))
    else:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)


def _complete_checkpoint(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = [CompletionItem(name) for name in ("best", "last") if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]


config_argument = click.argument("config", type=click.Path())
run_argument = click.argument("run", type=click.Path(path_type=Path))
overrides_option = click.option(
    "--set", "overrides", metavar="KEY=VALUE", multiple=True,
    help="Change a key of the config, e.g. network.hidden1.units=300; VALUE is YAML. Repeatable.",
)  # fmt: skip
seed_option = click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Short for --set seed=N.")
experiment_options = together(config_argument, overrides_option, seed_option)
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), metavar="N", expose_value=False, callback=_use_threads,
    help="Threads to compute with; by default one for each core. The result does not depend on it.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress and no messages but errors.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is there.")
crops_option = click.option(
    "--crops", type=click.Choice(["1", "5", "10"]),
    help="Average over so many crops of each image; by default as the config's data.test_crops says.",
)  # fmt: skip
label_option = click.option(
    "--label",
    metavar="CLASS|each",
    help="Clamp this class, or the next one for each chain, where the generative model has learned labels.",
)
start_option = click.option(
    "--start", type=click.Choice(["noise", "data"]), default="noise", show_default=True,
    help="Where chains start: at random pixels, or at samples of the test set (else the validation set), of the class "
    "that is clamped.",
)  # fmt: skip
checkpoint_option = click.option(
    "--checkpoint", metavar="last|best|FILE", shell_complete=_complete_checkpoint,
    help="Which checkpoint of the run; by default the best, else the last.",
)  # fmt: skip
