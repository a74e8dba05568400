{#
CTE `metrics`: finished numbers per window, slice and version. A rate is r = (c . u) / D with u = (n1, n0, t1, t0); the residuals of its rows are linear in the same four, so its
variance is a quadratic form in their second moments: rows, repeated entities (x_), the curve (c_).
#}
{% macro corrected_metrics(parameters) %}
{% set float = baton.type_double() %}
{% set key = ['window_kind', 'window_end', 'slice_name', 'slice_value', 'version'] %}
{% set fractions = baton.corrected_fractions() %}
{% set pairs = [] %}
{% for a, b, _ in baton.curve_pairs() %}{% do pairs.append(a ~ '_' ~ b) %}{% endfor %}
sums as (
    select
        {{ key | join(', ') }}, version as model_version,
        {%- for name in baton.corrected_sums() %}
        {{ baton.unfixed(name, fractions[name]) if name in fractions else 'cast(' ~ name ~ ' as bigint)' }} as {{ name }},
        {%- endfor %}
        cast(n1 + n0 as bigint) as n_labelled
    from rolled
),

gathered as (
    select
        sums.*,
        {%- for a, b, own in baton.moment_pairs() %}
        {{ own if own == '0' else 'sums.' ~ own }} + coalesce(repeats.x_{{ a }}_{{ b }}, 0) {{- ' + coalesce(curve_terms.c_' ~ a ~ '_' ~ b ~ ', 0)' if a ~ '_' ~ b in pairs }} as m_{{ a }}_{{ b }},
        {%- endfor %}
        {%- for name, of in {'value': 'worth', 'lift_all': 'lift_all', 'lift_none': 'lift_none'}.items() %}
        {{ name }}_sq + coalesce(curve_terms.c_{{ name }}_{{ name }}, 0) as {{ name }}_squares, coalesce(repeats.x_{{ of }}, 0) as x_{{ name }}, coalesce(repeats.x_{{ of }}_n, 0) as x_{{ name }}_n,
        {%- endfor %}
        coalesce(repeats.x_n_n, 0) as x_n_n, coalesce(repeats.again_accuracy, 0) as again_accuracy,
        {%- for name, parts in baton.corrected_information().items() %}
        ({{ parts[1] }}) * (1 - coalesce(repeats.again_{{ name }}, 0) / cast(nullif({{ parts[0] }}, 0) as {{ float }})) as information_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from sums
    left join repeats on {% for k in key %}sums.{{ k }} = repeats.{{ k }}{{ ' and ' if not loop.last }}{% endfor %}
    left join curve_terms on {% for k in key %}sums.{{ k }} = curve_terms.{{ k }}{{ ' and ' if not loop.last }}{% endfor %}
),

estimates as (
    select
        gathered.*,
        {%- for name, ratio in {'accuracy': ['t1 + n0 - t0', 'n_labelled'], 'precision': ['t1', 'n1'], 'recall': ['t1', 't1 + t0'], 'specificity': ['n0 - t0', 'n_labelled - t1 - t0'],
            'f1': ['2 * t1', 'n1 + t1 + t0']}.items() %}
        {{ baton.share_of(ratio[0], ratio[1]) }} as {{ name }},
        {%- endfor %}
        loss / cast(nullif(n - n_too_fresh, 0) as {{ float }}) as mean_loss,
        brier_sum / cast(nullif(n - n_too_fresh, 0) as {{ float }}) as mean_brier,
        case when value_all >= value_none then value - value_all else value - value_none end as lift,
        case when value_all >= value_none then lift_all_squares else lift_none_squares end as lift_squares,
        case when value_all >= value_none then x_lift_all else x_lift_none end as x_lift,
        case when value_all >= value_none then x_lift_all_n else x_lift_none_n end as x_lift_n
    from gathered
),

spreads as (
    select
        estimates.*,
        (recall + specificity) / 2 as balanced_accuracy,
        {{ baton.corrected_variance({'n1': '(-accuracy)', 'n0': '(1 - accuracy)', 't1': '1', 't0': '(-1)'}, 'n_labelled') }} as accuracy_variance,
        {{ baton.corrected_variance({'n1': '(-precision)', 't1': '1'}, 'n1') }} as precision_variance,
        {{ baton.corrected_variance({'t1': '(1 - recall)', 't0': '(-recall)'}, '(t1 + t0)') }} as recall_variance,
        {{ baton.corrected_variance({'n1': '(-f1)', 't1': '(2 - f1)', 't0': '(-f1)'}, '(n1 + t1 + t0)') }} as f1_variance,
        {%- set p, q = '(2e0 * (t1 + t0))', '(2e0 * (n_labelled - t1 - t0))' %}
        {{ baton.corrected_variance({'n1': '(-specificity / ' ~ q ~ ')', 'n0': '((1 - specificity) / ' ~ q ~ ')', 't1': '((1 - recall) / ' ~ p ~ ' + specificity / ' ~ q ~ ')',
            't0': '(-recall / ' ~ p ~ ' - (1 - specificity) / ' ~ q ~ ')'}, '1') }} as balanced_accuracy_variance,
        {{ baton.mean_deviation('value', 'value_squares', 'x_value', 'x_value_n') }} as value_deviation,
        {{ baton.mean_deviation('lift', 'lift_squares', 'x_lift', 'x_lift_n') }} as lift_deviation,
        {{ baton.lesser('information_recall', 'information_specificity') }} as information_balanced_accuracy
    from estimates
),

sized as (
    select
        spreads.*
        {%- for rate in baton.corrected_rates() %},
        {{ baton.effective_n(rate, 'information_' ~ rate) }} as {{ rate }}_size
        {%- endfor %}
    from spreads
),

metrics as (
    select
        sized.*,
        case when mean_loss < 0 then 0 else mean_loss end as log_loss,
        case when mean_brier < 0 then 0 else mean_brier end as brier
        {%- for rate in baton.corrected_rates() %},
        {{ baton.wilson(rate, rate ~ '_size', '-') }} as {{ rate }}_low,
        {{ baton.wilson(rate, rate ~ '_size', '+') }} as {{ rate }}_high
        {%- endfor %}
    from sized
)
{%- endmacro %}

{# Rates of this basis that have an interval. #}
{% macro corrected_rates() %}{{ return(['accuracy', 'precision', 'recall', 'f1', 'balanced_accuracy']) }}{% endmacro %}

{# Rows of each rate's set, and how many of them count as observed: a seen positive whole, any other by the share that would be seen by now. #}
{% macro corrected_information() %}
    {{ return({
        'accuracy': ['n1 + n0', 'm1 + m0 + u1 + u0'], 'precision': ['n1', 'm1 + u1'], 'recall': ['m1 + m0', 'm1 + m0'],
        'specificity': ['n1 + n0 - m1 - m0', 'u1 + u0'], 'f1': ['n1 + m0', 'm1 + u1 + m0']
    }) }}
{% endmacro %}

{# A ratio within [0, 1]; null without a positive denominator. #}
{% macro share_of(top, bottom) %}
    {% set ratio = '(' ~ top ~ ') / cast(' ~ bottom ~ ' as ' ~ baton.type_double() ~ ')' %}
    {{ return('case when ' ~ bottom ~ ' <= 0 then null when ' ~ top ~ ' < 0 then 0e0 when ' ~ top ~ ' > ' ~ bottom ~ ' then 1e0 else ' ~ ratio ~ ' end') }}
{% endmacro %}

{# Quadratic form of the residuals' coefficients in the second moments m_, over the squared denominator; never below 0. #}
{% macro corrected_variance(coefficients, denominator) %}
    {% set terms = [] %}
    {% for a, b, _ in baton.moment_pairs() if a in coefficients and b in coefficients %}
        {% do terms.append(('' if a == b else '2 * ') ~ coefficients[a] ~ ' * ' ~ coefficients[b] ~ ' * m_' ~ a ~ '_' ~ b) %}
    {% endfor %}
    {% set sum = '(' ~ terms | join(' + ') ~ ')' %}
    {{ return('case when ' ~ denominator ~ ' > 0 then case when ' ~ sum ~ ' > 0 then ' ~ sum ~ ' else 0 end / (1e0 * ' ~ denominator ~ ' * ' ~ denominator ~ ') end') }}
{% endmacro %}
