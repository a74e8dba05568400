"""The dbt project in tests/overlays/fivethirtyeight and a home with the real forecasts of NBA and NFL games."""

import shutil
from pathlib import Path

from click.testing import CliRunner

from ml.home import PROJECT_ROOT, Home
from orchestration.cli.main import cli

SOURCE = PROJECT_ROOT.parent / "shared" / "data" / "fivethirtyeight-forecasts"
OVERLAY = Path(__file__).parent / "overlays" / "fivethirtyeight"
SPORTS = ("nba", "nfl")
COLUMNS = ("season", "date", "team1", "team2", "prob1", "prob1_outcome", "prob2", "prob2_outcome")


def overlay(project: Path) -> None:
    """A dbt project with the forecasts' models, without any monitoring model; the roster is the demo's."""
    demo = PROJECT_ROOT / "dbt_project"
    shutil.copytree(OVERLAY, project)
    for name in ("profiles.yml", "packages.yml", "macros/names.sql", "models/groups.yml"):
        shutil.copy(demo / name, project / name)
    shutil.copytree(demo / "baton", project / "baton", ignore=shutil.ignore_patterns("target", "logs"))


def baton(*arguments: str) -> str:
    """What the command says; it must end well."""
    said = CliRunner().invoke(cli, list(arguments))
    assert said.exit_code == 0, said.output
    return said.output


def land(home: Home, sport: str, *games: tuple[object, ...], file: str = "") -> None:
    """A landing file of made-up games: (season, date, team1, team2, prob1, prob1_outcome, prob2, prob2_outcome)."""
    folder = home.landing / "forecasts"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join("" if value is None else str(value) for value in game) for game in games]
    (folder / f"{sport}_games{file}.csv").write_text("\n".join([",".join(COLUMNS), *lines, ""]))
