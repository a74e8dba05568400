{{ config(severity='warn', group='analytics_engineering', meta={'dagster': {'ref': {'name': 'churn_training_set'}}}) }}
{#
An account that was scored and is now learned from shows the same features in both sets. A difference means that a row became
known after the day was scored and yet counts as known to it: a load that came later on the same day than the scoring.
Only features that both sets have today are compared: the scoring set keeps the columns of the days it was built on.
Where nothing has been scored yet there is nothing to compare.
#}
{% set keys = ['account_id', 'as_of'] %}
{% set training_set, scoring_set = ref('churn_training_set'), ref('churn_scoring_set') %}
{% set scored, trained = (load_relation(scoring_set), load_relation(training_set)) if execute else (none, none) %}
{% set learned = adapter.get_columns_in_relation(trained) | map(attribute='name') | reject('in', keys) | list if trained else [] %}
{% set columns = adapter.get_columns_in_relation(scored) | map(attribute='name') | select('in', learned) | list if scored else [] %}

{% if not columns %}
select cast(null as {{ dbt.type_string() }}) as message where 1 = 0
{% else %}
select
    trained.account_id,
    trained.as_of,
    'account ' || trained.account_id || ' as of ' || cast(trained.as_of as {{ dbt.type_string() }}) || ' differs in'
    {%- for column in columns %}
    || case when trained.{{ column }} is distinct from scored.{{ column }} then ' {{ column }}' else '' end
    {%- endfor %} || '; allowed are 0 differences' as message
from {{ training_set }} as trained
inner join {{ scoring_set }} as scored
    on trained.account_id = scored.account_id and trained.as_of = scored.as_of
where
    {%- for column in columns %}
    {{ 'or ' if not loop.first }}trained.{{ column }} is distinct from scored.{{ column }}
    {%- endfor %}
{% endif %}
