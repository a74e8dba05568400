{#
A log of state changes as versions on one clock, visible_at = the later of event_at and known_at.

source:   relation or CTE with the entity, `columns`, event_at, known_at, is_deleted and the tiebreak
entity:   name of the entity column
columns:  names of the columns to keep
tiebreak: column that decides between rows of equal event_at and known_at (the highest wins)

Returns a select: entity, columns, event_at, is_deleted, valid_from, valid_to. At any instant at most one version of an
entity is valid: the visible row with the highest (event_at, known_at, tiebreak). A row that was never that one is
dropped; a tombstone stays, its columns null. Rows without entity, event_at or known_at are left out: they can match no
spine row (loading rejects them).
#}
{% macro state_versions(source, entity, columns, tiebreak='row_id') %}
    {{ return(adapter.dispatch('state_versions', 'baton')(source, entity, columns, tiebreak)) }}
{% endmacro %}

{# A row is valid from when it becomes visible until the first newer row does: one window pass, exact under any ties. #}
{% macro default__state_versions(source, entity, columns, tiebreak='row_id') %}
{% set columns = baton.unique_names(columns, but=[entity, 'event_at', 'is_deleted']) %}
{% set read = baton.unique_names([entity] + columns + ['event_at', 'known_at', tiebreak]) %}
select
    {{ entity }},
    {%- for column in columns %}
    case when not is_deleted then {{ column }} end as {{ column }},
    {%- endfor %}
    event_at,
    is_deleted,
    visible_at as valid_from,
    coalesce(newer_visible_at, {{ baton.end_of_time() }}) as valid_to
from (
    select
        visible.*,
        min(visible_at) over (
            partition by {{ entity }} order by event_at, known_at, {{ tiebreak }}
            rows between 1 following and unbounded following
        ) as newer_visible_at
    from (
        select
            {{ read | join(', ') }},
            coalesce(is_deleted, false) as is_deleted,
            {{ baton.later_of('event_at', 'known_at') }} as visible_at
        from {{ source }}
        where {{ entity }} is not null and event_at is not null and known_at is not null
    ) as visible
) as bounded
where newer_visible_at is null or visible_at < newer_visible_at
{% endmacro %}
