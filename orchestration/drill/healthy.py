"""Days without a fault, weekends and holidays included: every page in them is a false alarm."""

import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ml.clock import DAY
from orchestration.drill.company import Company, copied, environment
from orchestration.drill.day import Days
from orchestration.paging.model import PAGES


@dataclass(frozen=True)
class Healthy:
    """What a healthy world heard. pages: day, group and title of each; causes: days by diagnosis."""

    seed: int
    days: int
    pages: tuple[tuple[str, str, str], ...]
    causes: dict[str, int]
    seconds: float


def quiet_days(company: Company, seed: int, days: int) -> Healthy:
    """Play `days` mornings on a copy of the company."""
    from orchestration.definitions import load_graph
    from orchestration.drill.channels import ON_COMPANY, Marked
    from orchestration.drill.pager import observe

    began, pages, causes = time.monotonic(), list[tuple[str, str, str]](), Counter[str]()
    folder = Path(tempfile.mkdtemp(prefix="baton-drill-healthy-"))
    try:
        with environment(copy := copied(company, folder, with_project=False), seed):
            played = Days(copy.home, load_graph(copy.home), lambda moment, as_of: None)
            for number in range(days):
                told = played.play(copy.next_morning + number * DAY)
                causes.update(found.cause for found in told.diagnoses.values())
                said = observe(played, told, Marked(ON_COMPANY)).messages
                day = f"{told.now:%Y-%m-%d}"
                pages += [(day, each["group"], each["title"]) for each in said if each["kind"] in PAGES]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Healthy(seed, days, tuple(pages), dict(causes), time.monotonic() - began)
