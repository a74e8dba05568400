{#
CTE `version_cells`: additive sums per (hour, slice_name, slice_value, version, stratum, step), `all` versions among them. Within a cell every decision has the same F.
#}
{% macro corrected_cells(slices) %}
{% set slice_names, sums = baton.numbered('slice_', slices), baton.corrected_sums() %}
{% set key = 'version, stratum, step' %}
cells as (
    select
        hour, {{ key }}, {% for slice in slice_names %}{{ slice }}, {% endfor %}
        min(share) as share, min(n_positives) as n_positives,
        {%- for name, expression in sums.items() %}
        sum({{ expression }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from facts
    group by hour, {{ key }}{% for slice in slice_names %}, {{ slice }}{% endfor %}
),

slice_cells as (
    {%- for slice in [none] + slices %}
    {{ 'union all' if not loop.first }}
    select hour, {{ key }}, {{ baton.quoted(slice or 'overall') }} as slice_name, {{ "'all'" if slice is none else 'slice_' ~ loop.index0 }} as slice_value,
        min(share) as share, min(n_positives) as n_positives, {{ baton.summed(sums.keys() | list) }}
    from cells
    group by hour, {{ key }}{% if slice is not none %}, slice_{{ loop.index0 }}{% endif %}
    {%- endfor %}
),

version_cells as (
    select hour, stratum, step, slice_name, slice_value, version, share, n_positives, {{ sums | join(', ') }}
    from slice_cells
    union all
    select hour, stratum, step, slice_name, slice_value, 'all' as version,
        min(share) as share, min(n_positives) as n_positives, {{ baton.summed(sums.keys() | list) }}
    from slice_cells
    group by hour, stratum, step, slice_name, slice_value
)
{%- endmacro %}

{#
The sums of a cell over rows of `facts`. Those of the estimate end in 1 or 0, the predicted label: n decisions, m seen positives, t their weights, q the squares of these,
u the shares of the decisions without a seen positive.
#}
{% macro corrected_sums() %}
    {% set sums = {'n': '1'} %}
    {% for state in ['pending', 'early_positive', 'positive', 'negative', 'late_positive'] %}
        {% do sums.update({'n_' ~ state: "case when state = '" ~ state ~ "' then 1 else 0 end"}) %}
    {% endfor %}
    {% do sums.update(
        n_restated='case when is_restated then 1 else 0 end', n_matured='case when outcome_label is not null then 1 else 0 end', n_too_fresh='1 - is_used', content='content',
        n_value_missing='case when is_used = 1 and (w <> 0 and (tp is null or fn is null) or w <> 1 and (fp is null or tn is null)) then 1 else 0 end'
    ) %}
    {% for y in [1, 0] %}
        {% set used = 'case when is_used = 1 and y = ' ~ y ~ ' then ' %}
        {% do sums.update({'n' ~ y: used ~ '1 else 0 end', 'm' ~ y: used ~ 'seen else 0 end'}) %}
        {% for name, amount in {'t': 'w', 'q': 'w * w', 'u': '(1 - seen) * share'}.items() %}
            {% do sums.update({name ~ y: used ~ baton.fixed(amount, baton.corrected_fractions()[name ~ y]) ~ ' else 0 end'}) %}
        {% endfor %}
    {% endfor %}
    {% for name, amount in baton.corrected_amounts().items() %}
        {% set used = 'is_used = 1' if name in ['loss', 'brier_sum'] else 'is_used = 1 and y in (0, 1)' %}
        {% do sums.update({name: 'case when ' ~ used ~ ' then ' ~ baton.fixed(amount, baton.corrected_fractions()[name]) ~ ' else 0 end'}) %}
    {% endfor %}
    {{ return(sums) }}
{% endmacro %}

{# Log loss clips as in basis matured. #}
{% macro corrected_amounts() %}
    {% set tiny = '2.220446049250313e-16' %}
    {% set yes = '(-ln(case when score < ' ~ tiny ~ ' then ' ~ tiny ~ ' else score end))' %}
    {% set no = '(-ln(case when 1 - score < ' ~ tiny ~ ' then ' ~ tiny ~ ' else 1 - score end))' %}
    {{ return({
        'loss': 'w * ' ~ yes ~ ' + (1 - w) * ' ~ no, 'brier_sum': 'w * (1 - score) * (1 - score) + (1 - w) * score * score',
        'value': 'worth', 'value_all': 'worth_all', 'value_none': 'worth_none', 'value_sq': 'worth * worth',
        'lift_all_sq': '(worth - worth_all) * (worth - worth_all)', 'lift_none_sq': '(worth - worth_none) * (worth - worth_none)',
        'gain': 'gain', 'gain_all': 'gain_all', 'gain_none': 'gain_none'
    }) }}
{% endmacro %}

{# Sums that are no counts, with the digits after the point that they keep. #}
{% macro corrected_fractions() %}
    {{ return({'t1': 12, 't0': 12, 'q1': 12, 'q0': 12, 'u1': 12, 'u0': 12, 'loss': 12, 'brier_sum': 12, 'value': 6, 'value_all': 6, 'value_none': 6, 'value_sq': 4,
        'lift_all_sq': 4, 'lift_none_sq': 4, 'gain': 6, 'gain_all': 6, 'gain_none': 6}) }}
{% endmacro %}
