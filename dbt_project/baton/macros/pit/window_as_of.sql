{#
Aggregates over the events of each spine row's entity in trailing windows, as they were known at the row's as_of.

spine:    relation or CTE with the entity and as_of; any other column is kept
versions: output of `event_versions`
entity:   name of the entity column
windows:  {'7 days': {'actions_7d': 'sum(n_actions)', 'n_days_7d': 'count(*)'}, ...}: any aggregate SQL over the columns
          of `versions`; a window is (as_of - length, as_of] on event_at

Returns a select: every spine row once, with its columns and the aliases. Where a window holds no event an aggregate has
the value it has on an empty table: count 0, sum null.
#}
{% macro window_as_of(spine, versions, entity, windows) %}
    {% set aliases = [] %}
    {% for aggregates in windows.values() %}{% do aliases.extend(aggregates.keys() | list) %}{% endfor %}
    {% if not aliases or baton.unique_names(aliases) | length < aliases | length %}
        {{ exceptions.raise_compiler_error("window_as_of got the aliases " ~ aliases
            ~ "; allowed is at least one, each once over all windows: {'7 days': {'n_7d': 'count(*)'}}") }}
    {% endif %}
    {{ return(adapter.dispatch('window_as_of', 'baton')(spine, versions, entity, windows)) }}
{% endmacro %}

{% macro default__window_as_of(spine, versions, entity, windows) %}
select
    spine.*,
    {{ baton.window_values(windows) }}
from {{ spine }} as spine
{%- for length, aggregates in windows.items() %}
left join (
    select
        baton_entity, baton_as_of, 1 as has_events, {{ baton.aggregate_list(aggregates) }}
    from (select distinct {{ entity }} as baton_entity, as_of as baton_as_of from {{ spine }}) as baton_keys
    inner join {{ versions }} as versions
        on baton_entity = versions.{{ entity }} and {{ baton.is_in_window(length) }}
    group by baton_entity, baton_as_of
) as window_{{ loop.index }}
    on spine.{{ entity }} = window_{{ loop.index }}.baton_entity and spine.as_of = window_{{ loop.index }}.baton_as_of
{%- endfor %}
cross join ({{ baton.aggregates_of_nothing(versions, windows) }}) as nothing
{% endmacro %}

{#
Two things make it fast: grouping by one integer instead of (entity, as_of), and an equality on time in the join. Time is
cut in buckets as long as the window; an event is offered to its own bucket and the next, which holds every as_of that can
see it, so that a spine row meets the events of two window lengths and not its entity's whole history.
#}
{% macro duckdb__window_as_of(spine, versions, entity, windows) %}
with baton_spine as materialized (
    select *, row_number() over () as baton_row from {{ spine }}
)
select
    spine.* exclude (baton_row),
    {{ baton.window_values(windows) }}
from baton_spine as spine
{%- for length, aggregates in windows.items() %}
{%- set bucket_us = baton.duration_parts(length).seconds * 1000000 %}
left join (
    select baton_row, 1 as has_events, {{ baton.aggregate_list(aggregates) }}
    from (
        select
            baton_row, {{ entity }} as baton_entity, as_of as baton_as_of,
            epoch_us(as_of) // {{ bucket_us }} as baton_as_of_bucket
        from baton_spine
    ) as baton_keys
    inner join (
        select events.*, epoch_us(event_at) // {{ bucket_us }} + baton_shift as baton_event_bucket
        from {{ versions }} as events
        cross join (values (0), (1)) as shifts(baton_shift)
    ) as versions
        on baton_entity = versions.{{ entity }} and baton_as_of_bucket = baton_event_bucket and {{ baton.is_in_window(length) }}
    group by baton_row
) as window_{{ loop.index }}
    on spine.baton_row = window_{{ loop.index }}.baton_row
{%- endfor %}
cross join ({{ baton.aggregates_of_nothing(versions, windows) }}) as nothing
{% endmacro %}
