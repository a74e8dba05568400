{#
CTE `standing`: products of `linked` per line, reading and span of ticks [tick, next_tick). With rows in at their tick and out `length` ticks later, the rows of an entity
between two such events are one set. The whole history is a window of one tick that everything enters.
#}
{% macro repeated_sets(windows) %}
lines as (
    select line, window_kind, series, min(tick) as first_tick, max(tick) as last_tick
    from targets
    group by line, window_kind, series
),

entering as (
    {%- for window in windows %}
    {{ 'union all' if not loop.first }}
    {%- set hours = window.length * (1 if window.unit == 'hour' else 24) %}
    {%- set tick, length = ('lines.last_tick', 1) if window.unit == 'whole' else ('linked.' ~ window.unit ~ '_tick', window.length) %}
    select lines.line, reading, who, score, predicted_label, y, worth, worth_all, worth_none, {{ tick }} as tick, {{ length }} as length
    from linked
    inner join lines on linked.series = lines.series and {{ tick }} <= lines.last_tick and {{ tick }} + {{ length }} > lines.first_tick
    where lines.window_kind = {{ baton.quoted(window.name) }}
        and {{ 'hour_tick <= ' ~ baton.hour_number(baton.as_of()) if window.unit == 'whole' else '(hour_tick - hour_before < ' ~ hours ~ ' or hour_after - hour_tick < ' ~ hours ~ ')' }}
    {%- endfor %}
),

spans as (
    select events.line, events.reading, events.who, events.tick, events.next_tick
    from (
        select
            line, reading, who, tick, lead(tick) over (partition by line, reading, who order by tick, move) as next_tick,
            sum(move) over (partition by line, reading, who order by tick, move rows unbounded preceding) as n_inside
        from (
            select line, reading, who, tick, 1 as move from entering
            union all
            select line, reading, who, tick + length as tick, -1 as move from entering
        ) as moves
    ) as events
    inner join lines on events.line = lines.line and events.next_tick > lines.first_tick and events.tick <= lines.last_tick
    where events.next_tick > events.tick and events.n_inside > 1
),

{{ baton.set_products() }},

changes as (
    select line, reading, tick, {{ baton.summed(baton.set_terms()) }}
    from (
        select line, reading, tick, {{ baton.set_terms() | join(', ') }} from products
        union all
        select line, reading, next_tick as tick, -{{ baton.set_terms() | join(', -') }} from products
    ) as both_ends
    group by line, reading, tick
),

standing as (
    select
        line, reading, tick, lead(tick) over (partition by line, reading order by tick) as next_tick
        {%- for name in baton.set_terms() %},
        {%- set sum = 'sum(' ~ name ~ ') over (partition by line, reading order by tick rows unbounded preceding)' %}
        {{ baton.unfixed(sum, baton.repeat_products()[name][1]) if name in baton.repeat_products() else sum }} as {{ name }}
        {%- endfor %}
    from changes
)
{%- endmacro %}

{# CTEs `sets`: the sums of each, and the scores and labels of one that has two rows; `products`: whole numbers, so that what enters leaves again without a trace. #}
{% macro set_products() %}
{% set cells = ['tp', 'fp', 'fn', 'tn'] %}
sets as (
    select
        spans.line, spans.reading, spans.tick, spans.next_tick, spans.who,
        count(*) as n_rows,
        case when sum(y) = 1 then max(case when y = 1 then score end) else max(score) end as score_1,
        case when sum(y) = 1 then max(case when y = 0 then score end) else min(score) end as score_2,
        case when sum(y) > 0 then 1 else 0 end as y_1, case when sum(y) > 1 then 1 else 0 end as y_2,
        count(entering.predicted_label) as n,
        count(case when predicted_label = 1 and y = 1 then 1 end) as tp,
        count(case when predicted_label = 1 and y = 0 then 1 end) as fp,
        count(case when predicted_label = 0 and y = 1 then 1 end) as fn,
        count(case when predicted_label = 0 and y = 0 then 1 end) as tn,
        {%- for name, amount in baton.repeat_amounts().items() %}
        {{ baton.stable_sum(amount[0], amount[1]) }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from spans
    inner join entering on {{ baton.inside_span('spans') }}
    group by spans.line, spans.reading, spans.tick, spans.next_tick, spans.who
),

products as (
    select
        line, reading, tick, next_tick,
        {%- for a in cells %}
        sum({{ a }} * ({{ a }} - 1)) as x_{{ a }}_{{ a }},
        {%- for b in cells[loop.index:] %}
        sum({{ a }} * {{ b }}) as x_{{ a }}_{{ b }},
        {%- endfor %}
        {%- endfor %}
        sum(n * (n - 1)) as x_n_n,
        {%- for name, term in baton.repeat_products().items() %}
        sum({{ baton.fixed(term[0], term[1]) }}) as {{ name }},
        {%- endfor %}
        {%- for name, set in baton.denominators().items() %}
        sum(case when {{ set | join(' + ') }} > 1 then {{ set | join(' + ') }} - 1 else 0 end) as again_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from sets
    group by line, reading, tick, next_tick
)
{%- endmacro %}

{# That a row of `entering` belongs to a span. #}
{% macro inside_span(span) %}
    {{ return(span ~ '.line = entering.line and ' ~ span ~ '.reading = entering.reading and ' ~ span ~ '.who = entering.who and entering.tick <= ' ~ span
        ~ '.tick and entering.tick > ' ~ span ~ '.tick - entering.length') }}
{% endmacro %}

{# Sums over the rows of one entity, and the products of them that are summed over entities: expression and digits kept. #}
{% macro repeat_amounts() %}
    {{ return({
        'worth': ['worth', 6], 'lift_all': ['worth - worth_all', 6], 'lift_none': ['worth - worth_none', 6],
        'worth_sq': ['worth * worth', 4], 'lift_all_sq': ['(worth - worth_all) * (worth - worth_all)', 4],
        'lift_none_sq': ['(worth - worth_none) * (worth - worth_none)', 4]
    }) }}
{% endmacro %}

{% macro repeat_products() %}
    {{ return({
        'x_worth': ['worth * worth - worth_sq', 4], 'x_lift_all': ['lift_all * lift_all - lift_all_sq', 4], 'x_lift_none': ['lift_none * lift_none - lift_none_sq', 4],
        'x_worth_n': ['worth * (n - 1)', 4], 'x_lift_all_n': ['lift_all * (n - 1)', 4], 'x_lift_none_n': ['lift_none * (n - 1)', 4]
    }) }}
{% endmacro %}

{# The terms of `repeats` that belong to sets of rows: all but that of the rank. #}
{% macro set_terms() %}
    {{ return(baton.unique_names(baton.repeat_terms(), but=['x_influence'])) }}
{% endmacro %}
