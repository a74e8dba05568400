{#
One row per (window_end, feature): whether what was scored is what the same query gives today.

product:     name of the exposure
predictions: the prediction log; only role champion is looked at
features:    the features each prediction was scored with, beside prediction_id
replay:      a select with the entity, as_of and features: the SQL of the scoring set, asked again. It stands below the relation
             `baton_days` (column as_of: the instants that were scored): write the scoring set as a macro of its days, and call it
             in both places: `replay=churn_scoring_rows('baton_days')`
reference:   `ops.model_reference`: which version reads which feature. Without it every feature counts for every prediction
days:        how many days back are replayed at each run; a window older than that keeps the numbers it was last given

Columns: window_end (the midnight at or after as_of), feature, n, n_equal, n_missing_logged, n_missing_replayed, exact_match_rate,
largest_difference, status, spec_hash, evaluated_at, built_at.

n:                  rows on either side: predictions made, and rows the query gives today that nobody predicted for
n_equal:            of these, both sides have the same value, with no tolerance: null equals null, NaN equals NaN, an infinity itself
n_missing_logged:   the query gives a value today where nothing was scored, or the log has none (null)
n_missing_replayed: the other way round
largest_difference: greatest absolute difference of two finite numbers (up to 1e300); null where no pair of such was compared
status:             `ok` if every row is equal, else `mismatch`

What makes a difference: a row that came after the scoring and yet counts as known before it (`load_lag`, a restored backup), versions
that were overwritten or deleted in the warehouse, or SQL that has changed its meaning since. A sum of floating point numbers is not the
same in every run; sum whole numbers, or use `baton.fixed`.
#}
{% macro parity(product, predictions, features, replay, reference=none, days=7) %}
    {% do config(
        materialized='incremental', incremental_strategy='delete+insert', unique_key='window_end', on_schema_change='sync_all_columns',
        full_refresh=false
    ) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set compared = baton.parity_features(product, predictions, features, replay) %}
    {{ return(adapter.dispatch('parity', 'baton')(product, predictions, features, replay, reference, days, compared)) }}
{% endmacro %}

{# compared: list of {name, is_number, as_text}, see `parity_features`. #}
{% macro default__parity(product, predictions, features, replay, reference, days, compared) %}
{% set entity = baton.product(product).entity %}
{% set float = baton.type_double() %}
{% set definitions = local_md5(tojson({'definitions': 1, 'entity': entity})) %}
with

{{ baton.parity_logged(product, predictions, features, reference, days, compared) }},

baton_replayed as (
    select *, 1 as is_replayed
    from (
{{ replay }}
    ) as replay
),

pairs as (
    select
        coalesce(logged.window_end, {{ baton.day_of('baton_replayed.as_of') }}) as window_end,
        logged.is_logged, logged.has_features, baton_replayed.is_replayed
        {%- for feature in compared %},
        logged.uses_{{ loop.index }},
        {%- set logged_value, replayed_value = 'logged.value_' ~ loop.index, 'baton_replayed.' ~ baton.quoted_column(feature.name) %}
        {{ baton.as_compared(logged_value, feature) }} as logged_{{ loop.index }},
        {{ baton.as_compared(replayed_value, feature) }} as replayed_{{ loop.index }}
        {%- endfor %}
    from logged
    full outer join baton_replayed on logged.entity = baton_replayed.{{ entity }} and logged.as_of = baton_replayed.as_of
),

sums as (
    select
        window_end
        {%- for feature in compared %}
        {%- set pair = ['logged_' ~ loop.index, 'replayed_' ~ loop.index] %}
        {%- set counts = '(is_logged is null or uses_' ~ loop.index ~ ' = 1)' %},
        sum(uses_{{ loop.index }}) as uses_{{ loop.index }},
        sum(case when {{ counts }} then 1 else 0 end) as n_{{ loop.index }},
        sum(case when {{ counts }} and has_features = 1 and is_replayed = 1 and {{ baton.same_value(*pair) }} then 1 else 0 end) as equal_{{ loop.index }},
        sum(case when {{ counts }} and {{ pair[0] }} is null and {{ pair[1] }} is not null then 1 else 0 end) as unlogged_{{ loop.index }},
        sum(case when {{ counts }} and {{ pair[0] }} is not null and {{ pair[1] }} is null then 1 else 0 end) as unreplayed_{{ loop.index }},
        max(case when {{ counts }} then {{ baton.finite_difference(*pair) if feature.is_number else 'cast(null as ' ~ float ~ ')' }} end) as difference_{{ loop.index }}
        {%- endfor %}
    from pairs
    group by window_end
),

per_feature as (
    {%- for feature in compared %}
    {{ 'union all' if not loop.first }}
    select
        window_end, {{ baton.quoted(feature.name) }} as feature, n_{{ loop.index }} as n, equal_{{ loop.index }} as n_equal, unlogged_{{ loop.index }} as n_missing_logged,
        unreplayed_{{ loop.index }} as n_missing_replayed, difference_{{ loop.index }} as largest_difference
    from sums
    where uses_{{ loop.index }} > 0
    {%- else %}
    select window_end, {{ baton.quoted('') }} as feature, 0 as n, 0 as n_equal, 0 as n_missing_logged, 0 as n_missing_replayed, cast(null as {{ float }}) as largest_difference
    from sums
    where 1 = 0
    {%- endfor %}
)

select
    window_end,
    feature,
    cast(n as bigint) as n,
    cast(n_equal as bigint) as n_equal,
    cast(n_missing_logged as bigint) as n_missing_logged,
    cast(n_missing_replayed as bigint) as n_missing_replayed,
    n_equal / cast(n as {{ float }}) as exact_match_rate,
    largest_difference,
    case when n_equal = n then 'ok' else 'mismatch' end as status,
    {{ baton.quoted(definitions) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from per_feature
order by window_end, feature
{% endmacro %}
