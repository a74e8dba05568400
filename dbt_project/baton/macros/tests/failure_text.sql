{# Helpers of the generic tests: how a failing row speaks. Every failing row has a column `message`: what was found, what is allowed, where. #}

{# An expression as text inside a message; a null is readable instead of blanking the whole message. Numbers: round them first. #}
{% macro say(expression) %}
    {{ return("coalesce(cast(" ~ expression ~ " as " ~ dbt.type_string() ~ "), 'null')") }}
{% endmacro %}

{# A text literal; quotes inside are doubled. #}
{% macro quoted(text) %}
    {{ return("'" ~ (text | string | replace("'", "''")) ~ "'") }}
{% endmacro %}

{# schema.table of what is tested; a test with a `where` gets a subquery instead of a relation. #}
{% macro name_of(model) %}
    {% if model is string %}{{ return('the rows selected') }}{% endif %}
    {{ return(model.schema ~ '.' ~ model.identifier) }}
{% endmacro %}
