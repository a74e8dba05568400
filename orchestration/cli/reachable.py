"""The best that any model could reach on the decisions shown, where a product's exposure says who knows it.

`config.meta.best_reachable: module:callable` beside `product`, with (home, decisions, cells, horizon) -> mapping with
roc_auc and value, or None where it knows nothing of these decisions. Only invented companies know this.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ml.errors import ModelError
from ml.home import Home
from ml.manifest import meta_of
from orchestration.cli.facts import ProductFacts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ml.product import Product

HOOK = "best_reachable"


def hooks(home: Home) -> Mapping[str, str]:
    """'module:callable' by product, as the last parsed manifest declares it; empty before the first parse."""
    manifest = home.root / "dbt" / "target" / "manifest.json"
    if not manifest.is_file():
        return {}
    exposures = json.loads(manifest.read_bytes())["exposures"].values()
    meta = {props["name"]: meta_of(props) for props in exposures}
    return {name: str(declared[HOOK]) for name, declared in meta.items() if declared.get(HOOK)}


def best_reachable(
    home: Home, con: "DuckDBPyConnection", product: "Product", facts: ProductFacts, hook: str
) -> dict[str, Any] | None:
    """What `hook` says of the decisions of the shown window; None where it knows none, or its package is not here."""
    package = hook.partition(".")[0].partition(":")[0]
    if facts.performance is None or product.value is None or find_spec(package) is None:
        return None
    reach = _imported(hook, product)
    decisions = con.execute(
        f"select * from {product.relation('decisions')} where as_of > $end - to_days($days) and as_of <= $end",
        {"end": facts.performance.window_end, "days": facts.performance.window_days},
    ).df()
    cells = {name: getattr(product.value, name) for name in ("tp", "fp", "fn", "tn")}
    found: dict[str, Any] | None = reach(home, decisions, cells, product.outcome.horizon)
    return found


def _imported(hook: str, product: "Product") -> Any:
    module, _, name = hook.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{product.path}, product {product.name}: meta.{HOOK} is {hook!r}, which cannot be imported ({error}). "
            "Allowed is 'module:callable', or nothing"
        ) from error
