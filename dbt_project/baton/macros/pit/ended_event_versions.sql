{#
Part of `event_versions`: every version of every key in `rows` (a select), tombstones included, with valid_from and
valid_to. A row that equals the one before it in knowledge order is dropped first, so that a re-delivery neither ends a
version nor starts one.
#}
{% macro ended_event_versions(rows, entity, key, columns, tiebreak, arrived=none) %}
{% set order = 'partition by ' ~ key | join(', ') ~ ' order by known_at, ' ~ tiebreak %}
{% set compared = baton.unique_names([entity] + columns + ['event_at', 'is_deleted'], but=key) %}
    select
        changed.*,
        {{ baton.later_of('event_at', 'known_at') }} as valid_from,
        coalesce(lead(known_at) over ({{ order }}), {{ baton.end_of_time() }}) as valid_to
    from (
        select
            {%- for column in compared %}
            lag({{ column }}) over ({{ order }}) as previous_{{ loop.index }},
            {%- endfor %}
            row_number() over ({{ order }}) as version_number,
            {%- if arrived is not none %}
            max({{ arrived }}) over (partition by {{ key | join(', ') }}) as newest_arrived,
            {%- endif %}
            known.*
        from ({{ rows }}) as known
    ) as changed
    where version_number = 1
        {%- for column in compared %}
        or {{ column }} is distinct from previous_{{ loop.index }}
        {%- endfor %}
{% endmacro %}

{# The versions of `ended_event_versions` that `event_versions` keeps, with its columns. #}
{% macro kept_event_versions(rows, entity, key, columns, tiebreak, arrived) %}
select {{ baton.unique_names([entity] + key + columns) | join(', ') }}, event_at, valid_from
    {%- if arrived is none %}, valid_to{% else %}, {{ baton.later_of('valid_from', 'valid_to') }} as valid_to, newest_arrived as arrived{% endif %}
from ({{ baton.ended_event_versions(rows, entity, key, columns, tiebreak, arrived) }}) as ended
where not is_deleted{% if arrived is none %} and valid_from < valid_to{% endif %}
{% endmacro %}
