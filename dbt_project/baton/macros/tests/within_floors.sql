{#
The exposure's promises, `monitor.floors`, held against the performance table (`model`).

product: name of the exposure
level:   which floors this test judges, `error` or `warn`: declare the test once per level and give it the same severity

A floor is {metric, window, at_least and/or at_most, basis: matured (or estimated, delay_corrected), severity: error, min_n: monitor.min_n}; overall, all versions.
It is judged on the newest closed window, in which every decision has matured; on the other bases, and for coverage, on the newest. Too little data is no failure here; `enough_data` says it.
Fails with one row per broken floor: metric, window_kind, window_end, basis, value, value_low, value_high, n_matured, bound, status, message.
#}
{% test within_floors(model, product, level='error') %}
{% set floors = baton.floors(product, level) if execute else [] %}
{% for floor in floors %}
{{ 'union all' if not loop.first }}
select
    {{ baton.floor_columns(floor) }},
    'failed' as status,
    {{ baton.quoted(floor.metric ~ ' ') }} || {{ baton.say('round(' ~ floor.metric ~ ', 6)') }}
        {%- if floor.interval %}
        || ' (95 % interval ' || {{ baton.say('round(' ~ floor.metric ~ '_low, 4)') }} || ' to ' || {{ baton.say('round(' ~ floor.metric ~ '_high, 4)') }} || ')'
        {%- endif %}
        || {{ baton.quoted(' breaks ' ~ floor.bound ~ ' in the ' ~ floor.window ~ ' window ending ') }} || {{ baton.say('window_end') }}
        || {{ baton.quoted(', basis ' ~ floor.basis ~ ', ') }} || {{ baton.say(floor.rests_on) }} || {{ baton.quoted(' ' ~ floor.of) }} as message
from ({{ baton.judged_window(model, floor) }}) as judged
where {{ floor.rests_on }} >= {{ floor.min_n }} and {{ floor.metric }} is not null and not ({{ floor.kept }})
{% else %}
select cast(null as {{ dbt.type_string() }}) as message where 1 = 0
{% endfor %}
{% endtest %}
