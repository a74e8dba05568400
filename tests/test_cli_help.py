"""Promises of every command's help, walked over the live command line."""

import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from ml.home import PROJECT_ROOT
from orchestration.cli.main import COMMANDS, cli

HEAVY = ("dagster", "dbt", "mlflow", "sklearn", "pandas", "duckdb", "rich")


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in walk(cli)], ids=lambda path: "-".join(path) or "baton")
def test_help_has_an_example_that_names_the_command(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli, [*path, "--help"])
    assert shown.exit_code == 0
    _, heading, examples = shown.output.partition("Example")
    assert heading, f"no example in the help of {path}"
    assert " ".join(("baton", *path)) in examples


def test_every_command_has_a_file_of_its_own_name() -> None:
    files = {path.stem for path in (PROJECT_ROOT / "orchestration" / "cli").glob("*.py")}
    assert set(COMMANDS) <= files
    assert set(cli.list_commands(click.Context(cli))) == set(COMMANDS)


def test_demo_is_there_only_with_the_demo_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.cli.main.find_spec", lambda name: None)
    assert "demo" not in cli.list_commands(click.Context(cli))
    assert CliRunner().invoke(cli, ["demo"]).exit_code == 2


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from orchestration.cli.main import cli;"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0;"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    started = time.process_time(), time.monotonic()
    done = subprocess.run([sys.executable, "-c", probe], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - started[1] < 5, "help takes 0.1 s on an idle machine; this bound only catches an import"


def test_an_unknown_command_says_what_there_is() -> None:
    shown = CliRunner().invoke(cli, ["frobnicate"])
    assert shown.exit_code == 2
    assert "frobnicate" in shown.output
