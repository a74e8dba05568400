"""Which errors are expected, and the exit code each ends in. Anything else is a bug and shows its traceback."""

import click

OK, FAILED, USAGE, NOTHING_YET, LOCKED, CONFIGURATION, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES_HELP = """\b
Exit codes:
  0    done, and all is well
  1    done, but a step, an error check or a finding failed
  2    wrong usage of the command
  3    nothing there to show yet (no run has published anything)
  4    another process holds the warehouse
  5    the project, the home folder or the environment is not in order
  130  interrupted
"""

# By name, because importing the classes would import dbt, Dagster or scikit-learn to say that something is missing.
_EXPECTED = {
    "NothingPublished": NOTHING_YET,
    "WarehouseLocked": LOCKED,
    "HomeVersionError": CONFIGURATION,
    "ManifestError": CONFIGURATION,
    "OwnershipError": CONFIGURATION,
    "ProductError": CONFIGURATION,
    "UnknownJob": USAGE,
    "RestoreError": FAILED,
    "NoArchive": NOTHING_YET,
    "ModelError": FAILED,
    "ServeError": FAILED,
    "CompanySettingError": CONFIGURATION,
    "StateError": CONFIGURATION,
    "StoreError": CONFIGURATION,
    "StoreTooNew": CONFIGURATION,
    "PermissionError": CONFIGURATION,
}


class CommandFailed(click.ClickException):
    """An expected error: shown as one message, without a traceback."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares one code per class; ours carry their own


def as_expected(error: Exception) -> CommandFailed | None:
    """The error as people should see it, or None when nobody foresaw it."""
    for kind in type(error).__mro__:
        if kind.__name__ in _EXPECTED:
            return CommandFailed(_message(error), _EXPECTED[kind.__name__])
    return None


def _message(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{error}. It belongs to another user, or the folder is read-only. Next: baton doctor"
    return str(error)
