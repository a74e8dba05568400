{#
The outcome of each spine row, as it is known at now.

spine:   relation or CTE with the product's entity and as_of; any other column is kept
events:  the outcome model, output of `event_versions`
product: name of the exposure that declares entity, outcome.horizon and outcome.grace

Returns a select: the spine rows whose as_of + horizon + grace has passed, with
outcome_label:  1 if an event of the entity in (as_of, as_of + horizon] is valid at now, else 0 (integer); the other way
                round where outcome.positive is `absence` (a customer who buys nothing for half a year);
label_known_at: since when it has had that value: as_of + horizon + grace, or the later instant at which a late event, a
                correction or a retraction last changed it. Rows with label_known_at <= T carry the label of T.
#}
{% macro with_labels(spine, events, product) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('with_labels', 'baton')(spine, events, product)) }}
{% endmacro %}

{# The label is positive while at least one version in the horizon is valid; positive_since is the start of the last such stretch. #}
{% macro default__with_labels(spine, events, product) %}
{% set parameters = baton.product(product) %}
{% set entity = parameters.entity %}
{% set horizon = baton.interval(parameters.outcome.horizon) %}
{% set matures_at = 'as_of + ' ~ horizon ~ ' + ' ~ baton.interval(parameters.outcome.grace) %}
with baton_matured as (
    select * from {{ spine }} where {{ matures_at }} <= {{ baton.now() }}
),
baton_in_horizon as (
    select
        baton_keys.{{ entity }}, baton_keys.as_of, events.valid_from, events.valid_to,
        max(events.valid_to) over (
            partition by baton_keys.{{ entity }}, baton_keys.as_of order by events.valid_from, events.valid_to
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from (select distinct {{ entity }}, as_of from baton_matured) as baton_keys
    inner join {{ events }} as events
        on baton_keys.{{ entity }} = events.{{ entity }}
        and events.event_at > baton_keys.as_of
        and events.event_at <= baton_keys.as_of + {{ horizon }}
        and events.valid_from <= {{ baton.now() }}
        and events.valid_from < events.valid_to
),
baton_changes as (
    select
        {{ entity }},
        as_of,
        case when max(valid_to) > {{ baton.now() }} then 1 else 0 end as is_positive,
        case
            when max(valid_to) <= {{ baton.now() }} then max(valid_to)
            else max(case when covered_until is null or covered_until < valid_from then valid_from end)
        end as changed_at
    from baton_in_horizon
    group by {{ entity }}, as_of
)
select
    spine.*,
    {% if baton.absence_is_positive(parameters) %}1 - {% endif %}coalesce(changes.is_positive, 0) as outcome_label,
    case when changes.changed_at > spine.{{ matures_at }} then changes.changed_at else spine.{{ matures_at }} end as label_known_at
from baton_matured as spine
left join baton_changes as changes
    on spine.{{ entity }} = changes.{{ entity }} and spine.as_of = changes.as_of
{% endmacro %}
