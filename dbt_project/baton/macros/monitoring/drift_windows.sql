{#
CTE `log`: predictions of closed days by the day window that holds them. A repeated prediction_id counts once; Baton's own log has none. Of a trained
product with a table only what a window can hold that has changed: predictions written since (predicted_at grows with every batch), or days closed since.
#}
{% macro drift_log(parameters, predictions, origin, built, spec_hash) -%}
log as (
    select
        prediction_id, {{ parameters.entity }} as entity, as_of, {{ baton.day_of('as_of') }} as day, predicted_at,
        {{ 'cast(coalesce(model_version, 0) as integer)' if origin == 'table' else '0' }} as version, {{ baton.finite('score') }} as score
    from {{ predictions if parameters.train is not none else '(' ~ baton.drift_first_written(predictions) ~ ') as first_written' }}
    where role = 'champion' and as_of <= {{ baton.as_of() }}
        {%- if baton.drift_watched(parameters, origin, built) %}
        and as_of > (
            select min(as_of) - {{ baton.interval(baton.drift_longest(parameters) ~ ' days') }}
            from {{ predictions }}
            where role = 'champion' and ({{ baton.drift_is_new('as_of', built, spec_hash) }})
        )
        {%- endif %}
)
{%- endmacro %}

{# Whether new predictions can be told by their predicted_at: Baton wrote the log, and there is a table to compare with. #}
{% macro drift_watched(parameters, origin, built) %}
    {{ return(parameters.train is not none and origin == 'table' and built is not none) }}
{% endmacro %}

{# Written after the newest prediction of the table, or of a day that had not closed when it was built. #}
{% macro drift_is_new(day, built, spec_hash) %}
    {% set same_spec = " from " ~ built ~ " where spec_hash = " ~ baton.quoted(spec_hash) ~ ")" %}
    {% set dawn = ", timestamp '0001-01-01 00:00:00')" %}
    {{ return("predicted_at > (select coalesce(max(predicted_at)" ~ dawn ~ same_spec ~ " or " ~ day ~ " > (select coalesce(max(window_end)" ~ dawn ~ same_spec) }}
{% endmacro %}

{% macro drift_first_written(predictions) -%}
select *
from (
    select predictions.*, row_number() over (partition by prediction_id order by predicted_at, as_of, score) as writing
    from {{ predictions }} as predictions
    where role = 'champion' and as_of is not null
) as written
where writing = 1
{%- endmacro %}

{#
CTE `targets`: the windows to compute, each with the version that served last in it. Of a trained product those that hold a day with predictions beyond the
newest one in the table, or a day that has closed since; of others those whose content differs from the table's: their features may come, or be corrected, after the
predictions. columns: list of {name, kind}, the score first.
#}
{% macro drift_windows(parameters, origin, reference_until, built, spec_hash, features=none, columns=[]) %}
{% set watched = baton.drift_watched(parameters, origin, built) %}
{% set described = parameters.train is none and features is not none %}
{% set content = ['n_rows', 'score_sum'] + (['n_features', 'feature_sum'] if described else []) %}
{%- if described %}
feature_parts as (
    select log.day, log.version, count(*) as n_features, sum({{ baton.row_checksum(baton.drift_feature_columns(columns)) }}) as feature_sum
    from log
    inner join {{ features }} as features on log.prediction_id = features.prediction_id
    group by log.day, log.version
),
{%- endif %}

day_parts as (
    {%- if described %}
    select scores.*, coalesce(feature_parts.n_features, 0) as n_features, coalesce(feature_parts.feature_sum, 0) as feature_sum
    from (
    {%- endif %}
    select day, version, count(*) as n_rows, max(predicted_at) as predicted_at, min(as_of) as first_as_of, max(as_of) as last_as_of, sum({{ baton.fixed('coalesce(score, 0)', 9) }}) as score_sum
    from log
    group by day, version
    {%- if described %}
    ) as scores
    left join feature_parts on scores.day = feature_parts.day and scores.version = feature_parts.version
    {%- endif %}
),

changed_days as (
    {%- if watched %}
    select distinct day from day_parts where {{ baton.drift_is_new('day', built, spec_hash) }}
    {%- else %}
    select distinct day from day_parts
    {%- endif %}
),

window_ends as (
    {%- for name, n_days in baton.drift_window_days(parameters).items() %}
    {{ 'union all' if not loop.first }}
    select distinct {{ baton.quoted(name) }} as window_kind, ends.day - {{ baton.interval(n_days ~ ' days') }} as window_start, ends.day as window_end
    from day_parts as ends
    inner join changed_days on changed_days.day <= ends.day and changed_days.day > ends.day - {{ baton.interval(n_days ~ ' days') }}
    {%- endfor %}
),

window_versions as (
    select
        window_ends.window_kind, window_ends.window_start, window_ends.window_end, day_parts.version, sum(day_parts.n_rows) as n_rows,
        max(day_parts.predicted_at) as predicted_at, max(day_parts.day) as last_day,
        {%- for name in content[1:] %} sum(day_parts.{{ name }}) as {{ name }},{% endfor %}
        min(day_parts.first_as_of) as first_as_of, max(day_parts.last_as_of) as last_as_of
    from window_ends
    inner join day_parts on day_parts.day > window_ends.window_start and day_parts.day <= window_ends.window_end
    {%- if origin == 'log' %}
    where window_ends.window_start >= timestamp '{{ reference_until }}'
    {%- endif %}
    group by 1, 2, 3, 4
),

found_windows as (
    select
        window_kind, window_start, window_end, version, n_rows, predicted_at, first_as_of, last_as_of,
        {% for name in content %}{{ " || '|' || " if not loop.first }}{{ baton.say(name) }}{% endfor %}
        {%- if origin == 'log' %}{% for name in content %} || '|' || {{ baton.say("(select sum(" ~ name ~ ") from day_parts where day <= timestamp '" ~ reference_until ~ "')") }}{% endfor %}{% endif %} as content
    from (
        select
            window_versions.*,
            row_number() over (partition by window_kind, window_end order by last_day desc, predicted_at desc, version desc) as place
        from window_versions
    ) as served
    where place = 1
),

wanted_windows as (
    select found_windows.*, row_number() over (order by found_windows.window_kind, found_windows.window_end) as target
    from found_windows
    {%- if built is not none and not watched %}
    where not exists (
        select 1
        from {{ built }} as built
        where built.spec_hash = {{ baton.quoted(spec_hash) }} and built.window_kind = found_windows.window_kind and built.window_end = found_windows.window_end
            and built.content = found_windows.content
    )
    {%- endif %}
),

entity_counts as (
    select wanted_windows.target, count(distinct log.entity) as n_entities
    from wanted_windows
    inner join log on log.version = wanted_windows.version and log.day > wanted_windows.window_start and log.day <= wanted_windows.window_end
    {%- if parameters.train is not none %}
    where wanted_windows.first_as_of < wanted_windows.last_as_of
    {%- endif %}
    group by wanted_windows.target
),

{# Baton scores an entity once per as_of: where a window has one as_of, its rows are entities. #}
targets as (
    select
        wanted_windows.*, coalesce(entity_counts.n_entities, wanted_windows.n_rows) as n_entities,
        case when entity_counts.n_entities is null then 1 when entity_counts.n_entities < 1 then 1 else entity_counts.n_entities end
        / cast(case when entity_counts.n_entities is null then 1 else wanted_windows.n_rows end as {{ baton.type_double() }}) as independent
    from wanted_windows
    left join entity_counts on wanted_windows.target = entity_counts.target
)
{%- endmacro %}

{# The longest window in days. #}
{% macro drift_longest(parameters) %}
    {{ return(baton.drift_window_days(parameters).values() | max) }}
{% endmacro %}

{# The columns that tell two rows of features apart, qualified; the score, which comes first, is of the log. #}
{% macro drift_feature_columns(columns) %}
    {% set found = ['features.prediction_id'] %}
    {% for column in columns[1:] %}{% do found.append('features.' ~ baton.quoted_name(column.name)) %}{% endfor %}
    {{ return(found) }}
{% endmacro %}
