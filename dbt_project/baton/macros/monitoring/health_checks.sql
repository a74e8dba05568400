{#
What `health` asks, as a list of {kind, n, findings}: n is a select of column n (how many things were judged), findings a list of {severity, rows}, rows being a select with `message`
whose every row is one thing that is not ok; rank, a column of rows, says which of them speaks first. The selects are those of the generic tests wherever there is one.
#}
{% macro health_checks(product, parameters, tables) %}
    {% set asked, one = [], 'select 1 as n' %}
    {% set population, performance, delay = tables.population, tables.performance, tables.delay %}
    {% if population is not none %}
        {% do asked.append({'kind': 'data', 'n': one, 'findings': [{'severity': 3, 'rows': baton.population_is_late(population)}]}) %}
    {% endif %}
    {% if tables.parity is not none %}
        {% do asked.append({'kind': 'data', 'n': baton.newly_judged(tables.parity), 'findings': [
            {'severity': 3, 'rows': baton.test_train_serve_parity(tables.parity, product)}]}) %}
    {% endif %}
    {% if population is not none and tables.predictions is not none %}
        {% do asked.append({'kind': 'predictions', 'n': one, 'findings': [
            {'severity': 3, 'rows': baton.newest_day_uncovered(tables.predictions, population, product)}]}) %}
    {% endif %}
    {% if performance is not none %}
        {% do asked.append({'kind': 'performance', 'n': 'select ' ~ (baton.floors(product) | length) ~ ' as n', 'findings': [
            {'severity': 3, 'rows': baton.test_within_floors(performance, product, level='error')},
            {'severity': 2, 'rows': baton.test_within_floors(performance, product, level='warn')},
            {'severity': 1, 'rows': baton.test_enough_data(performance, product)}]}) %}
    {% endif %}
    {% if tables.worst_slices is not none %}
        {% set judged = baton.newest_slices(tables.worst_slices) %}
        {% do asked.append({'kind': 'performance', 'n': 'select count(*) as n from (' ~ judged ~ ') as judged', 'findings': [
            {'severity': 2, 'rank': 'rank', 'rows': baton.slices_got_worse(judged)}]}) %}
    {% endif %}
    {% if tables.calibration is not none %}
        {% set bins = baton.newest_bins(tables.calibration) %}
        {% do asked.append({'kind': 'calibration', 'n': 'select count(*) as n from (' ~ bins ~ ') as judged', 'findings': [
            {'severity': 2, 'rows': baton.bins_are_off(bins, parameters.monitor.drift.q)}]}) %}
    {% endif %}
    {% if tables.drift is not none %}
        {% set level = parameters.monitor.drift.severity %}
        {% do asked.append({'kind': 'drift', 'n': baton.newest_of_each_kind(tables.drift), 'findings': [
            {'severity': 3 if level == 'error' else 2, 'rows': baton.test_no_drift(tables.drift, product, level=level)},
            {'severity': 1, 'rows': baton.drift_says_nothing(tables.drift)}]}) %}
    {% endif %}
    {% if delay is not none %}
        {% if tables.outcomes is not none %}
            {% do asked.append({'kind': 'outcomes', 'n': one, 'findings': [{'severity': 3, 'rows': baton.test_outcomes_arriving(tables.outcomes, product, delay)}]}) %}
        {% endif %}
        {% do asked.append({'kind': 'outcomes', 'n': one, 'findings': [
            {'severity': 2, 'rows': baton.delay_says(delay, 'score_correlates', 'delay and score go together: delay-corrected numbers are biased')},
            {'severity': 1, 'rows': baton.delay_says(delay, 'insufficient_data', 'too few outcomes of closed cohorts to know how long they take')}]}) %}
    {% endif %}
    {{ return(asked) }}
{% endmacro %}

{# One row with `message` where the population does not reach as_of(now). #}
{% macro population_is_late(population) -%}
select {{ baton.quoted(baton.name_of(population) ~ ' ends at ') }} || {{ baton.say('newest') }} || ', today is ' || {{ baton.say('today') }} || {{ baton.quoted(baton.owner_of(population)) }} as message
from (select max(as_of) as newest, {{ baton.as_of() }} as today from {{ population }} where as_of <= {{ baton.now() | trim }}) as reach
where newest is null or newest < today
{%- endmacro %}

{# What `population_covered` says of the newest day; with vars as_of_from and as_of_to the test itself judges a range of days. #}
{% macro newest_day_uncovered(predictions, population, product) -%}
select message
from ({{ baton.test_population_covered(predictions, population, product) }}) as uncovered
where as_of is null or as_of = (select max(as_of) from {{ population }} where as_of <= {{ baton.now() | trim }})
{%- endmacro %}

{# Column n: rows that the last run wrote into a table that keeps older ones. #}
{% macro newly_judged(table) -%}
select count(*) as n from {{ table }} where evaluated_at = (select max(evaluated_at) from {{ table }})
{%- endmacro %}

{# Column n: rows of the newest window of each length. #}
{% macro newest_of_each_kind(table) -%}
select count(*) as n
from {{ table }} as judged
inner join (select window_kind, max(window_end) as window_end from {{ table }} group by window_kind) as newest
    on judged.window_kind = newest.window_kind and judged.window_end = newest.window_end
{%- endmacro %}

{# One row with `message` where the newest windows hold comparisons and none of them could be judged. #}
{% macro drift_says_nothing(drift) -%}
select 'nothing could be compared with the reference: ' || {{ baton.say('n') }} || ' comparisons, all without enough data' as message
from (
    select count(*) as n, sum(case when judged.status = 'insufficient_data' then 0 else 1 end) as n_judged
    from {{ drift }} as judged
    inner join (select window_kind, max(window_end) as window_end from {{ drift }} group by window_kind) as newest
        on judged.window_kind = newest.window_kind and judged.window_end = newest.window_end
) as counted
where n > 0 and n_judged = 0
{%- endmacro %}

{# The judged slice values of the newest window of each length. #}
{% macro newest_slices(worst_slices) -%}
select judged.*
from {{ worst_slices }} as judged
inner join (select window_kind, max(window_end) as window_end from {{ worst_slices }} group by window_kind) as newest
    on judged.window_kind = newest.window_kind and judged.window_end = newest.window_end
where judged.p_value is not null
{%- endmacro %}

{# Of the judged slice values, those that became worse: rank, message. #}
{% macro slices_got_worse(judged) -%}
select
    rank,
    metric || ' of ' || slice_name || ' ' || slice_value || ' went from ' || {{ baton.say('round(value_reference, 4)') }} || ' to ' || {{ baton.say('round(value, 4)') }}
        || case when share_of_change is null then '' else ', ' || {{ baton.say('round(100 * share_of_change, 1)') }} || ' % of the overall change' end
        || ', in the ' || window_kind || ' window ending ' || {{ baton.say('window_end') }} || ' against the one before, q ' || {{ baton.say('round(q_value, 6)') }} as message
from ({{ judged }}) as judged
where status = 'worse'
{%- endmacro %}

{# The bins with enough data in the newest window of each length that has one, all versions; z: how many standard errors the score is off, the interval being 1.96 of them wide to each side. #}
{% macro newest_bins(calibration) -%}
select
    judged.*,
    count(*) over () as n_bins,
    1.959963984540054 * abs(gap) / nullif(case when gap > 0 then positive_rate_high - positive_rate else positive_rate - positive_rate_low end, 0) as z
from {{ calibration }} as judged
inner join (
    select window_kind as newest_kind, max(window_end) as newest_end from {{ calibration }} where model_version = 'all' and status = 'ok' group by window_kind
) as newest on judged.window_kind = newest.newest_kind and judged.window_end = newest.newest_end
where judged.model_version = 'all' and judged.status = 'ok'
{%- endmacro %}

{% macro bins_are_off(bins, q) -%}
select
    'scores around ' || {{ baton.say('round(mean_score, 4)') }} || ' came true for ' || {{ baton.say('round(positive_rate, 4)') }} || ' (95 % interval '
        || {{ baton.say('round(positive_rate_low, 4)') }} || ' to ' || {{ baton.say('round(positive_rate_high, 4)') }} || ') in the ' || window_kind || ' window ending '
        || {{ baton.say('window_end') }} || ', n ' || {{ baton.say('n') }} as message
from ({{ bins }}) as judged
where z is not null and 2 * {{ baton.normal_tail('z') }} * n_bins <= {{ q }}
{%- endmacro %}

{# One row with `message` per stratum whose curve has this status. #}
{% macro delay_says(delay, status, text) -%}
select distinct {{ baton.quoted(text ~ ', stratum ') }} || stratum || ', ' || {{ baton.say('n_positives') }} || ' outcomes' as message
from {{ delay }}
where status = {{ baton.quoted(status) }}
{%- endmacro %}
