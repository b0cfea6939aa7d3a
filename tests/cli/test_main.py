import subprocess
import sys

import click
import pytest

import dlcli
from dlcli.cli.main import command_line
from tests.cli.conftest import run

COMMANDS = command_line.list_commands(click.Context(command_line))
HEAVY = ("numpy", "numba", "pydantic", "yaml", "safetensors", "tqdm", "matplotlib")


def test_the_promised_commands_are_there():
    promised = {"train", "pretrain", "evaluate", "predict", "check", "summary", "plot", "gradcheck", "init"}
    assert promised | {"benchmark", "schema", "doctor", "features", "reconstruct", "picture", "sample"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example_of_itself(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"  dlcli {name}" in result.stdout.partition("Examples:")[2]
    command = command_line.get_command(click.Context(command_line), name)
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or parameter.help, f"{name}: {parameter.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_shows_their_first_sentence_whole(name):
    listed = run("--help").stdout
    command = command_line.get_command(click.Context(command_line), name)
    assert " ".join([name, command.help.partition("\n")[0]]) in " ".join(listed.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["init"], ["trian"]])
def test_light_commands_import_nothing_heavy(arguments, environment):
    code = (
        "import sys\n"
        "from dlcli.cli.main import command_line\n"
        "try: command_line.main(sys.argv[1:])\n"
        f"finally: print('IMPORTED', *sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1].split() == ["IMPORTED"], done.stdout + done.stderr


def test_without_arguments_the_help_is_shown_as_a_mistake():
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_version():
    assert run("--version").stdout == f"dlcli, version {dlcli.__version__}\n"


def test_an_unknown_command_is_refused_with_a_suggestion():
    result = run("evaluete")
    assert result.exit_code == 2
    assert "error: there is no command 'evaluete'; did you mean 'evaluate'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "Missing argument 'CONFIG'"),
        (["train", "x.yaml", "--sed", "1"], "No such option"),
        (["train", "x.yaml", "--threads", "0"], "0 is not in the range"),
        (["train", "x.yaml", "--resume", "--overwrite"], "--overwrite begins one anew"),
        (["train", "x.yaml", "--resume", "--init", "r"], "--init begins one anew"),
        (["evaluate", "r", "--split", "tests"], "'tests' is not one of"),
    ],
)
def test_misuse_is_told_in_one_line_with_a_pointer_to_the_help(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"Try 'dlcli {arguments[0]} --help'."


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dlcli ev", ["plain,evaluate"]),
        ("dlcli init mnist_l", ["plain,mnist_lenet"]),
        ("dlcli evaluate --checkpoint l", ["plain,last", "file,l"]),
        ("dlcli train --res", ["plain,--resume"]),
        ("dlcli train m", ["file,m"]),
    ],
)
def test_shell_completion(words, expected, environment):
    asked = {"_DLCLI_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "dlcli"], env=environment | asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == expected
