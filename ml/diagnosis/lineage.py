"""What stands upstream of a product, from the dbt manifest: sources, models with the hash of their code, owners."""

import hashlib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from ml.manifest import Props, asset_path, group_of, meta_of
from ml.product import Product, pii_columns


@dataclass(frozen=True)
class Raw:
    """A source table.

    columns: those with a profile, name to declared type; none that is flagged personal anywhere. key: what tells rows
    apart. known_at: its freshness column. written_at: its column, None where Baton does not load it. is_outcome:
    outcomes come from it, features do not.
    """

    asset: str
    relation: str
    group: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    known_at: str | None
    written_at: str | None
    is_landed: bool
    is_outcome: bool


@dataclass(frozen=True)
class Lineage:
    """Upstream of one product: `code` has the hash of each model's SQL and of the macros it calls, upstream first.

    apart: of each model what else stands upstream of the product and does not read it.
    """

    sources: tuple[Raw, ...]
    code: Mapping[str, str]
    groups: Mapping[str, str]
    apart: Mapping[str, frozenset[str]] = field(default_factory=dict)


def lineage(manifest: Props, product: Product) -> Lineage:
    """The lineage of `product`."""
    every = above(manifest, product.depends_on)
    sources = [uid for uid in every if uid in manifest["sources"] and asset_path(manifest["sources"][uid])[0] != "ops"]
    scored = set(above(manifest, [uid for uid in product.depends_on if uid.endswith(f".{product.name}_scoring_set")]))
    outcome = set(above(manifest, [uid for uid in product.depends_on if uid.endswith(f".{product.outcome.model}")]))
    models = [uid for uid in every if uid.startswith(("model.", "seed."))]
    known = {**manifest["sources"], **manifest["nodes"]}
    groups = {"/".join(asset_path(props)): group for props in known.values() if (group := group_of(props))}
    own = {product.asset(table): product.owner for table in ("model", "predictions", "prediction_features", "health")}
    landed = [uid for uid in sources if _is_landed(manifest["sources"][uid])]
    personal = pii_columns(manifest)
    platform = next((group_of(manifest["sources"][uid]) for uid in [*landed, *sources]), None) or product.owner
    return Lineage(
        sources=tuple(
            _raw(manifest["sources"][uid], product.entity, personal, uid in outcome - scored)
            for uid in sorted(sources)
            if asset_path(manifest["sources"][uid])[0] != product.name
        ),
        code={"/".join(asset_path(manifest["nodes"][uid])): code_hash(manifest, uid) for uid in models},
        groups={**groups, **own, "published/warehouse": platform},
        apart=_apart(manifest, every, models),
    )


def _apart(manifest: Props, every: Iterable[str], models: Iterable[str]) -> dict[str, frozenset[str]]:
    known = {**manifest["sources"], **manifest["nodes"]}
    reads = {uid: set(above(manifest, [uid])) for uid in every if uid in known}
    path = {uid: "/".join(asset_path(known[uid])) for uid in reads}
    return {path[uid]: frozenset(path[each] for each in reads if uid not in reads[each]) for uid in models}


def code_hash(manifest: Props, uid: str) -> str:
    """12 hex digits over a model's SQL and every macro of this project and its packages that it calls."""
    node = manifest["nodes"][uid]
    seen: dict[str, str] = {}
    queue = list(node.get("depends_on", {}).get("macros", []))
    while queue:
        name = queue.pop()
        macro = manifest["macros"].get(name)
        if macro and name not in seen and not str(macro["package_name"]).startswith("dbt"):
            seen[name] = macro["macro_sql"]
            queue += macro.get("depends_on", {}).get("macros", [])
    text = "\n".join([node.get("raw_code") or "", *(seen[name] for name in sorted(seen))])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def above(manifest: Props, start: Iterable[str]) -> list[str]:
    """`start` and everything upstream of it, upstream first."""
    ordered: list[str] = []
    seen: set[str] = set()

    def visit(uid: str) -> None:
        if uid not in seen:
            seen.add(uid)
            for parent in sorted(manifest["parent_map"].get(uid, [])):
                visit(parent)
            ordered.append(uid)

    for uid in sorted(start):
        visit(uid)
    return ordered


def _raw(props: Props, entity: str, personal: Set[str], is_outcome: bool) -> Raw:
    meta = meta_of(props)
    landing = meta.get("landing") or {}
    columns = {
        name: str(column.get("data_type") or "")
        for name, column in (props.get("columns") or {}).items()
        if name.lower() not in personal and name not in (entity, *landing.get("key", ()))
    }
    schema, table = asset_path(props)[0], asset_path(props)[-1]
    return Raw(
        asset="/".join(asset_path(props)),
        relation=f'"{schema}"."{table}"',
        group=group_of(props) or "",
        columns=columns,
        key=(*landing.get("key", ()), entity),
        known_at=(meta.get("freshness") or {}).get("column"),
        written_at=landing.get("written_at"),
        is_landed=_is_landed(props),
        is_outcome=is_outcome,
    )


def _is_landed(props: Props) -> bool:
    return "path" in (meta_of(props).get("landing") or {})
