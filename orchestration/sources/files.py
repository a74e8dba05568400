"""Landing files: which are new, which were changed after they were loaded, which cannot be read."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orchestration.sources.books import LEDGER
from orchestration.sources.report import FailedFile
from orchestration.sources.table import SourceTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
DELIVER_AGAIN = "Deliver it again, complete, under the same name; the next run tries it again."


class UnreadableFile(Exception):
    """Nothing of this file can be loaded; the text says why."""


@dataclass(frozen=True)
class LandingFile:
    """A file of the landing folder: `name` is its path relative to that folder."""

    name: str
    path: Path
    size: int
    modified_ns: int

    @classmethod
    def at(cls, path: Path, landing: Path) -> "LandingFile":
        stat = path.stat()
        return cls(path.relative_to(landing).as_posix(), path, stat.st_size, stat.st_mtime_ns)

    def is_as_before(self) -> bool:
        """False when the file changed since it was looked at: somebody is still writing it."""
        stat = self.path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.modified_ns)

    def is_gzip(self) -> bool:
        """By content, not by name."""
        with self.path.open("rb") as stream:
            return stream.read(2) == _GZIP_MAGIC

    def open(self) -> BinaryIO:
        """The file's bytes, decompressed where it is compressed."""
        return gzip.open(self.path) if self.is_gzip() else self.path.open("rb")  # type: ignore[return-value]


@dataclass
class Listing:
    """What there is to do for one source table."""

    new: list[LandingFile]
    changed: list[FailedFile]
    n_empty: int = 0


def list_files(con: "DuckDBPyConnection", table: SourceTable, landing: Path) -> Listing:
    """Compare the landing folder with the ledger; new files in the order of their names. Empty files wait."""
    rows = con.execute(
        f"select file, size_bytes, modified_ns, content_hash from {LEDGER} where source_table = ?", [table.full_name]
    ).fetchall()
    loaded = {row[0]: row[1:] for row in rows}
    listing = Listing([], [])
    for file in sorted(_matching(table, landing), key=lambda file: file.name):
        if file.name not in loaded:
            listing.n_empty += file.size == 0
            listing.new += [file] if file.size else []
        elif loaded[file.name][:2] != (file.size, file.modified_ns) and content_hash(file) != loaded[file.name][2]:
            listing.changed.append(_changed(file, loaded[file.name][0]))
    return listing


def _matching(table: SourceTable, landing: Path) -> Iterator[LandingFile]:
    return (LandingFile.at(path, landing) for path in landing.glob(table.path) if path.is_file())


def _changed(file: LandingFile, size_then: int) -> FailedFile:
    return FailedFile(
        file.name,
        f"changed after it was loaded: {size_then} bytes then, {file.size} now; its rows are as loaded then",
        "Landing files are never rewritten: deliver the new rows in a file of a new name (rows that are in the table "
        "already do no harm) and put the old content back.",
    )


def content_hash(file: LandingFile) -> str:
    """SHA-256 of the bytes on disk."""
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_gzip(file: LandingFile) -> None:
    """Read a compressed file to its end. Raises UnreadableFile when it is cut off or its checksum is wrong.

    DuckDB's reader does not look at the checksum: a flipped byte would load as data.
    """
    if not file.is_gzip():
        return
    try:
        with gzip.open(file.path) as stream:
            while stream.read(_CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise UnreadableFile(f"broken gzip: {problem}") from problem
