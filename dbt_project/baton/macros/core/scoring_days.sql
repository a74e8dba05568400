{# The days a scoring set builds now, as a complete select of column as_of: the requested range (vars as_of_from, as_of_to; the day of
   now where absent) and every day since the last one built, never one that is built already and never one after now.
   Used in an incremental model that appends: a scored day is never scored again from rows that came later. #}
{% macro scoring_days() -%}
    {%- set today = baton.as_of() -%}
    {%- set last = var('as_of_to', none) -%}
    {%- set last = "least(date_trunc('day', timestamp '" ~ last ~ "'), " ~ today ~ ")" if last else today -%}
    {%- set first = var('as_of_from', none) -%}
    {%- set first = "date_trunc('day', timestamp '" ~ first ~ "')" if first else last -%}
    {%- if not is_incremental() -%}
{{ baton.day_series(first, last) }}
    {%- else -%}
select days.as_of
from (
    {{ baton.day_series("(select least(" ~ first ~ ", coalesce(max(as_of), " ~ first ~ ")) from " ~ this ~ ")", today) }}
) as days
cross join (select max(as_of) as last_built from {{ this }}) as built
where
    (days.as_of > built.last_built or days.as_of between {{ first }} and {{ last }})
    and days.as_of not in (select as_of from {{ this }})
    {%- endif -%}
{%- endmacro %}
