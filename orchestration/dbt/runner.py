"""dbt in this process: one build at a time, its result events as they happen, the warehouse free when it ends."""

import gc
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml.home import Home
from ml.warehouse import open_warehouse
from orchestration.dbt.failures import raise_on_failure
from orchestration.dbt.manifest import ManifestFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RESULT_EVENTS = {"LogModelResult", "LogTestResult", "LogSeedResult", "LogSnapshotResult"}
JOIN_SECONDS = 30.0

# Two builds at once in one process fail ("connection never acquired for thread"); steps of one process queue here.
_ONE_AT_A_TIME = threading.Lock()

Event = dict[str, Any]


@dataclass
class Build:
    """One `dbt build`. Iterate `events()`; it raises BuildFailed at its end if any node failed."""

    file: ManifestFile
    arguments: list[str]
    variables: Mapping[str, str]
    _events: "queue.Queue[Event | None]" = field(default_factory=queue.Queue)
    _result: Any = None

    def events(self, home: Home) -> Iterator[tuple[Event, "DuckDBPyConnection"]]:
        """Each result event with an open connection to the warehouse, as dbt reports it.

        Waits for the warehouse first (raises ml.warehouse.WarehouseLocked). Whatever way the caller leaves, running
        queries are interrupted, the thread is joined and the file is free. Raises BuildFailed naming node and message.
        """
        from orchestration.dbt.parse import close_connections, parsed

        with _ONE_AT_A_TIME:
            manifest = parsed(self.file)
            with open_warehouse(home) as con:
                thread = threading.Thread(target=self._run, args=(manifest, home), name="dbt", daemon=True)
                thread.start()
                try:
                    while (event := self._events.get()) is not None:
                        yield event, con
                finally:
                    _stop(thread)
                    close_connections()
                    if self._result is None or not self._result.success:
                        # A query that failed leaves a ring of exception, traceback and cursor (Python 3.13): the file
                        # would stay open until the next collection.
                        gc.collect()
        raise_on_failure(self._result)

    def plain_tests(self) -> Iterator[tuple[str, str]]:
        """Unique id and compiled SQL of the tests that ran, of those that pass if and only if no row comes back."""
        for outcome in self._result.result.results:
            node = outcome.node
            rules = (node.config.get("fail_calc"), node.config.get("error_if"), node.config.get("limit"))
            if str(node.resource_type) == "test" and node.compiled_code and rules == ("count(*)", "!= 0", None):
                yield node.unique_id, node.compiled_code

    def plain_tables(self) -> dict[str, str]:
        """Compiled SQL by unique id of the models that were built and are no more than `create table as`."""
        nodes = [outcome.node for outcome in self._result.result.results if outcome.status == "success"]
        return {
            node.unique_id: node.compiled_code
            for node in nodes
            if str(node.resource_type) == "model" and _is_plain_table(node.config)
        }

    def _run(self, manifest: Any, home: Home) -> None:
        from orchestration.dbt.parse import invoke

        try:
            where = ["--target-path", str(self.file.target), "--vars", json.dumps(dict(self.variables))]
            # dbt would rewrite manifest.json in place: a kill meanwhile would leave half of one for every later run.
            self._result = invoke(
                ["build", "--no-write-json", *self.arguments, *where],
                self.file.project_dir,
                home,
                manifest,
                [self._on_event],
            )
        finally:
            self._events.put(None)

    def _on_event(self, event: Any) -> None:
        if event.info.name in RESULT_EVENTS:
            from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

            self._events.put(MessageToDict(event, preserving_proto_field_name=True))


def _is_plain_table(config: Any) -> bool:
    is_plain = config.materialized == "table" and not config.pre_hook and not config.post_hook
    return is_plain and not config.contract.enforced and not config.get("sql_header")


def _stop(thread: threading.Thread) -> None:
    """Join dbt's thread; while it still runs, interrupt its queries. Raises RuntimeError if it does not end."""
    from dbt.adapters.factory import FACTORY

    deadline = time.monotonic() + JOIN_SECONDS
    thread.join(timeout=0.5)
    while thread.is_alive() and time.monotonic() < deadline:
        for adapter in list(FACTORY.adapters.values()):
            adapter.connections.cancel_open()
        thread.join(timeout=0.2)
    if thread.is_alive():
        raise RuntimeError(f"dbt did not stop within {JOIN_SECONDS:.0f} s of being cancelled; end this process")
