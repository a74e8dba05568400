"""Kills the pager at lines of its code and lets it go on: run as a program, so that it may fork without threads.

Arguments: a folder, and every how many of the lines to try. Prints one JSON object per kill that went wrong, then the
number of kills.
"""

import json
import os
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from paging_world import NOW, TEAMS, all_ok, pager, seen

from orchestration import paging
from orchestration.paging.delivery import COMMAND, Courier
from orchestration.paging.model import Message
from orchestration.paging.pager import incidents, messages

WATCHED = str(Path(paging.__file__).parent)
WANTED = {"opened": 1, "blocked": 3, "resolved": 1, "unblocked": 3}
Line = tuple[str, int]


class Wire:
    """A channel that survives its process: each message is a line on the disk."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "received"

    def send(self, address: str, message: Message, title: str) -> None:
        with self.file.open("a") as handle:
            handle.write(f"{message.key}\n")
            handle.flush()
            os.fsync(handle.fileno())


def play(folder: Path) -> None:
    """Something breaks and is mended; looked at and delivered each time."""
    found = pager(folder)
    try:
        for batch in ([seen("raw/usage")], all_ok(NOW + timedelta(hours=1))):
            found.observe([batch], NOW)
            Courier(found.store, TEAMS, Wire(folder), COMMAND).deliver(NOW)
    finally:
        found.store.close()


def traced(hear: Any) -> Any:
    """A tracer that calls `hear(line)` for each line of the pager."""

    def local(frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            hear((frame.f_code.co_filename, frame.f_lineno))
        return local

    def tracer(frame: FrameType, _event: str, _arg: object) -> Any:
        return local if frame.f_code.co_filename.startswith(WATCHED) else None

    return tracer


def lines(folder: Path) -> list[Line]:
    """Every line that the play executes, in the order of its first time."""
    met: dict[Line, None] = {}
    sys.settrace(traced(lambda line: met.setdefault(line)))
    play(folder)
    sys.settrace(None)
    return list(met)


def killed_at(target: Line, folder: Path, last: bool) -> None:
    """The play in a child that is gone at the first (or a later) time it reaches a line."""
    child = os.fork()
    if child == 0:
        count = 0

        def die(line: Line) -> None:
            nonlocal count
            count += line == target
            if count > last * 3:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.settrace(traced(die))
        play(folder)
        os._exit(0)
    os.waitpid(child, 0)


def wrong(folder: Path) -> dict[str, Any] | None:
    """What is not as if nothing had happened, once the play was repeated."""
    play(folder)
    found = pager(folder)
    rows, states = messages(found.store), [each.state for each in incidents(found.store, everything=True)]
    found.store.close()
    received = Counter((folder / "received").read_text().split())
    is_right = (
        Counter(row["kind"] for row in rows) == WANTED
        and {row["state"] for row in rows} == {"sent"}
        and states == ["resolved"]
        and set(received) == {row["key"] for row in rows}
        and sum(received.values()) <= len(rows) + 1  # sent, and killed before it could say so
    )
    return None if is_right else {"rows": [(r["kind"], r["state"]) for r in rows], "states": states, "got": received}


def main(root: Path, every: int) -> None:
    """Kill, go on, compare."""
    (root / "dry").mkdir()
    targets, kills = lines(root / "dry"), 0
    for number, target in enumerate(targets[::every]):
        for last in (False, True):
            folder = root / f"{number}-{last}"
            folder.mkdir()
            killed_at(target, folder, last)
            kills += 1
            if found := wrong(folder):
                print(json.dumps({"line": target, **found}))
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
