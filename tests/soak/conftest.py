"""Long simulations: `make soak` asks for this folder by name; `make test` and plain `pytest` pass it by."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignored unless the command line names it."""
    asked = any("soak" in argument for argument in config.args)
    return None if asked else True
