{#
One number of a monitoring table lies within its bounds, on `performance` or on `metrics`.

metric:       a metric of performance (accuracy, roc_auc, value_per_decision, coverage, share_never_scored, ...), or the name of a business metric on `metrics`
window:       a window of the table: '28d'
at_least, at_most: the bounds, one or both, inclusive
slice:        none for overall; {plan: growth} for one value; plan for every value of that slice
basis:        performance only: matured, delay_corrected or estimated; `naive` is refused, because it is biased
min_n:        fewer decisions (of share_never_scored people, of a business metric rows) than this are too little data
min_coverage: share of the window's decisions behind the number. Default 1 for matured (the window is closed) and for the errors of an estimate, which are known then;
              0 for the others, where what is missing is too fresh to weigh, and for coverage and share_never_scored, which the newest window knows

Judged is the newest window with that coverage, all versions. Too little data and an undefined metric pass: `enough_data` and the table's status say so.
Fails with one row per slice value: metric, window_kind, window_end, slice_name, slice_value, basis, value, value_low, value_high, n, bound, status, message.
#}
{% test metric_within(model, metric, window, at_least=none, at_most=none, slice=none, basis='matured', min_n=30, min_coverage=none) %}
{% set bounds, kept = [], [] %}
{% if at_least is not none %}{% do bounds.append('>= ' ~ at_least) %}{% do kept.append('value >= ' ~ at_least) %}{% endif %}
{% if at_most is not none %}{% do bounds.append('<= ' ~ at_most) %}{% do kept.append('value <= ' ~ at_most) %}{% endif %}
{% if not bounds %}
    {{ exceptions.raise_compiler_error("metric_within on " ~ metric ~ " has no bound; give at_least, at_most or both") }}
{% endif %}
{% set bound = bounds | join(' and ') %}
select
    metric, window_kind, window_end, slice_name, slice_value, basis, value, value_low, value_high, n,
    {{ baton.quoted(bound) }} as bound,
    'failed' as status,
    {{ baton.metric_message(baton.quoted(' breaks ' ~ bound), baton.owner_of(model)) }} as message
from ({{ baton.judged_metric(model, metric, window, slice, basis, min_coverage) }}) as judged
where n >= {{ min_n }} and value is not null and not ({{ kept | join(' and ') }})
{% endtest %}

{# The rows a check judges: metric, window_kind, window_end, slice_name, slice_value, model_version, basis, value, value_low, value_high, n. #}
{% macro judged_metric(model, metric, window, slice, basis, min_coverage, version='all') %}
{% if metric in baton.performance_columns() %}
    {% do baton.refuse_basis(metric, basis) %}
    {% set has_interval = metric in baton.interval_names() %}
    {% set rests = baton.rests_on(metric, basis) %}
    {% set coverage = min_coverage if min_coverage is not none else rests.coverage %}
    {% set scope = "window_kind = " ~ baton.quoted(window) ~ " and basis = " ~ baton.quoted(basis) %}
select
    {{ baton.quoted(metric) }} as metric, window_kind, window_end, slice_name, slice_value, model_version, basis,
    cast({{ metric }} as {{ baton.type_double() }}) as value,
    {%- for end in ['low', 'high'] %}
    {{ metric ~ '_' ~ end if has_interval else 'cast(null as ' ~ baton.type_double() ~ ')' }} as value_{{ end }},
    {%- endfor %}
    {{ rests.counted }} as n
from {{ model }}
where {{ scope }} and {{ baton.slice_scope(slice) }} and {{ "model_version = 'all'" if version == 'all' else "model_version <> 'all'" }}
    and window_end = (
        select max(window_end) from {{ model }}
        where {{ scope }} and slice_name = 'overall' and model_version = 'all' and {{ rests.of }} > 0 and {{ rests.known }} >= {{ coverage }} * n
    )
{% else %}
    {% set scope = "window_kind = " ~ baton.quoted(window) ~ " and metric = " ~ baton.quoted(metric) %}
select metric, window_kind, window_end, slice_name, slice_value, 'all' as model_version, cast(null as {{ dbt.type_string() }}) as basis, value, value_low, value_high, n
from {{ model }}
where {{ scope }} and {{ baton.slice_scope(slice) }}
    and window_end = (select max(window_end) from {{ model }} where {{ scope }} and slice_name = 'overall')
{% endif %}
{% endmacro %}

{# counted: the rows a number rests on; of: what its window must have; known, coverage: those whose outcome is known, and which share of the window they must be. #}
{% macro rests_on(metric, basis) %}
    {% set is_late = basis == 'matured' or metric.endswith('_error') %}
    {% set known = 'n_matured' if is_late else '(n - coalesce(n_too_fresh, 0))' %}
    {% if metric == 'coverage' %}{{ return({'counted': 'n', 'of': 'n', 'known': known, 'coverage': 0}) }}{% endif %}
    {% if metric == 'share_never_scored' %}{{ return({'counted': 'n_population', 'of': 'n_population', 'known': known, 'coverage': 0}) }}{% endif %}
    {{ return({'counted': known, 'of': 'n', 'known': known, 'coverage': 1 if is_late else 0}) }}
{% endmacro %}

{# none: overall; {name: value}: one value; name: every value of the slice. #}
{% macro slice_scope(slice) %}
    {% if slice is none %}{{ return("slice_name = 'overall'") }}{% endif %}
    {% if slice is string %}{{ return("slice_name = " ~ baton.quoted(slice)) }}{% endif %}
    {% set scopes = [] %}
    {% for name, value in slice.items() %}{% do scopes.append("(slice_name = " ~ baton.quoted(name) ~ " and slice_value = " ~ baton.quoted(value) ~ ")") %}{% endfor %}
    {{ return('(' ~ scopes | join(' or ') ~ ')') }}
{% endmacro %}

{% macro refuse_basis(metric, basis) %}
    {% if basis not in ['matured', 'delay_corrected', 'estimated'] %}
        {{ exceptions.raise_compiler_error("basis of the check on " ~ metric ~ " is '" ~ basis ~ "'; allowed is matured, delay_corrected or estimated"
            ~ ("; naive counts open decisions as negative and is shown, never checked" if basis == 'naive' else '')) }}
    {% endif %}
{% endmacro %}

{# 'accuracy 0.8 (95 % interval 0.75 to 0.85) <broken> in the 28d window ending ..., plan growth, basis matured, n 100<owner>'; broken is SQL text. #}
{% macro metric_message(broken, owner) -%}
metric || ' ' || {{ baton.say('round(value, 6)') }}
        || case when value_low is not null then ' (95 % interval ' || {{ baton.say('round(value_low, 4)') }} || ' to ' || {{ baton.say('round(value_high, 4)') }} || ')' else '' end
        || {{ broken }} || ' in the ' || window_kind || ' window ending ' || {{ baton.say('window_end') }}
        || case when slice_name = 'overall' then '' else ', ' || slice_name || ' ' || slice_value end
        || case when basis is null then '' else ', basis ' || basis end || ', n ' || {{ baton.say('n') }} || {{ baton.quoted(owner) }}
{%- endmacro %}
