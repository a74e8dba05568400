"""`baton new`: the files that monitor a product, for a product that an exposure declares."""

import click

from ml.home import Home
from orchestration.cli.options import JSON


@click.command("new", short_help="Write the monitoring models of a product.")
@click.argument("product")
@JSON
def command(product: str, as_json: bool) -> None:
    """Write the monitoring models of PRODUCT: one line of SQL and one yml for each table.

    PRODUCT is an exposure of type ml with config.meta.product. A file that exists is never overwritten. Tables that
    read what the product does not have (its features, its training) are named with what they lack.

    \b
    Example:
      baton new churn && baton run
    """
    from ml.product import load_products
    from orchestration import new_product
    from orchestration.dbt.manifest import ensure_manifest, project_dir

    manifest = ensure_manifest(Home.from_env()).load()
    declared = load_products(manifest)
    if product not in declared:
        raise click.UsageError(
            f"product is {product!r}; declared are {', '.join(sorted(declared)) or 'none'}. A product is an "
            "exposure of type ml with config.meta.product: docs/bring-your-own-data.md"
        )
    plan, project = new_product.plan(manifest, declared[product]), project_dir()
    done = list(new_product.write(project, plan.files))
    written = [str(path) for path, is_new in done if is_new]
    kept = [str(path) for path, is_new in done if not is_new]
    if as_json:
        from orchestration.cli.output import emit_json

        facts = {"product": product, "project": str(project), "written": written, "kept": kept}
        emit_json({**facts, "lacking": dict(plan.lacking)})
    else:
        _print(product, str(project), written, kept, dict(plan.lacking))


def _print(product: str, project: str, written: list[str], kept: list[str], lacking: dict[str, str]) -> None:
    click.echo(f"{product}: {len(written)} files written in {project}")
    for path in written:
        click.echo(f"  {path}")
    if kept:
        click.echo(f"{len(kept)} were there and stay as they are: {', '.join(kept)}")
    for table, what in lacking.items():
        click.echo(f"no {product}_{table}: it needs {what}, which {product} does not have")
    click.echo("Next: baton run && baton status")
