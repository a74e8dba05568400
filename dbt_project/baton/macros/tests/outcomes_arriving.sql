{#
Outcomes keep coming: fails when the feed of `model` (output of `baton.outcomes`) is dead or has lost a large part, long before a metric on closed cohorts could move.

product:  name of the exposure
delay:    output of `baton.delay`: how many outcomes each day should bring, given the decisions that are open on it
at_least: share of the expected volume that is healthy, 0.5
alpha:    chance of a false alarm per length of window, if outcomes come one by one, 0.0001

Expected. Positives that become known in (day - 1, day]: sum over decisions of [F(age at day) - F(age a day before)], F = share_seen of stratum `all`, times the positive rate of
closed cohorts. With outcome.positive `absence` the events are the negatives, counted on the day their cohort closes: decisions that close on it.
Usual. Windows of 1 to 7, 14 and 28 days that end at as_of(now). Each is held against windows of its length that ended 7, 14, ... up to 182 days before and do not overlap it: the
same weekdays. m = median of arrived / expected there, s = 1.4826 MAD / m, less the variance that counting alone explains, so weekends, rates and batches are learned.
Fails if arrived is below L = m * expected * min(at_least, 1 - 4 s) by more than chance: L - arrived + arrived ln(arrived / L) > ln(1 / alpha), Chernoff's bound on the lower tail of
a Poisson count. A feed that dies is noticed once the outcomes missed reach about 2 ln(1 / alpha) = 18: the next day at 20 a day, within a week at 3.

Silent without a curve, or with fewer than 4 windows to compare: too little to judge is no failure. An alarm that is ignored for 13 weeks becomes the usual.
Fails with one row, the window with the strongest evidence: window_start, window_end, n_days, n_arrived, n_expected, n_least, last_known_at, message.
#}
{% test outcomes_arriving(model, product, delay, at_least=0.5, alpha=0.0001) %}
{% if not execute %}{{ return('') }}{% endif %}
{% set float = baton.type_double() %}
{% set parameters = baton.product(product) %}
{% set end = baton.as_of() %}
{% set told = 'negative outcomes' if baton.absence_is_positive(parameters) else 'outcomes' %}
with

{{ baton.daily_arrivals(parameters, model, delay) }},

spans as (
    {%- for n_days in [1, 2, 3, 4, 5, 6, 7, 14, 28] %}
    {{ 'union all' if not loop.first }}
    select
        {{ n_days }} as n_days, day,
        sum(arrived) over (order by day rows between {{ n_days - 1 }} preceding and current row) as arrived,
        sum(expected) over (order by day rows between {{ n_days - 1 }} preceding and current row) as expected
    from daily
    {%- endfor %}
),

compared as (
    select spans.n_days, spans.arrived / spans.expected as ratio, 1 / spans.expected as noise
    from spans
    where spans.expected > 0 and {{ dbt.datediff('spans.day', end, 'day') | trim }} >= spans.n_days
        and mod({{ dbt.datediff('spans.day', end, 'day') | trim }}, 7) = 0 and {{ dbt.datediff('spans.day', end, 'day') | trim }} between 7 and 182
),

medians as (
    {{ baton.median_by('n_days', 'ratio', 'compared') | indent(4) }}
),

deviations as (
    select compared.n_days, abs(compared.ratio - medians.middle) as deviation, compared.noise
    from compared
    inner join medians on compared.n_days = medians.n_days
),

deviation_medians as (
    {{ baton.median_by('n_days', 'deviation', 'deviations') | indent(4) }}
),

noises as (
    select n_days, avg(noise) as noise, count(*) as n from deviations group by n_days
),

usual as (
    select
        medians.n_days,
        medians.middle,
        case when medians.middle > 0 then 2.19810276 * deviation_medians.middle * deviation_medians.middle / (medians.middle * medians.middle) - noises.noise / medians.middle end as excess
    from medians
    inner join deviation_medians on medians.n_days = deviation_medians.n_days
    inner join noises on medians.n_days = noises.n_days
    where noises.n >= 4
),

judged as (
    select
        spans.n_days, spans.day as window_end, cast(spans.arrived as bigint) as n_arrived, usual.middle * spans.expected as n_expected,
        usual.middle * spans.expected * {{ baton.lesser(at_least | string, '(1 - 4 * sqrt(case when usual.excess > 0 then usual.excess else 0 end))') }} as n_least
    from spans
    inner join usual on spans.n_days = usual.n_days
    where spans.day = {{ end }} and usual.middle > 0
),

weighed as (
    select
        judged.*,
        n_least - n_arrived + case when n_arrived > 0 then n_arrived * ln(n_arrived / n_least) else 0 end as evidence
    from judged
    where n_least > n_arrived
)

select
    window_end - n_days * {{ baton.interval('1 day') }} as window_start,
    window_end,
    n_days,
    n_arrived,
    n_expected,
    n_least,
    last_known_at,
    {{ baton.say('n_arrived') }} || {{ baton.quoted(' ' ~ told ~ ' became known in the ') }} || {{ baton.say('n_days') }} || ' days to ' || {{ baton.say('window_end') }}
        || ', usual are ' || {{ baton.say('round(n_expected, 1)') }} || ' for these decisions; allowed is >= ' || {{ baton.say('round(n_least, 1)') }}
        || {{ baton.quoted(' but for chance of ' ~ alpha ~ '; the last one known is of ') }} || {{ baton.say('last_known_at') }}
        || {{ baton.quoted(baton.owner_of(model)) }} as message
from (
    select weighed.*, row_number() over (order by evidence desc, n_days) as place
    from weighed
    where evidence > -ln({{ alpha }})
) as strongest
cross join (select max(known_at) as last_known_at from arrivals) as newest
where place = 1
{% endtest %}

{# CTEs up to `daily` (day, arrived, expected): outcomes that became known in (day - 1, day] and how many the delay curve expects, for 210 days up to as_of(now). #}
{% macro daily_arrivals(parameters, outcomes, delay) %}
{% set absence = baton.absence_is_positive(parameters) %}
{% set end, float = baton.as_of(), baton.type_double() %}
{% set grid, open_for = baton.delay_grid(parameters), baton.open_seconds(parameters) %}
{% set open_hours = ((open_for + 3599) / 3600) | int %}
{% set age = dbt.datediff('decision_hours.hour', 'days.day', 'hour') | trim %}
arrivals as (
    select {{ 'matures_at' if absence else 'outcome_known_at' }} as known_at
    from {{ outcomes }}
    where {{ "state = 'negative'" if absence else "state in ('positive', 'early_positive') and outcome_known_at <= matures_at" }}
),

arrived_days as (
    select {{ baton.day_of('known_at') }} as day, count(*) as arrived
    from arrivals
    group by 1
),

decision_hours as (
    select {{ baton.hour_of('as_of') }} as hour, count(*) as n
    from {{ outcomes }}
    where as_of <= {{ end }} and as_of > {{ end }} - {{ baton.interval((open_hours + 24 * 212) ~ ' hours') }}
    group by 1
),

days as (
    select as_of as day
    from ({{ baton.day_series(end ~ ' - ' ~ baton.interval('210 days'), end) }}) as series
),

exposures as (
    select days.day, decision_hours.n, {{ age }} as age_hours
    from days
    inner join decision_hours on decision_hours.hour <= days.day
        and decision_hours.hour > days.day - {{ baton.interval((open_hours + 25) ~ ' hours') }}
),

{% if absence -%}
closings as (
    select day, n, case when 3600 * age_hours >= {{ open_for }} then 1e0 else 0e0 end - case when 3600 * (age_hours - 24) >= {{ open_for }} then 1e0 else 0e0 end as share
    from exposures
),
{%- else -%}
steps as (
    select
        day, n,
        cast(floor(3600 * age_hours / {{ grid }}e0) as bigint) as step,
        case when age_hours >= 24 then cast(floor(3600 * (age_hours - 24) / {{ grid }}e0) as bigint) else -1 end as step_before
    from exposures
),

asked as (
    select 'all' as stratum, step from steps
    union
    select 'all' as stratum, step_before as step from steps
),

{{ baton.seen_shares(parameters, delay, 'asked') }},

closings as (
    select steps.day, steps.n, (reached.share - earlier.share) * rates.rate as share
    from steps
    inner join seen_shares as reached on steps.step = reached.step
    inner join seen_shares as earlier on steps.step_before = earlier.step
    cross join (select max(n_positives) / cast(max(n_closed) as {{ float }}) as rate from {{ delay }} where stratum = 'all') as rates
),
{%- endif %}

expected_days as (
    select day, {{ baton.unfixed('sum(' ~ baton.fixed('n * share', 9) ~ ')', 9) }} as expected
    from closings
    group by day
),

daily as (
    select days.day, coalesce(arrived_days.arrived, 0) as arrived, coalesce(expected_days.expected, 0) as expected
    from days
    left join arrived_days on days.day = arrived_days.day
    left join expected_days on days.day = expected_days.day
)
{%- endmacro %}

{# A select of `by` and middle, the median of `of`: the mean of the middle two. #}
{% macro median_by(by, of, relation) -%}
select {{ by }}, avg({{ of }}) as middle
from (
    select
        {{ by }}, {{ of }},
        row_number() over (partition by {{ by }} order by {{ of }}) as place,
        count(*) over (partition by {{ by }}) as n
    from {{ relation }}
) as placed
where 2 * place between n and n + 2
group by {{ by }}
{%- endmacro %}
