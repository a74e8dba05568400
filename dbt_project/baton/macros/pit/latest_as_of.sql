{#
The state of each spine row's entity as it was known at the row's as_of.

spine:    relation or CTE with the entity and as_of; any other column is kept
versions: output of `state_versions`
entity:   name of the entity column
columns:  names of version columns, or 'name as alias'
ttl:      optional duration ('90 days'): a state whose event_at is older than this at as_of counts as none

Returns a select: every spine row once, with its columns and `columns`, which are null where there is no version, the
last one is a tombstone, or it is older than ttl.
#}
{% macro latest_as_of(spine, versions, entity, columns, ttl=none) %}
    {{ return(adapter.dispatch('latest_as_of', 'baton')(spine, versions, entity, columns, ttl)) }}
{% endmacro %}

{% macro default__latest_as_of(spine, versions, entity, columns, ttl=none) %}
select
    spine.*
    {%- for column in columns %},
    versions.{{ column }}
    {%- endfor %}
from {{ spine }} as spine
left join {{ versions }} as versions
    on spine.{{ entity }} = versions.{{ entity }}
    and spine.as_of >= versions.valid_from
    and spine.as_of < versions.valid_to
    and not versions.is_deleted
    {%- if ttl %}
    and versions.event_at >= spine.as_of - {{ baton.interval(ttl) }}
    {%- endif %}
{% endmacro %}
