{# Interval formulas as SQL expressions. z is the 97.5 % point of the normal distribution. #}

{# Cluster-robust variance of a ratio of sums: weights = residual of one row per confusion cell, denominator = the sum below. #}
{% macro rate_variance(weights, denominator) %}
    {% set cells, terms = weights.keys() | list, [] %}
    {% for a in cells %}
        {% do terms.append(weights[a] ~ ' * ' ~ weights[a] ~ ' * (' ~ a ~ ' + x_' ~ a ~ '_' ~ a ~ ')') %}
        {% for b in cells[loop.index:] %}
            {% set pair = ['tp', 'fp', 'fn', 'tn'] | select('in', [a, b]) | join('_') %}
            {% do terms.append('2 * ' ~ weights[a] ~ ' * ' ~ weights[b] ~ ' * x_' ~ pair) %}
        {% endfor %}
    {% endfor %}
    {% set sum = '(' ~ terms | join(' + ') ~ ')' %}
    {{ return("case when " ~ denominator ~ " > 0 then " ~ sum ~ " / (1e0 * " ~ denominator ~ " * " ~ denominator ~ ") end") }}
{% endmacro %}

{# Number of independent rows that would give this variance; where the rate is 0 or 1, or the variance is no more than what rounding leaves (more than
1e12 rows' worth), it says nothing, and the number of entities stands in. #}
{% macro effective_n(rate, entities) %}
    {% set spread = rate ~ " * (1 - " ~ rate ~ ")" %}
    {{ return("case when " ~ rate ~ "_variance is null or " ~ rate ~ " is null then null when " ~ rate ~ "_variance > 1e-12 * " ~ spread ~ " and " ~ spread ~ " > 1e-18 then " ~ spread ~ " / "
        ~ rate ~ "_variance else cast(" ~ entities ~ " as " ~ baton.type_double() ~ ") end") }}
{% endmacro %}

{# One end of the Wilson score interval; sign is '-' or '+'. Source: Wilson 1927. #}
{% macro wilson(rate, n, sign) %}
    {% set z2 = '3.841458820694124' %}
    {% set bound = "(" ~ rate ~ " + " ~ z2 ~ " / (2 * " ~ n ~ ") " ~ sign ~ " sqrt(" ~ z2 ~ " * (" ~ rate ~ " * (1 - " ~ rate ~ ") + " ~ z2 ~ " / (4 * " ~ n ~ ")) / "
        ~ n ~ ")) / (1 + " ~ z2 ~ " / " ~ n ~ ")" %}
    {{ return("case when " ~ n ~ " > 0 then " ~ ("greatest(0.0, " if sign == '-' else "least(1.0, ") ~ bound ~ ") end") }}
{% endmacro %}

{# Standard error of a mean per decision, cluster-robust; null below two entities, whose difference is all that it knows. sum, sum of squares, and the repeats' terms are column names. #}
{% macro mean_deviation(total, squares, cross, cross_n) %}
    {% set mean = "(" ~ total ~ " / n_labelled)" %}
    {% set sum = squares ~ " + " ~ cross ~ " - 2 * " ~ mean ~ " * (" ~ total ~ " + " ~ cross_n ~ ") + " ~ mean ~ " * " ~ mean ~ " * (n_labelled + x_n_n)" %}
    {{ return("case when n_labelled - again_accuracy > 1 then sqrt(case when " ~ sum ~ " > 0 then " ~ sum ~ " else 0 end) / n_labelled end") }}
{% endmacro %}

{# Columns of `repeats`. #}
{% macro repeat_terms() %}
    {% set terms, cells = [], ['tp', 'fp', 'fn', 'tn'] %}
    {% for a in cells %}
        {% for b in cells[loop.index0:] %}{% do terms.append('x_' ~ a ~ '_' ~ b) %}{% endfor %}
    {% endfor %}
    {% for name in baton.denominators() %}{% do terms.append('again_' ~ name) %}{% endfor %}
    {{ return(terms + ['x_n_n', 'x_worth', 'x_lift_all', 'x_lift_none', 'x_worth_n', 'x_lift_all_n', 'x_lift_none_n', 'x_influence']) }}
{% endmacro %}
