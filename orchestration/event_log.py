"""Dagster's event log with its connections kept, for runs in the process of the command line.

Same files and tables as Dagster's default, which opens, compiles for and closes several connections per event: a third
of the CPU time of a daily run. Other processes (`dagster dev`) read and write the files with the default.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, create_engine, event

KEPT = 4  # event logs of runs that stay open; one is written at a time
BUSY_SECONDS = 5


class EventLog(SqliteEventLogStorage):
    """Keeps one engine per database file; `dispose` closes them."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "EventLog":
        """As Dagster builds it from settings; its own version builds the default class."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            while len(self._engines) >= KEPT:
                self._engines.pop(next(iter(self._engines))).dispose()
            # The lock above lets one thread in at a time; SQLite need not insist on the one that opened.
            options = {"timeout": BUSY_SECONDS, "check_same_thread": False}
            self._engines[shard] = create_engine(self.conn_string_for_shard(shard), connect_args=options)
            event.listen(self._engines[shard], "connect", _sync_at_checkpoints)
            if shard not in self._initialized_dbs:
                self._initdb(self._engines[shard])
                self._initialized_dbs.add(shard)
        return self._engines[shard]

    def dispose(self) -> None:
        """Close what was kept."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _sync_at_checkpoints(connection: Any, _: Any) -> None:
    """No wait for the disk at each of some 1,500 commits of a run: a killed process loses nothing by it.

    With the write-ahead log a power cut may take the last events, never the file (SQLite, "PRAGMA synchronous").
    """
    connection.execute("pragma synchronous = normal")
