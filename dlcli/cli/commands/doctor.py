"""dlcli doctor"""

import click

from dlcli.cli.options import examples, json_option, threads_option
from dlcli.cli.output import print_json
from dlcli.errors import Exit


@click.command(epilog=examples("dlcli doctor", "dlcli doctor --json | jq .problems"))
@threads_option
@json_option
def command(as_json: bool) -> None:
    """Show what dlcli runs on, and what is wrong with it.

    Versions, instruction set, threads, kernel cache, memory and extras. Exits with 5 where something keeps
    dlcli from working.
    """
    from dlcli.report.machine import examine

    report = examine()
    if as_json:
        print_json({"facts": report.facts, "warnings": report.warnings, "problems": report.problems})
    else:
        from dlcli.report.table import table

        click.echo(table([[name, value] for name, value in report.facts.items()], left=2))
        for kind, texts in (("warning", report.warnings), ("problem", report.problems)):
            for text in texts:
                click.echo(f"{kind}: {text}")
        if not report.warnings and not report.problems:
            click.echo("Nothing is wrong.")
    if report.problems:
        raise click.exceptions.Exit(Exit.ENVIRONMENT)
