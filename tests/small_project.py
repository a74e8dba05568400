"""A small dbt project for tests of the wiring: a source, three models, a contract, a data test, a unit test."""

from pathlib import Path

PROJECT = """
name: small
version: "1.0"
config-version: 2
profile: baton
model-paths: [models]
macro-paths: [macros]
flags: {send_anonymous_usage_stats: false}
models:
  small:
    +materialized: table
    +group: analytics_engineering
    staging:
      +schema: staging
      +meta: {freshness: {warn_after: 26 hours, fail_after: 30 hours, column: known_at}}
    shop:
      +schema: shop
      +meta: {freshness: {warn_after: 26 hours, fail_after: 30 hours}}
"""

PROFILES = """
baton:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('BATON_HOME') }}/warehouse.duckdb", threads: 2}
"""

NAMES = """
{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) %}
    {{- node.name | replace((node.config.schema or '') ~ '_', '', 1) -}}
{% endmacro %}
{% test no_negative(model, column_name) %}
select amount, 'amount ' || amount || ' below 0 in the last day' as message from {{ model }} where {{ column_name }} < 0
{% endtest %}
"""

GROUPS = """
groups:
  - name: data_engineering
    owner: {name: Data, email: data@example.com}
    config: {meta: {page: "env:PAGE_DATA", backup: analytics_engineering}}
  - name: analytics_engineering
    owner: {name: Analytics, email: analytics@example.com}
    config: {meta: {page: "env:PAGE_ANALYTICS", backup: data_engineering}}
"""

SOURCES = """
sources:
  - name: raw
    schema: raw
    config:
      group: data_engineering
      meta: {freshness: {warn_after: 26 hours, fail_after: 30 hours}}
    tables:
      - name: orders
        description: "Orders as the shop wrote them. One row per order."
"""

MODELS = """
models:
  - name: staging_orders
    description: "Orders, cast. One row per order."
    columns:
      - name: amount
        data_tests:
          - no_negative: {name: amount_is_not_negative, arguments: {}}
  - name: shop_daily
    description: "Takings. One row per day."
    config: {contract: {enforced: true}}
    columns:
      - {name: day, data_type: date}
      - {name: takings, data_type: double}
  - name: shop_best
    description: "The best day. One row."
unit_tests:
  - name: takings_add_up
    model: shop_daily
    given:
      - input: ref('staging_orders')
        format: sql
        rows: select 1 as order_id, 2.0 as amount, timestamp '2026-11-20' as known_at
    expect:
      format: sql
      rows: select date '2026-11-20' as day, 2.0 as takings
"""

FILES = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILES,
    "macros/names.sql": NAMES,
    "models/groups.yml": GROUPS,
    "models/sources.yml": SOURCES,
    "models/models.yml": MODELS,
    "models/staging/staging_orders.sql": "select order_id, amount, known_at from {{ source('raw', 'orders') }}",
    "models/shop/shop_daily.sql": (
        "select cast(known_at as date) as day, cast(sum(amount) as double) as takings\n"
        "from {{ ref('staging_orders') }} group by 1"
    ),
    "models/shop/shop_best.sql": "select max(takings) as takings from {{ ref('shop_daily') }}",
}


def write(folder: Path) -> Path:
    """The project in `folder`, every file as it stands here."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace `old` by `new` in one file; fails if there is nothing to replace."""
    text = (folder / name).read_text()
    assert old in text, f"{name} has no {old!r}"
    (folder / name).write_text(text.replace(old, new))
