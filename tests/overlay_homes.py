"""The environment of a run on an overlay project."""

from pathlib import Path

import pytest

from ml.home import Home


def at(home: Home, project: Path) -> pytest.MonkeyPatch:
    """The environment of a run on `project` in `home`; undo it afterwards."""
    patch = pytest.MonkeyPatch()
    patch.setenv("BATON_DBT_PROJECT", str(project))
    patch.setenv("BATON_HOME", str(home.root))
    patch.setenv("DAGSTER_HOME", str(home.dagster))
    patch.delenv("BATON_NOW", raising=False)
    return patch
