{# Of `monitor.windows`, those that slow tables report: whole days as days, `whole` as none. Windows of hours are left out there. #}
{% macro window_lengths(monitor) %}
    {% set lengths = {} %}
    {% for declared in monitor.windows %}
        {% if declared == 'whole' %}
            {% do lengths.update({declared: none}) %}
        {% else %}
            {% set seconds = baton.duration_parts(declared).seconds %}
            {% if seconds and seconds % 86400 == 0 %}{% do lengths.update({declared: seconds // 86400}) %}{% endif %}
        {% endif %}
    {% endfor %}
    {{ return(lengths) }}
{% endmacro %}

{# Hash of what a table over decisions and outcomes is computed with: their parameters, and what the table itself reads besides. #}
{% macro table_hash(product, read) %}
    {{ return(local_md5(baton.spec_hash(product, 'outcomes') ~ tojson(read, sort_keys=true))) }}
{% endmacro %}
