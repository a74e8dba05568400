{#
One row per day: what was known at the end of the day's run about everything a product promises.

product:      name of the exposure
population:   who should have been scored: the scoring set (kinds data and predictions)
predictions:  the prediction log
parity, performance, worst_slices, calibration, drift, outcomes, delay: outputs of the macros of these names
Every table may be left out; what it would tell is then not watched.

Columns: day (as_of(now)), status, n_checks, text, and for each kind KIND_status, KIND_checks, KIND_text; diagnosis (JSON, written by the last step of the run; null until then), spec_hash,
evaluated_at, built_at. A status is the worst of its checks: failed, warning, insufficient_data, ok; null where nothing is watched. A text is the message of the worst check, and how
many more are as bad; null where all is ok.

| kind | what is asked |
|---|---|
| data | the scoring set reaches today; what was scored is what the same query gives today (`train_serve_parity`) |
| predictions | everybody of the newest day is scored (`population_covered`) |
| performance | the floors of the exposure (`within_floors`; too little data as `enough_data` says it); slices that became worse in the newest closed windows, a warning |
| calibration | in the newest window of each length, scores of a bin mean what they say, a warning: beyond the interval at monitor.drift.q over the bins judged (Bonferroni) |
| drift | no lasting drift (`no_drift`), as severe as monitor.drift.severity |
| outcomes | outcomes keep coming (`outcomes_arriving`); the delay curve can be trusted, a warning |

Checks are the generic tests themselves, so that a row here and a check in Dagster cannot disagree. Incremental: today's row is replaced when today is run again; rows of earlier days
stay as they were judged then, also under --full-refresh, because what was known on a day is not computed again from what is known now.
#}
{% macro health(product, population=none, predictions=none, parity=none, performance=none, worst_slices=none, calibration=none, drift=none, outcomes=none, delay=none) %}
    {% do config(
        materialized='incremental', incremental_strategy='delete+insert', unique_key='day', on_schema_change='append_new_columns', full_refresh=false
    ) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('health', 'baton')(product, {
        'population': population, 'predictions': predictions, 'parity': parity, 'performance': performance, 'worst_slices': worst_slices,
        'calibration': calibration, 'drift': drift, 'outcomes': outcomes, 'delay': delay
    })) }}
{% endmacro %}

{# tables: argument of `health` to relation or none. #}
{% macro default__health(product, tables) %}
{% set parameters = baton.product(product) %}
{% set kinds = ['data', 'predictions', 'performance', 'calibration', 'drift', 'outcomes'] %}
{% set asked = baton.health_checks(product, parameters, tables) %}
with

checks as (
    select cast(null as {{ dbt.type_string() }}) as kind, cast(null as bigint) as n where 1 = 0
    {%- for check in asked %}
    union all
    select {{ baton.quoted(check.kind) }} as kind, n from ({{ check.n }}) as counted_{{ loop.index }}
    {%- endfor %}
),

findings as (
    select cast(null as {{ dbt.type_string() }}) as kind, 0 as severity, 0 as rank, cast(null as {{ dbt.type_string() }}) as message where 1 = 0
    {%- for check in asked %}
    {%- for finding in check.findings %}
    union all
    select {{ baton.quoted(check.kind) }} as kind, {{ finding.severity }} as severity, {{ finding.get('rank', 0) }} as rank, message from ({{ finding.rows }}) as found_{{ loop.index }}
    {%- endfor %}
    {%- endfor %}
),

counted as (
    select kind, cast(sum(n) as bigint) as n_checks from checks group by kind
),

placed as (
    select
        findings.*,
        row_number() over (partition by kind order by severity desc, rank, message) as place,
        count(*) over (partition by kind, severity) as n_alike
    from findings
),

judged as (
    select
        counted.kind,
        counted.n_checks,
        coalesce(placed.severity, 0) as severity,
        placed.message || case when placed.n_alike > 1 then ' (and ' || {{ baton.say('placed.n_alike - 1') }} || ' more)' else '' end as message
    from counted
    left join placed on counted.kind = placed.kind and placed.place = 1
    where counted.n_checks > 0
),

worst as (
    select judged.*, row_number() over (order by severity desc, kind) as place from judged
)

select
    {{ baton.as_of() }} as day,
    {{ baton.status_of('max(severity)') }} as status,
    cast(coalesce(sum(n_checks), 0) as bigint) as n_checks,
    max(case when place = 1 then message end) as text,
    {%- for kind in kinds %}
    {{ baton.status_of("max(case when kind = '" ~ kind ~ "' then severity end)") }} as {{ kind }}_status,
    cast(coalesce(sum(case when kind = '{{ kind }}' then n_checks end), 0) as bigint) as {{ kind }}_checks,
    max(case when kind = '{{ kind }}' then message end) as {{ kind }}_text,
    {%- endfor %}
    cast(null as {{ dbt.type_string() }}) as diagnosis,
    {{ baton.quoted(baton.table_hash(product, parameters.monitor)) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from worst
{% endmacro %}

{# Severities are numbers, so that the worst is the largest: 3 failed, 2 warning, 1 insufficient_data, 0 ok. #}
{% macro status_of(severity) %}
    {{ return("case " ~ severity ~ " when 3 then 'failed' when 2 then 'warning' when 1 then 'insufficient_data' when 0 then 'ok' end") }}
{% endmacro %}
