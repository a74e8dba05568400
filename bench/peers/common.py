"""What the peers' scripts share. They run in an environment of their own, so nothing of Baton is imported."""

import argparse
import json
import math
import resource
import time
import warnings
from collections.abc import Callable
from typing import Any

warnings.filterwarnings("ignore")
NUMBERS = (*(f"f{k}" for k in range(11)), "score")
CATEGORIES = ("c0", "c1", "c2")
COLUMNS = (*NUMBERS, *CATEGORIES)
SLICES = ("region", "channel", "tier")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True, help="folder with joined.parquet, reference.parquet, current.parquet")
    parser.add_argument("--case", required=True)
    return parser.parse_args()


def load(folder: str, name: str, columns: tuple[str, ...]) -> Any:
    """Rows as pandas, text as plain objects."""
    import pandas

    frame = pandas.read_parquet(f"{folder}/{name}.parquet", columns=list(columns))
    return frame.astype({column: "object" for column in (*CATEGORIES, *SLICES) if column in columns})


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], dict[str, Any]]) -> tuple[float, float, dict[str, Any]]:
    """CPU seconds, wall seconds and result of the work."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    values = work()
    return cpu_seconds() - cpu, time.perf_counter() - wall, values


def report(cpu: float, wall: float, values: dict[str, Any]) -> None:
    """One JSON line; what is no number becomes null."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": wall, "peak_mib": peak, "values": _plain(values)}))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    number = float(value.get("count", math.nan)) if isinstance(value, dict) else float(value)
    return number if math.isfinite(number) else None
