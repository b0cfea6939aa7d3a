"""dlcli schema"""

import json

import click

from dlcli.cli.options import examples


@click.command(epilog=examples("dlcli schema > dlcli.schema.json"))
def command() -> None:
    """Print the JSON Schema of configs.

    Editors use it to complete and to check YAML.
    """
    from dlcli.config.schema import schema

    click.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
