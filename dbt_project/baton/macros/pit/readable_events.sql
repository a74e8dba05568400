{# Part of `event_versions`: the rows of an event log that can be an event, with the columns its versions need. #}
{% macro readable_events(source, entity, key, columns, tiebreak, arrived=none) %}
    select
        {{ baton.unique_names([entity] + key + columns + ['event_at', 'known_at', tiebreak] + ([] if arrived is none else [arrived])) | join(', ') }},
        coalesce(is_deleted, false) as is_deleted
    from {{ source }}
    where {{ baton.unique_names([entity] + key) | join(' is not null and ') }} is not null
        and event_at is not null and known_at is not null
{% endmacro %}
