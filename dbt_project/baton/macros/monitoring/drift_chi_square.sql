{# The chi-square distribution in SQL: tail probabilities by the finite sums that hold for whole degrees of freedom, quantiles by Newton's method. #}

{# p0 * x^n + p1 * x^(n-1) + ... as nested products. #}
{% macro horner(x, coefficients) %}
    {% set found = namespace(text=coefficients[0] | string) %}
    {% for coefficient in coefficients[1:] %}{% set found.text = '(' ~ found.text ~ ' * ' ~ x ~ ' + ' ~ coefficient ~ ')' %}{% endfor %}
    {{ return(found.text) }}
{% endmacro %}

{# Complementary error function of x >= 0, to 1e-15 relative: rational approximations of W. J. Cody as in the Cephes library (S. Moshier). x: a column name. #}
{% macro erfc(x) %}
    {% set p = ['2.46196981473530512524e-10', '5.64189564831068821977e-1', '7.46321056442269912687e0', '4.86371970985681366614e1', '1.96520832956077098242e2',
        '5.26445194995477358631e2', '9.34528527171957607540e2', '1.02755188689515710272e3', '5.57535335369399327526e2'] %}
    {% set q = ['1.0e0', '1.32281951154744992508e1', '8.67072140885989742329e1', '3.54937778887819891062e2', '9.75708501743205489753e2', '1.82390916687909736289e3',
        '2.24633760818710981792e3', '1.65666309194161350182e3', '5.57535340817727675546e2'] %}
    {% set r = ['5.64189583547755073984e-1', '1.27536670759978104416e0', '5.01905042251180477414e0', '6.16021097993053585195e0', '7.40974269950448939160e0',
        '2.97886665372100240670e0'] %}
    {% set s = ['1.0e0', '2.26052863220117276590e0', '9.39603524938001434673e0', '1.20489539808096656605e1', '1.70814450747565897222e1', '9.60896809063285878198e0',
        '3.36907645100081516050e0'] %}
    {% set t = ['9.60497373987051638749e0', '9.00260197203842689217e1', '2.23200534594684319226e3', '7.00332514112805075473e3', '5.55923013010394962768e4'] %}
    {% set u = ['1.0e0', '3.35617141647503099647e1', '5.21357949780152679795e2', '4.59432382970980127987e3', '2.26290000613890934246e4', '4.92673942608635921086e4'] %}
    {% set square = '(' ~ x ~ ' * ' ~ x ~ ')' %}
    {{ return("case when " ~ x ~ " < 1 then 1 - " ~ x ~ " * " ~ baton.horner(square, t) ~ " / " ~ baton.horner(square, u)
        ~ " when " ~ x ~ " < 8 then exp(-" ~ square ~ ") * " ~ baton.horner(x, p) ~ " / " ~ baton.horner(x, q)
        ~ " when " ~ x ~ " < 27 then exp(-" ~ square ~ ") * " ~ baton.horner(x, r) ~ " / " ~ baton.horner(x, s) ~ " else 0 end") }}
{% endmacro %}

{# CTE `half_gammas` (k, log_gamma): ln Gamma(k / 2 + 1) for k from -1 to 255. #}
{% macro half_gammas() -%}
half_gammas as (
    select k, sum(case when k = -1 then 0.57236494292470008707e0 when k = 0 then 0 else ln(k / 2.0e0) end) over (partition by mod(k + 2, 2) order by k rows unbounded preceding) as log_gamma
    from (
        select ones.d + 16 * sixteens.d - 1 as k
        from ({% for d in range(16) %}select {{ d }} as d{{ ' union all ' if not loop.last }}{% endfor %}) as ones
        cross join ({% for d in range(16) %}select {{ d }} as d{{ ' union all ' if not loop.last }}{% endfor %}) as sixteens
    ) as numbers
)
{%- endmacro %}

{# A select of (keys, freedom, x, probability): P(chi-square with `freedom` degrees > x), for a relation with keys, freedom from 1 to 255 and x > 0. Needs `half_gammas`. #}
{% macro chi_square_tails(relation, keys=[]) -%}
{% set columns = ['freedom', 'x'] + keys %}
select {{ columns | join(', ') }}, case when mod(freedom, 2) = 1 then {{ baton.erfc('root') }} else 0 end + head as probability
from (
    select
        {% for column in columns %}tested.{{ column }}, {% endfor %}sqrt(tested.x / 2) as root,
        coalesce({{ baton.unfixed('sum(' ~ baton.fixed('exp(half_gammas.k / 2.0e0 * ln(tested.x / 2) - tested.x / 2 - half_gammas.log_gamma)', 30) ~ ')', 30) }}, 0) as head
    from {{ relation }} as tested
    left join half_gammas on half_gammas.k >= 0 and half_gammas.k <= tested.freedom - 2 and mod(half_gammas.k, 2) = mod(tested.freedom, 2)
    group by {% for column in columns %}tested.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
) as summed
{%- endmacro %}

{#
CTEs ending in `chi_square_quantiles` (freedom, x): the x that is exceeded with probability alpha, for each column freedom of a relation. Starts at Wilson and Hilferty's
approximation; ln P is concave, so that Newton's method on it converges from there to the last digits in few steps.
#}
{% macro chi_square_quantiles(relation, alpha) -%}
{# Three steps reach the last digit for every alpha up to a half; above it the start is further away. #}
{% set steps = 4 if alpha <= 0.5 else 6 %}
quantiles_0 as (
    select freedom, freedom * power(case when root > 0.05 then root else 0.05 end, 3) as x
    from (
        select freedom, 1 - 2 / (9.0e0 * freedom) + {{ baton.normal_quantile(alpha) }} * sqrt(2 / (9.0e0 * freedom)) as root
        from (select distinct freedom from {{ relation }} where freedom >= 1) as freedoms
    ) as started
),
{% for step in range(1, steps + 1) %}
{{ 'chi_square_quantiles' if step == steps else 'quantiles_' ~ step }} as (
    select freedom, case when moved > x / 10 then moved else x / 10 end as x
    from (
        select
            tails.freedom, tails.x,
            tails.x + (ln(tails.probability) - ln({{ alpha }})) * tails.probability
                / (exp((tails.freedom / 2.0e0 - 1) * ln(tails.x / 2) - tails.x / 2 - half_gammas.log_gamma) / 2) as moved
        from ({{ baton.chi_square_tails('quantiles_' ~ (step - 1)) }}) as tails
        inner join half_gammas on half_gammas.k = tails.freedom - 2
    ) as newton
){{ ',' if step < steps }}
{% endfor %}
{%- endmacro %}

{# Standard normal quantile at 1 - alpha, to 4.5e-4 (Abramowitz and Stegun 26.2.23); 0 where alpha is above a half: a start, no result. #}
{% macro normal_quantile(alpha) %}
    {% if alpha >= 0.5 %}{{ return('0') }}{% endif %}
    {% set t = "sqrt(-2 * ln(" ~ alpha ~ "))" %}
    {{ return("(" ~ t ~ " - " ~ baton.horner(t, ['0.010328', '0.802853', '2.515517']) ~ " / " ~ baton.horner(t, ['0.001308', '0.189269', '1.432788', '1.0']) ~ ")") }}
{% endmacro %}
