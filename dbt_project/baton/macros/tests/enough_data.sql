{#
Every floor of the exposure can be judged. Use with severity warn: too little data neither pages nor blocks.
Returns one row per floor that cannot be judged, with status insufficient_data: metric, window_kind, window_end, basis, value, value_low,
value_high, n_matured, bound, status, message.
#}
{% test enough_data(model, product) %}
{% set floors = baton.floors(product) if execute else [] %}
{% for floor in floors %}
{{ 'union all' if not loop.first }}
select
    {{ baton.floor_columns(floor) }},
    'insufficient_data' as status,
    {{ baton.quoted(floor.metric ~ ' cannot be judged: ') }} || {{ baton.say('coalesce(' ~ floor.rests_on ~ ', 0)') }}
        || {{ baton.quoted(' ' ~ floor.of ~ ' in the ' ~ floor.newest ~ ' ' ~ floor.window ~ ' window, ' ~ floor.min_n ~ ' are needed, with both outcomes where the metric ranks') }} as message
from (select 1 as one) as always
left join ({{ baton.judged_window(model, floor) }}) as judged on 1 = 1
where coalesce({{ floor.rests_on }}, 0) < {{ floor.min_n }} or {{ floor.metric }} is null
{% else %}
select cast(null as {{ dbt.type_string() }}) as message where 1 = 0
{% endfor %}
{% endtest %}
