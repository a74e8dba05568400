{#
The reporting delay does not hang on the score, within each stratum of `model` (output of `baton.delay`) that delay-corrected performance uses. Where it does,
that basis is biased: high scores whose outcomes come quickly make the model look better than it is. Declare it with severity warn.

product: name of the exposure. With outcome.delay_by stratum `all` is not judged: nothing is corrected by it.

Fails with one row per stratum with status score_correlates: stratum, score_delay_correlation, n_positives, message.
#}
{% test delay_independent_of_score(model, product) %}
{% if not execute %}{{ return('') }}{% endif %}
{% set strata = baton.product(product).outcome.delay_by %}
select
    stratum,
    score_delay_correlation,
    n_positives,
    'score and delay correlate by ' || {{ baton.say('round(score_delay_correlation, 3)') }} || ' over ' || {{ baton.say('n_positives') }}
        || ' positives of closed cohorts in stratum ' || stratum || '; allowed is less than 0.1 either way, or what chance explains. '
        || {{ baton.quoted('delay_corrected is biased there: add a column that explains the delay to outcome.delay_by, now [' ~ strata | join(', ') ~ ']' ~ baton.owner_of(model)) }} as message
from {{ model }}
where status = 'score_correlates' {%- if strata %} and stratum <> 'all'{% endif %}
group by stratum, score_delay_correlation, n_positives
order by stratum
{% endtest %}
