{#
Deterministic bucket 0 .. n-1 of a text or integer expression: int(md5(salt || '|' || value)[:8], 16) % n.
The same on every engine and in Python: `int(hashlib.md5(f'{salt}|{value}'.encode()).hexdigest()[:8], 16) % n`.
value: SQL expression; n: SQL expression or number; salt: plain text. A null value gives null.
#}
{% macro bucket(value, n, salt) %}
    {{ return(adapter.dispatch('bucket', 'baton')(value, n, salt)) }}
{% endmacro %}

{% macro default__bucket(value, n, salt) %}
    {% set digest = "md5('" ~ (salt | replace("'", "''")) ~ "|' || cast(" ~ value ~ " as " ~ dbt.type_string() ~ "))" %}
    {% set digits = [] %}
    {% for i in range(8) %}
        {% do digits.append("(position(substring(" ~ digest ~ ", " ~ (i + 1) ~ ", 1) in '0123456789abcdef') - 1) * "
            ~ 16 ** (7 - i)) %}
    {% endfor %}
    {{ return("mod(cast(" ~ digits | join(' + ') ~ " as bigint), " ~ n ~ ")") }}
{% endmacro %}

{% macro duckdb__bucket(value, n, salt) %}
    {% set digest = "md5('" ~ (salt | replace("'", "''")) ~ "|' || cast(" ~ value ~ " as varchar))" %}
    {{ return("(('0x' || " ~ digest ~ "[:8])::bigint % " ~ n ~ ")") }}
{% endmacro %}
