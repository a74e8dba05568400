{#
Sums that are the same in every run. A sum of floating point numbers depends on the order in which threads deliver them; a sum of whole numbers does not.
`fixed` turns a number into a whole number of 10^-digits, `unfixed` turns the sum back.
#}
{% macro fixed(expression, digits) %}
    {{ return("cast(round((" ~ expression ~ ") * 1e" ~ digits ~ ") as decimal(38, 0))") }}
{% endmacro %}

{% macro unfixed(expression, digits) %}
    {{ return("cast(" ~ expression ~ " as " ~ baton.type_double() ~ ") / 1e" ~ digits) }}
{% endmacro %}
