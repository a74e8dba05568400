"""What sqlfluff sees in place of dbt's own cross-database macros: `dbt.dateadd`, `dbt.datediff`."""

from collections.abc import Callable


def __getattr__(macro: str) -> Callable[..., str]:
    """The macro `dbt.<macro>` as a plain function call on its SQL arguments."""
    return lambda *arguments: f"{macro}({', '.join(str(argument) for argument in arguments[1:])})"
