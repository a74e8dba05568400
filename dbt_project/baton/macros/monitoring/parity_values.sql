{#
What `parity` compares: features that both the log and today's query have, as a list of {name, is_number, as_text}. Two kinds of number are compared as
numbers, other types that differ as text. A column only one side has is no feature of today's SQL, or was never scored.
#}
{% macro parity_features(product, predictions, features, replay) %}
    {% set scored = 'with baton_days as (select distinct as_of from ' ~ predictions ~ ') select * from (' ~ replay ~ '\n) as replay' %}
    {% set replayed = {} %}
    {% for column in adapter.get_column_schema_from_query(scored) %}{% do replayed.update({column.name: column}) %}{% endfor %}
    {% set missing = [baton.product(product).entity, 'as_of'] | reject('in', replayed) | list %}
    {% if missing %}
        {{ exceptions.raise_compiler_error("parity of " ~ product ~ ": the replay lacks " ~ missing | join(', ') ~ "; found " ~ replayed | join(', ')
            ~ ". It must give the entity, as_of and features for the instants in baton_days: replay=churn_scoring_rows('baton_days')") }}
    {% endif %}
    {% set compared = [] %}
    {% for column in adapter.get_columns_in_relation(features) if column.name in replayed and column.name not in ('prediction_id', 'as_of', baton.product(product).entity) %}
        {% set today = replayed[column.name] %}
        {% set is_number = baton.is_number(column) and baton.is_number(today) %}
        {% do compared.append({'name': column.name, 'is_number': is_number, 'as_text': not is_number and column.dtype != today.dtype}) %}
    {% endfor %}
    {{ return(compared) }}
{% endmacro %}

{# Whether a column holds numbers; dbt's own `is_number` does not know every width of integer, nor a decimal with its scale. #}
{% macro is_number(column) %}
    {% set kind = (column.dtype | upper).split('(')[0] | trim %}
    {{ return(column.is_number() or kind in ('DECIMAL', 'NUMERIC', 'TINYINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT')) }}
{% endmacro %}

{# A column name as SQL, whatever characters it has. #}
{% macro quoted_column(name) %}
    {{ return(adapter.quote(name | replace('"', '""'))) }}
{% endmacro %}

{# A value in the form it is compared in. #}
{% macro as_compared(value, feature) %}
    {{ return('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')' if feature.as_text else value) }}
{% endmacro %}

{# Equal with no tolerance. The last line is for engines on which NaN is not equal to itself. #}
{% macro same_value(a, b) %}
    {{ return('(' ~ a ~ ' = ' ~ b ~ ' or ' ~ a ~ ' is null and ' ~ b ~ ' is null or ' ~ a ~ ' <> ' ~ a ~ ' and ' ~ b ~ ' <> ' ~ b ~ ')') }}
{% endmacro %}

{# |a - b| of two finite numbers, else null: no NaN and no infinity leaves a table. #}
{% macro finite_difference(a, b) %}
    {% set a, b = 'cast(' ~ a ~ ' as ' ~ baton.type_double() ~ ')', 'cast(' ~ b ~ ' as ' ~ baton.type_double() ~ ')' %}
    {{ return('case when abs(' ~ a ~ ') <= 1e300 and abs(' ~ b ~ ') <= 1e300 then abs(' ~ a ~ ' - ' ~ b ~ ') end') }}
{% endmacro %}
