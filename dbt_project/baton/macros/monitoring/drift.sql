{#
One row per (window_kind, window_end, feature, method): is what the model sees still what it was trained on.

product:     name of the exposure
predictions: the append-only prediction log; only role champion is looked at
features:    prediction_id and the features behind each score, one column each; none: only the score is compared
reference:   `ops.model_reference`: what each version was trained on (features) and tested on (score)
methods:     which of the methods below to compute (['psi', 'null_share']); none: all. Without ks, wasserstein and range two thirds of the work is left out

Of a product that Baton does not train, predictions up to `monitor.drift.reference_until` ('2026-03-31') are the reference. With neither, every
row has status insufficient_data.

Windows hold predictions by as_of: (window_end - window_kind, window_end], ending at midnights up to as_of(now) that have predictions;
`monitor.drift.windows` names them, 1d where it does not. A window is compared with the reference of the version that served last in it,
and holds that version's predictions only.

Columns:
model_version, reference:  what it was compared with: `training`, `held_out` (the score), `first_windows`, null for none
n, n_entities:             predictions of the window that the method looks at: one row per entity and as_of; and how many entities made them
n_reference:               rows of the reference
value, threshold:          the method's number, and what it must exceed to count as large
statistic, degrees_of_freedom, p_value: of the test; null where nothing could be tested
q_value:                   p_value after Benjamini-Hochberg over every feature and method of the window
status:                    `ok`, `drift`, `insufficient_data` (fewer than monitor.min_n rows on either side), `constant` (one value on both sides),
                           `new_category` (values that the reference never saw; is_breach says whether they are many)
is_breach:                 value beyond threshold AND q_value <= monitor.drift.q: large and not by chance
n_breaches, n_consecutive: among the last `of` windows of this version; and without a break
is_alarm:                  on once n_breaches >= k, off again only when n_breaches is 0
content, predicted_at, spec_hash, evaluated_at, built_at: rows, score and reference that it was computed from; newest prediction (volatile)

| method | value | threshold | tested by |
|---|---|---|---|
| psi | population stability index on the reference's deciles or categories, nulls a bin of their own; an empty share counts as 1e-4 | 0.1, at least (1/n + 1/n_reference) * chi-square quantile at 1 - q with bins - 1 degrees (Yurdakul 2018) | chi-square of the same bins |
| jensen_shannon | distance, base 2, same bins | 0.1, at least the same quantile | the same |
| chi_square | Cramer's V of the balanced 2 x K table; statistic: Pearson's | 0.1 | contingency table, bins merged where Cochran's rule fails |
| ks | Kolmogorov-Smirnov distance | 0.1, at least its critical value at q | Kolmogorov's limit distribution |
| wasserstein | first Wasserstein distance / standard deviation of the reference (at least 0.001) | 0.1 | that of ks: both compare the same two distribution functions |
| new_categories | share of rows with a value the reference never saw | 0.01 | against the share seen once in the reference (Good 1953) |
| vanished_categories | share of the reference's rows whose value the window lacks | 0.01 | most frequent one missing by chance, Bonferroni |
| null_share | share of nulls, NaN and infinities less that of the reference | 0.02 | two shares |
| range | share outside the reference's min and max | 0.01 | against the two rows that made min and max |

PSI's own chi-square approximation is not used as p_value: at n = 200 it is exceeded by chance twice as often as it says at p = 0.0005.
Two shares are tested by chi-square where 5 are expected in each cell, else by Chernoff's bound on the hypergeometric tail, which never alarms too often.

n. Rows of one day are different entities. The next day scores the same entities again: its rows are not new evidence but much of the same, so a
false alarm tends to last, and a longer window holds repeats. Every test counts a window as n * n_entities / rows, which is exact for features that
do not change inside a window and cautious for others.

Incremental: for a trained product only windows with predictions written since (watermark predicted_at), else windows whose `content` changed, are
computed; other rows are taken over. Psi, Jensen-Shannon, chi-square and shares are exact. ks is the largest distance at the edges of the 4,096 fine bins and at the deciles: never
above the true one, below it by at most the largest share that both sides have between two of these points. That is <= 1e-3 where the fine bins resolve the column; of heavy tails
(Cauchy, lognormal of spread 4) up to 8e-3, of a crowd on top of a frequent value before heavy tails 3e-2. wasserstein comes from the fine bins: error <= 1e-3, more in heavy tails,
where beyond the 0.05 % and 99.95 % quantiles only the means are compared, and a value counts as at most a million bins away.
No number is ever NaN or infinite.
#}
{% macro drift(product, predictions, features=none, reference=none, methods=none) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set columns = baton.drift_features(features) %}
    {{ return(adapter.dispatch('drift', 'baton')(
        product, predictions, features, reference, baton.product(product).monitor.drift.reference_until, columns, baton.drift_reusable(this), methods=methods
    )) }}
{% endmacro %}

{# columns: list of {name, kind}; built: the table as it is, none to compute every window; edges: most finite edges of a reference's bins. #}
{% macro default__drift(product, predictions, features, reference, reference_until, columns, built, edges=15, methods=none) %}
{% set parameters = baton.product(product) %}
{% set origin = 'table' if reference is not none else ('log' if reference_until is not none else none) %}
{% set chosen = baton.drift_chosen(methods, product) %}
{% set spec_hash = baton.drift_spec_hash(parameters, reference_until, chosen) %}
{% set columns = [{'name': 'score', 'kind': 'number'}] + columns %}
with

{{ baton.drift_log(parameters, predictions, origin, built, spec_hash) }},

{{ baton.drift_windows(parameters, origin, reference_until, built, spec_hash, features, columns) }},

{{ baton.drift_base(features, columns) }},

{{ baton.drift_reference(product, reference, edges) if origin == 'table' else baton.drift_reference_from_log(reference_until, features, columns, edges) }},

{{ baton.drift_cells(columns, origin, edges, baton.drift_longest(parameters), baton.drift_is_fine(chosen)) }},

{{ baton.drift_distances(baton.drift_is_fine(chosen)) }},

{{ baton.drift_tests(parameters.monitor, chosen) }}

select {{ baton.drift_columns() | join(', ') }}
from (
    {{ baton.drift_persistence(parameters.monitor.drift, built, spec_hash, origin) }}
) as remembered
order by window_kind, window_end, feature, method
{% endmacro %}
