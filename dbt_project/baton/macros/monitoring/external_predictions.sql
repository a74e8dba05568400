{#
The prediction log of a product without `train`: predictions made elsewhere, in the columns of Baton's own log. One row per prediction_id.

product:   name of the exposure
forecasts: relation with the entity, whatever the expressions below read, and the product's slices and amounts
score, as_of, predicted_at, known_at, threshold, predicted_label, model_version, is_holdout: SQL expressions over `forecasts`.
           score is the probability of the positive outcome; as_of the instant up to which the forecaster knew the entity.
           predicted_at: when it was made; none: as_of. known_at: when it could be acted on; none: predicted_at. A forecast that became known later than
           a day after as_of decides nothing. threshold and predicted_label may be left out: then nothing that needs a label is measured
           (confusion, precision, value are null), everything that needs a score is.
where:     condition on `forecasts`: what is no forecast to judge stays out of the log; keep the reason in a column of its own
excluded:  condition on `forecasts`: what cannot be judged after all, a tie or an event that was called off. Asked of the newest row of a forecast, so that one that is
           excluded later leaves the log, and decisions, outcomes and performance with it; one that was excluded by mistake comes back.
first_by:  columns that order the rows of one forecast as they were written; the first counts, because a log says what was decided then.
           A row that is delivered again, with a corrected result beside the forecast, changes nothing.

Columns: those of `PRODUCT.predictions` in Baton's log (raw_score, model_fingerprint, run ids and other unknowns null; role champion, origin external), then slices
and amounts, which such a log carries itself. prediction_id: as_of, then a hash of entity and version: the same in every run, sorted by time.
#}
{% macro external_predictions(
    product, forecasts, score='score', as_of='as_of', predicted_at=none, known_at=none, threshold=none, predicted_label=none, model_version=none,
    is_holdout=none, where=none, excluded=none, first_by=['known_at', 'row_id']
) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set made_at = predicted_at or as_of %}
    {% set given = {'as_of': as_of, 'predicted_at': made_at, 'known_at': known_at or made_at, 'score': score, 'threshold': threshold, 'predicted_label': predicted_label,
        'model_version': model_version, 'is_holdout': is_holdout} %}
    {{ return(adapter.dispatch('external_predictions', 'baton')(product, forecasts, given, where, excluded, baton.unique_names(first_by))) }}
{% endmacro %}

{# given: the expression of each column, none for null. #}
{% macro default__external_predictions(product, forecasts, given, where, excluded, first_by) %}
{% set parameters = baton.product(product) %}
{% set entity, float, text = parameters.entity, baton.type_double(), dbt.type_string() %}
{% set types = {'as_of': 'timestamp', 'predicted_at': 'timestamp', 'known_at': 'timestamp', 'score': float, 'threshold': float, 'predicted_label': 'integer',
    'model_version': none, 'is_holdout': 'boolean'} %}
{% set carried = baton.carried_columns(parameters) %}
with

forecasts as (
    select
        {{ entity }} as entity,
        {%- for name, expression in given.items() %}
        {{ 'cast(' ~ (expression or 'null') ~ ' as ' ~ (types[name] or text) ~ ')' if types[name] or not expression else expression }} as given_{{ name }},
        {%- endfor %}
        {%- for name in carried %}
        {{ name }} as carried_{{ loop.index }},
        {%- endfor %}
        case when {{ excluded or '1 = 0' }} then 1 else 0 end as is_excluded,
        {{ first_by | join(', ') }}
    from {{ forecasts }} as made
    {%- if where is not none %}
    where {{ where }}
    {%- endif %}
),

written as (
    select
        forecasts.*,
        row_number() over (partition by entity, given_as_of, given_model_version order by {{ first_by | join(', ') }}) as writing,
        last_value(is_excluded) over (
            partition by entity, given_as_of, given_model_version order by {{ first_by | join(', ') }} rows between unbounded preceding and unbounded following
        ) as is_excluded_now
    from forecasts
)

select
    cast(given_as_of as {{ text }}) || ' ' || {{ dbt.hash("coalesce(cast(given_model_version as " ~ text ~ "), '') || '|champion|' || cast(entity as " ~ text ~ ")") }} as prediction_id,
    entity as {{ entity }},
    given_as_of as as_of,
    given_predicted_at as predicted_at,
    given_known_at as known_at,
    cast(null as {{ float }}) as raw_score,
    given_score as score,
    given_threshold as threshold,
    coalesce(given_predicted_label, case when given_score >= given_threshold then 1 when given_score < given_threshold then 0 end) as predicted_label,
    cast(null as {{ text }}) as reasons,
    given_model_version as model_version,
    cast(null as {{ text }}) as model_fingerprint,
    'champion' as role,
    given_is_holdout as is_holdout,
    'external' as origin,
    {%- for name in carried %}
    carried_{{ loop.index }} as {{ name }},
    {%- endfor %}
    {{ baton.quoted(baton.spec_hash(product, 'decisions')) }} as spec_hash,
    cast(null as {{ text }}) as dagster_run_id,
    cast(null as {{ text }}) as mlflow_run_id
from written
where writing = 1 and is_excluded_now = 0
order by as_of, {{ entity }}
{% endmacro %}
