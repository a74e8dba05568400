"""How many worlds a property test tries: a few in `make test`, many in `make soak`."""

import os

IN_SOAK = 10


def examples(n: int) -> int:
    """`n`, or ten times as many under `make soak`."""
    return n * IN_SOAK if os.environ.get("BATON_LONG") else n
