{#
The champion scored the population: per as_of, the share of entities in `population` (the scoring set) with a usable
champion prediction in the log (`model`). Looks at the newest as_of of the population up to now, or at vars as_of_from .. as_of_to.
Fails with one row per as_of below `at_least`: as_of, n_population, n_scored, share_scored, message.
#}
{% test population_covered(model, population, product, at_least=1.0) %}
{% set entity = baton.product(product).entity if execute else 'entity' %}
{% set first, last = var('as_of_from', none), var('as_of_to', none) %}
with

days as (
    {%- if first or last %}
    select distinct as_of from {{ population }}
    where as_of >= timestamp '{{ first or last }}' and as_of <= timestamp '{{ last or first }}'
    {%- else %}
    select max(as_of) as as_of from {{ population }} where as_of <= {{ baton.now() }}
    {%- endif %}
),

wanted as (
    select distinct population.{{ entity }} as entity, days.as_of
    from days
    left join {{ population }} as population on days.as_of = population.as_of
),

scored as (
    select distinct {{ entity }} as entity, as_of
    from {{ model }}
    where role = 'champion' and score >= 0 and score <= 1
),

counted as (
    select wanted.as_of, count(wanted.entity) as n_population, count(scored.entity) as n_scored
    from wanted
    left join scored on wanted.entity = scored.entity and wanted.as_of = scored.as_of
    group by wanted.as_of
)

select
    as_of,
    n_population,
    n_scored,
    n_scored / nullif(cast(n_population as {{ baton.type_double() }}), 0) as share_scored,
    case
        when n_population = 0 then {{ baton.quoted(baton.name_of(population) ~ ' has no rows up to now; nobody can be scored') }}
        else {{ baton.say('n_scored') }} || ' of ' || {{ baton.say('n_population') }} || {{ baton.quoted(' rows of ' ~ baton.name_of(population) ~ ' scored as of ') }}
            || {{ baton.say('as_of') }} || {{ baton.quoted('; the share must be at least ' ~ at_least) }}
    end as message
from counted
where n_population = 0 or n_scored < {{ at_least }} * n_population
{% endtest %}
