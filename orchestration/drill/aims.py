"""What a fault may hit among the files of a morning, and why it may not."""

from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING

from orchestration.drill.others import Delivered

if TYPE_CHECKING:
    from demo.faults.own import Aim, Cannot, OwnFault
    from ml.diagnosis.evidence import Source

MOST_REASONS = 4


def aims_of(
    fault: "OwnFault", sources: "Sequence[Source]", files: Sequence[Delivered], landed: Set[str]
) -> "Iterator[Aim | Cannot]":
    """What `fault` may hit among `files`; for each table where it may hit nothing, why. landed: Baton loads them."""
    from demo.faults.own import Aim, Cannot

    for source in sources:
        came = [file for file in files if file.asset == source.table.asset]
        if not came:
            yield Cannot(source.table.asset, "nothing came that morning")
            continue
        if fault.of_the_loader and source.table.asset not in landed:
            yield Cannot(source.table.asset, "another tool loads it, whose files and reports Baton never sees")
            continue
        table = came[0].table
        instants = dict.fromkeys(filter(None, (table.event_at, table.written_at)))
        aim = Aim(
            asset=source.table.asset,
            group=source.table.group,
            paths=tuple(file.path for file in came),
            format=table.format,
            rows=sum(file.n_rows for file in came),
            is_outcome=source.is_outcome,
            instants=tuple(instants),
        )
        yield from fault.find(aim, source)


def reasons(found: "Sequence[Cannot]") -> str:
    """Why a fault is not played, tables with the same reason together."""
    assets: dict[str, list[str]] = {}
    for each in found:
        assets.setdefault(each.why, []).append(each.asset)
    said = [f"{', '.join(dict.fromkeys(at))}: {why}" for why, at in assets.items()]
    more = f"; and {len(said) - MOST_REASONS} more" if len(said) > MOST_REASONS else ""
    return "; ".join(said[:MOST_REASONS]) + more if said else "no table above the product has such a column"
