{# Materialize the calling model incrementally: rows of the select replace the rows of the same key. Works on every adapter with delete+insert. #}
{% macro keep_by_key(product, key, table) %}
    {% do config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=key,
        on_schema_change='sync_all_columns',
        pre_hook="{{ baton.forget_other_specs('" ~ product ~ "', '" ~ table ~ "') }}"
    ) %}
{% endmacro %}

{# Delete rows that were computed with other parameters, and say so. What is deleted is missing, and what is missing is computed. #}
{% macro forget_other_specs(product, table) %}
    {% if not execute or not is_incremental() %}{{ return('') }}{% endif %}
    {% set others = "from " ~ this ~ " where spec_hash <> " ~ baton.quoted(baton.spec_hash(product, table)) %}
    {# Every run leaves rows of one spec only, so the first row speaks for all. #}
    {% set first = run_query('select spec_hash from ' ~ this ~ ' limit 1').columns[0].values() %}
    {% if first | length == 0 or first[0] == baton.spec_hash(product, table) %}{{ return('') }}{% endif %}
    {% set n = run_query('select count(*) ' ~ others).columns[0].values()[0] %}
    {% if n == 0 %}{{ return('') }}{% endif %}
    {{ log("product " ~ product ~ " was changed: " ~ n ~ " rows of " ~ this ~ " are computed anew", info=true) }}
    {{ return('delete ' ~ others) }}
{% endmacro %}
