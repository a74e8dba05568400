"""Writing files so that a kill at any moment leaves either the whole file or none."""

import os
from pathlib import Path


def write_once(path: Path, content: bytes) -> bool:
    """Write `content` under a name that appears only when it is complete; False when the file was there already.

    Content is a function of the company, so a file left by a killed run is the file that would be written now.
    """
    if path.exists():
        return False
    replace(path, content)
    return True


def replace(path: Path, content: bytes) -> None:
    """Write `content`, then rename it over `path`: readers see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
