{#
One row per (window_kind, window_end, metric, slice_name, slice_value): which slice explains how much of a change since the window before.

product:   name of the exposure
decisions: output of `baton.decisions`
outcomes:  output of `baton.outcomes`
q:         false discovery rate of the tests within one (window, metric); default `monitor.drift.q` of the product

A window of closed cohorts (every decision in it matured) is held against the window of the same length right before it. Windows of whole days. Metrics are means per decision, because
only means decompose: accuracy, value_per_decision, log_loss, brier, outcome_rate. For each slice the contributions of its values add up to the overall change:
    within = (share + share_reference) / 2 * (value - value_reference)                          the value itself got worse
    mix    = (share - share_reference) * ((value + value_reference) / 2 - overall midpoint)     there is more, or less, of it
    contribution = within + mix; share_of_change = contribution / overall_change
Source: Kitagawa 1955, components of a difference between two rates. A value that stands in one window only has no `within`. `excess` is the contribution beyond the part a value of
its size has in a change that hits everybody alike; `rank` 1 has the most harmful excess (the largest of either sign for outcome_rate, which is neither good nor bad).

p_value: two-sided, no change within the value between the two windows, which is another question than what it contributes: a value can explain half of a drop by its size alone.
q_value: Benjamini-Hochberg over all slice values of the (window, metric) that can be judged.
status:  `worse`, `better` (`changed` for outcome_rate) where q_value <= q; `ok`; `insufficient_data` below monitor.min_n decisions in either window, and of a mean with fewer than three
         independent rows in both together (decisions of one entity): never an alarm, never ranked.

Test. Standard errors are cluster-robust. Means of 0 and 1: the smaller z of the score test (pooled variance) and of the signed root of the likelihood ratio, both divided by the design
effect: the one is too eager when counts are low and rise, the other when they fall. Other means: the larger of the pooled and the separate standard error, t turned into z by Wallace 1959.
The same entity in both windows is left out of the variance; it makes the test cautious, since an entity resembles itself. The normal tail is `normal_tail`.
#}
{% macro worst_slices(product, decisions, outcomes, q=none) %}
    {% do config(materialized='table') %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('worst_slices', 'baton')(product, decisions, outcomes, q)) }}
{% endmacro %}

{% macro default__worst_slices(product, decisions, outcomes, q) %}
{% set parameters = baton.product(product) %}
{% set slices = parameters.slices %}
{% set q = parameters.monitor.drift.q if q is none else q %}
{% set lengths = {} %}
{% for kind, days in baton.window_lengths(parameters.monitor).items() if days is not none %}{% do lengths.update({kind: days}) %}{% endfor %}
{% set measures = baton.worst_slices_measures(parameters) %}
with

{{ baton.worst_slices_facts(parameters, decisions, outcomes, slices, measures) }},

{{ baton.worst_slices_windows(lengths, slices, measures) }},

{{ baton.worst_slices_repeats(lengths, slices, measures) }},

{{ baton.worst_slices_pairs(measures) }},

{{ baton.worst_slices_tests(parameters.monitor.min_n, measures) }}

select
    window_kind,
    window_end,
    metric,
    slice_name,
    slice_value,
    case
        when p_value is null then 'insufficient_data' when q_value > {{ q }} then 'ok'
        when worse_sign = 0 then 'changed' when change * worse_sign > 0 then 'worse' else 'better'
    end as status,
    case when p_value is not null then row_number() over (
        partition by window_kind, window_end, metric, case when p_value is null then 0 else 1 end
        order by case when worse_sign = 0 then -abs(excess) else -worse_sign * excess end, slice_name, slice_value
    ) end as rank,
    n,
    n_reference,
    share,
    share_reference,
    value,
    value_reference,
    change,
    overall_value,
    overall_reference,
    overall_change,
    within,
    mix,
    within + mix as contribution,
    case when abs(overall_change) > 1e-12 then (within + mix) / overall_change end as share_of_change,
    excess,
    p_value,
    q_value,
    {{ baton.quoted(baton.table_hash(product, [lengths, parameters.monitor.min_n, q])) }} as spec_hash,
    {{ baton.now() | trim }} as evaluated_at,
    {{ baton.built_at() }} as built_at
from judged
order by window_kind, window_end, metric, slice_name, slice_value
{% endmacro %}

{#
What is decomposed: name to expression over `worst_rows`, digits kept when summed, whether it is 0 or 1, and the sign of a change for the worse.
Accuracy and value count decisions with a label on both sides; value needs declared cells. Log loss clips as performance does.
#}
{% macro worst_slices_measures(parameters) %}
    {% set measures = {
        'accuracy': {'of': 'case when predicted_label = label then 1 when predicted_label <> label then 0 end', 'digits': 0, 'binary': true, 'worse': -1},
        'outcome_rate': {'of': 'label', 'digits': 0, 'binary': true, 'worse': 0},
        'log_loss': {'of': '-ln(greatest(chance_of_label, 2.220446049250313e-16))', 'digits': 9, 'binary': false, 'worse': 1},
        'brier': {'of': '(score - label) * (score - label)', 'digits': 9, 'binary': false, 'worse': 1}
    } %}
    {% if parameters.get('value') %}
        {% do measures.update(value_per_decision={'of': 'case when predicted_label is not null then coalesce(worth, 0) end', 'digits': 6, 'binary': false, 'worse': -1}) %}
    {% endif %}
    {{ return(measures) }}
{% endmacro %}
