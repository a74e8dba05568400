{#
What the second moments of a window hold besides sums over its rows. Quantities: n1, n0 decisions by predicted label, t1, t0 weights of the seen positives.

CTE `curve_terms`: what the uncertainty of F adds, columns c_. A stratum's F is one estimate used at many ages: cov(F(a), F(b)) = F(a) (1 - F(b)) / n_positives for a <= b,
the covariance of an empirical distribution. The derivative of t by F(a) is -(sum of w^2 at a); the double sum over ages is a running sum over them.
#}
{% macro corrected_curve_terms() %}
{% set key = 'window_kind, window_end, slice_name, slice_value, version' %}
{% set slopes = {'t1': baton.unfixed('q1', 12), 't0': baton.unfixed('q0', 12), 'value': baton.unfixed('gain', 6) ~ ' / share', 'lift_all': baton.unfixed('gain_all', 6) ~ ' / share',
    'lift_none': baton.unfixed('gain_none', 6) ~ ' / share'} %}
curve_slopes as (
    select
        {{ key }}, stratum, step, share, n_positives
        {%- for name, slope in slopes.items() %},
        {{ slope }} as {{ name }}
        {%- endfor %}
    from rolled_steps
    where share > 0 and share < 1 and n1 + n0 > 0
),

curve_pasts as (
    select
        curve_slopes.*
        {%- for name in slopes %},
        coalesce(sum({{ name }} * share) over (partition by {{ key }}, stratum order by step rows between unbounded preceding and 1 preceding), 0) as past_{{ name }}
        {%- endfor %}
    from curve_slopes
),

curve_terms as (
    select
        {{ key }}
        {%- for a, b, digits in baton.curve_pairs() %},
        {%- set term = a ~ ' * ' ~ b ~ ' * share + ' ~ a ~ ' * past_' ~ b ~ ' + ' ~ b ~ ' * past_' ~ a %}
        {{ baton.unfixed('sum(' ~ baton.fixed('(1 - share) * (' ~ term ~ ') / n_positives', digits) ~ ')', digits) }} as c_{{ a }}_{{ b }}
        {%- endfor %}
    from curve_pasts
    group by {{ key }}
)
{%- endmacro %}

{# Pairs of quantities with the digits that sums of their product keep. #}
{% macro curve_pairs() %}
    {{ return([['t1', 't1', 9], ['t1', 't0', 9], ['t0', 't0', 9], ['value', 'value', 4], ['lift_all', 'lift_all', 4], ['lift_none', 'lift_none', 4]]) }}
{% endmacro %}

{#
CTE `repeats`: what entities with several decisions in a window add: sum over entities of (S_a S_b - sum of a b over its rows), columns x_, and `again_`, how many rows of
each rate's set belong to an entity that was counted already.
#}
{% macro corrected_repeats(parameters) %}
{% set key = 'window_kind, window_end, slice_name, slice_value, version' %}
touching as (
    {%- for slice in [none] + parameters.slices %}
    {%- for version in ['facts.version', "'all'"] %}
    {{ 'union all' if not (loop.first and slice is none) }}
    select
        windows.window_kind, windows.window_end, {{ baton.quoted(slice or 'overall') }} as slice_name,
        {{ "'all'" if slice is none else 'facts.slice_' ~ (parameters.slices.index(slice) + 1) }} as slice_value, {{ version }} as version,
        facts.entity, facts.y, facts.seen, facts.w, facts.worth, facts.worth_all, facts.worth_none
    from facts
    inner join windows on facts.hour > windows.window_start and facts.hour <= windows.window_end and facts.gap < windows.window_hours
    where facts.is_used = 1 and facts.y in (0, 1)
    {%- endfor %}
    {%- endfor %}
),

repeated_entities as (
    select
        {{ key }}, entity, count(*) as n,
        {%- for y in [1, 0] %}
        sum(case when y = {{ y }} then 1 else 0 end) as n{{ y }},
        {{ baton.unfixed('sum(case when y = ' ~ y ~ ' then ' ~ baton.fixed('w', 12) ~ ' else 0 end)', 12) }} as t{{ y }},
        {{ baton.unfixed('sum(case when y = ' ~ y ~ ' then ' ~ baton.fixed('w * w', 12) ~ ' else 0 end)', 12) }} as q{{ y }},
        {%- endfor %}
        {%- for name, set in baton.corrected_sets().items() %}
        sum(case when {{ set }} then 1 else 0 end) as rows_{{ name }},
        {%- endfor %}
        {%- for name, amount in {'worth': 'worth', 'lift_all': 'worth - worth_all', 'lift_none': 'worth - worth_none'}.items() %}
        {{ baton.unfixed('sum(' ~ baton.fixed(amount, 6) ~ ')', 6) }} as {{ name }},
        {{ baton.unfixed('sum(' ~ baton.fixed('(' ~ amount ~ ') * (' ~ amount ~ ')', 4) ~ ')', 4) }} as {{ name }}_sq{{ ',' if not loop.last }}
        {%- endfor %}
    from touching
    group by {{ key }}, entity
    having count(*) > 1
),

repeats as (
    select
        {{ key }},
        {%- for a, b, own in baton.moment_pairs() %}
        {{ baton.unfixed('sum(' ~ baton.fixed(a ~ ' * ' ~ b ~ ' - ' ~ own, 9) ~ ')', 9) }} as x_{{ a }}_{{ b }},
        {%- endfor %}
        {%- for name in ['worth', 'lift_all', 'lift_none'] %}
        {{ baton.unfixed('sum(' ~ baton.fixed(name ~ ' * ' ~ name ~ ' - ' ~ name ~ '_sq', 4) ~ ')', 4) }} as x_{{ name }},
        {{ baton.unfixed('sum(' ~ baton.fixed(name ~ ' * (n - 1)', 6) ~ ')', 6) }} as x_{{ name }}_n,
        {%- endfor %}
        {%- for name in baton.corrected_sets() %}
        sum(case when rows_{{ name }} > 1 then rows_{{ name }} - 1 else 0 end) as again_{{ name }},
        {%- endfor %}
        sum(n * (n - 1)) as x_n_n
    from repeated_entities
    group by {{ key }}
)
{%- endmacro %}

{# Pairs of quantities, and the sum over rows of their product. #}
{% macro moment_pairs() %}
    {{ return([['n1', 'n1', 'n1'], ['n1', 'n0', '0'], ['n1', 't1', 't1'], ['n1', 't0', '0'], ['n0', 'n0', 'n0'], ['n0', 't1', '0'], ['n0', 't0', 't0'],
        ['t1', 't1', 'q1'], ['t1', 't0', '0'], ['t0', 't0', 'q0']]) }}
{% endmacro %}

{# Rows whose answer stands in the denominator of each rate, as far as it is known. #}
{% macro corrected_sets() %}
    {{ return({'accuracy': '1 = 1', 'precision': 'y = 1', 'recall': 'seen = 1', 'specificity': 'seen = 0', 'f1': 'y = 1 or seen = 1'}) }}
{% endmacro %}
