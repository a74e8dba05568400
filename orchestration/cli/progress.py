"""Showing a run while it works: a live line in a terminal, one line per job elsewhere; failures always at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestration.cli.output import console, took

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from orchestration.outcome import Progress

OnProgress = Callable[["Progress"], None]


@contextmanager
def shown(quiet: bool) -> Iterator[OnProgress | None]:
    """An `on_progress` for launch; None when nobody wants to see it. The live line is gone afterwards."""
    if quiet:
        yield None
        return
    out = console()
    if not out.is_terminal:
        yield _Lines(out)
        return
    with out.status("starting ...", spinner="dots") as status:
        yield _Lines(out, status)


class _Lines:
    """Prints what is worth a line and keeps the live line, where there is one, on what happens now."""

    def __init__(self, out: "Console", status: "Status | None" = None) -> None:
        self.out, self.status, self.job = out, status, ""

    def __call__(self, event: "Progress") -> None:
        line = self._line(event)
        if line:
            self.out.print(line, markup=False, soft_wrap=True)
        if event.kind == "job":
            self.job = event.name
        if self.status is not None and not line:
            self.status.update(f"{self.job}: {event.name} {event.message}".strip(": "))

    def _line(self, event: "Progress") -> str:
        said = f": {event.message}" if event.message else ""
        match event.kind:
            case "phase":
                return f"{event.name}{said} ..."
            case "job":
                return f"job {event.name}{said} ..."
            case "job_done":
                return f"job {event.name} done in {took(event.seconds)}{said}"
            case "step_failed":
                return f"FAILED {event.name}{said}"
            case "page":
                return f"told: {event.name}{said}"
            case "check" if event.passed is False:
                return f"{'FAILED' if event.severity == 'error' else 'warning'} {event.name}{said}"
            case "step_done" if self.status is not None:
                return f"  {event.name} in {took(event.seconds)}{said}"
        return ""
