"""All benchmarks, one after the other, each in a process of its own: `make bench [ARGS="daily_job"]`.

Each prints its figures beside the bar it has to keep or the hand-written form it is compared with. `--help` after a
name shows its options.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = {
    "daily_job": "the daily job against a bare script, and the time to the first SQL",
    "load_landing": "10 million JSON lines",
    "monitoring": "monitoring as SQL against a hand-written script, Evidently and NannyML; at size; refreshed",
    "point_in_time": "1 million spine rows on five tables of a million rows",
    "scoring": "1 and 10 million rows, peak memory",
}


def main(arguments: list[str]) -> int:
    """Run the named benchmark with its options, or all of them. Returns the number of those that failed."""
    if arguments and arguments[0] not in BENCHES:
        print(f"no benchmark {arguments[0]!r}; there are {', '.join(BENCHES)}. Try: make bench ARGS=daily_job")
        return 2
    chosen, options = (arguments[:1], arguments[1:]) if arguments else (list(BENCHES), [])
    failed = 0
    for name in chosen:
        print(f"\n== {name}: {BENCHES[name]}", flush=True)
        failed += subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
