"""Another process may hold the warehouse for a while: a step that meets its lock waits and is tried again."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ml.warehouse import WarehouseLocked

RETRIES, SECONDS = 4, 15


@contextmanager
def retried() -> Iterator[None]:
    """Turn a lock of the warehouse into a retry of the step (4 times, 15 s apart, after a minute of waiting inside)."""
    try:
        yield
    except WarehouseLocked as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=SECONDS) from error
    except RuntimeError as error:
        if getattr(error, "is_lock", False):
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=SECONDS) from error
        raise
