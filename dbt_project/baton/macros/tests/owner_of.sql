{#
Who is accountable for what a test looks at, as the end of its message: '; owner ml_engineering', or '' where no group is declared.
model: the relation under test, as dbt hands it to a generic test. A test with a `where` gets a subquery instead, which has no owner.
#}
{% macro owner_of(model) %}
    {% if not execute or model is string %}{{ return('') }}{% endif %}
    {% for node in (graph.nodes.values() | list) + (graph.sources.values() | list)
        if node.resource_type in ['model', 'seed', 'snapshot', 'source'] and node.schema == model.schema
        and (node.identifier if node.resource_type == 'source' else node.alias) == model.identifier %}
        {% set group = node.config.get('group') or node.get('group') %}
        {% if group %}{{ return('; owner ' ~ group) }}{% endif %}
    {% endfor %}
    {{ return('') }}
{% endmacro %}
