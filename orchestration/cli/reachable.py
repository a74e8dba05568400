"""The demo company knows its own truth: what the best possible model would reach on the same decisions."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from orchestration.cli.facts import ProductFacts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ml.home import Home
    from ml.product import Product

DEMO_ENTITY = "account_id"


def best_reachable(
    home: "Home", con: "DuckDBPyConnection", product: "Product", facts: ProductFacts
) -> dict[str, Any] | None:
    """Best reachable roc_auc, log_loss, value on the decisions of the shown window; None where no truth is known."""
    if facts.performance is None or product.value is None or product.entity != DEMO_ENTITY or find_spec("demo") is None:
        return None
    from demo.truth import TruthMissing
    from demo.truth import best_reachable as reach

    decisions = con.execute(
        f"select * from {product.relation('decisions')} where as_of > $end - to_days($days) and as_of <= $end",
        {"end": facts.performance.window_end, "days": facts.performance.window_days},
    ).df()
    cells = {name: getattr(product.value, name) for name in ("tp", "fp", "fn", "tn")}
    try:
        return dict(reach(home, decisions, cells, product.outcome.horizon))
    except TruthMissing:
        return None  # the home holds another company's data
