-- The monitoring of the made product, written by hand for DuckDB: what somebody would write who knows the data, the parameters and the
-- engine, and need not support any other. Yields the columns of the package's tables in schema hand: decisions, outcomes, performance_hourly,
-- performance (windows 1d and 28d, slices, versions, three bases, intervals) and calibration. drift is in monitoring_by_hand.py.
--
-- It takes every liberty that its data allow: sums are floating point (other last digits in every run), a repeated prediction is later than the
-- first, consecutive periods are the only ones closer than 28 days, money is known cell by cell, everybody is scored at midnight, so that an hour
-- is a day, and ranking is exact overall per day and binned everywhere else. Nothing is incremental, nothing is portable: what a refresh needs is
-- written (batches, checksums, times) and not used.

create schema if not exists hand;

create or replace temp macro wilson(r, n, sign) as case when n > 0 then
    greatest(0, least(1, (r + 1.9207294103470 / n + sign * sqrt(3.841458820694124 * (r * (1 - r) + 0.960364705173531 / n) / n)) / (1 + 3.841458820694124 / n))) end;
create or replace temp macro independent(r, variance, entities) as case when r is null then null
    when variance > 1e-18 and r * (1 - r) > 1e-18 then r * (1 - r) / variance else entities end;

-- decisions ---------------------------------------------------------------------------------------------------------------------------------------
create or replace temp table shifts as
select lead_id, (('0x' || md5('period|leads|' || lead_id)[:8])::bigint % 30)::integer as shift from (select distinct lead_id from raw.predictions);

create or replace table hand.decisions as
with log as (
    select p.*, (date_diff('day', timestamp '1970-01-01', as_of) - shift) // 30 as period
    from (
        select prediction_id, lead_id, as_of, predicted_at, score, threshold, predicted_label, model_version, is_holdout
        from raw.predictions
        where role = 'champion' and score between 0 and 1 and known_at <= as_of + interval 1 day
    ) as p
    join shifts using (lead_id)
)
select
    md5('leads|' || lead_id || '|' || period) as decision_key, log.*, region, channel, tier, gain_usd,
    'made' as spec_hash, timestamp '2025-04-01 06:00:00' as built_at, 1::bigint as batch, (hash(lead_id) >> 1)::bigint as entity_hash, 0 as is_moved
from log
semi join (select lead_id, period, min(predicted_at) as predicted_at from log group by all) using (lead_id, period, predicted_at)
left join raw.scoring_set using (lead_id, as_of)
order by as_of, lead_id;

-- outcomes ----------------------------------------------------------------------------------------------------------------------------------------
create or replace table hand.outcomes as
with answers as (
    select
        decision_key,
        min(event_at) filter (inside and holds) as outcome_at,
        min(valid_from) filter (inside and holds) as known_at,
        bool_or(inside and holds) as is_positive,
        bool_or(inside and valid_from <= as_of + interval 9 day and valid_to > as_of + interval 9 day) as was_positive,
        max(valid_to) filter (inside) as negative_since,
        min(event_at) filter (not inside and holds) as late_at,
        min(valid_from) filter (not inside and holds) as late_known_at
    from (
        select decision_key, as_of, event_at, valid_from, valid_to, event_at <= as_of + interval 7 day as inside, valid_to > timestamp '2025-04-01 06:00:00' as holds
        from hand.decisions join raw.events using (lead_id)
        where event_at > as_of and event_at <= as_of + interval 14 day and valid_from <= timestamp '2025-04-01 06:00:00' and valid_from < valid_to
    )
    group by decision_key
)
select
    decision_key, lead_id, as_of,
    case when matures_at > timestamp '2025-04-01 06:00:00' then case when is_positive then 'early_positive' else 'pending' end
        when is_positive then 'positive' when late_at is not null then 'late_positive' else 'negative' end as state,
    case when is_positive then outcome_at when matures_at <= timestamp '2025-04-01 06:00:00' then late_at end as outcome_at,
    case when is_positive then known_at when matures_at <= timestamp '2025-04-01 06:00:00' then late_known_at end as outcome_known_at,
    matures_at,
    case when matures_at <= timestamp '2025-04-01 06:00:00' then coalesce(is_positive, false)::integer end as outcome_label,
    matures_at <= timestamp '2025-04-01 06:00:00' and coalesce(is_positive <> was_positive, false) as is_restated,
    case when matures_at <= timestamp '2025-04-01 06:00:00' and is_positive <> was_positive then case when is_positive then known_at else negative_since end end as restated_at,
    'made' as spec_hash, timestamp '2025-04-01 06:00:00' as evaluated_at, timestamp '2025-04-01 06:00:00' as built_at, 1::bigint as batch, 1::bigint as decisions_batch,
    1::bigint as events_arrived, (hash(lead_id) >> 1)::bigint as entity_hash, null::bigint as previous_batch, null::timestamp as previous_as_of, null::varchar as previous_state,
    null::boolean as previous_is_restated
from (select decision_key, lead_id, as_of, as_of + interval 9 day as matures_at from hand.decisions)
left join answers using (decision_key)
order by as_of, lead_id;

-- one narrow row per decision -------------------------------------------------------------------------------------------------------------------------
create or replace temp table facts as
select
    lead_id, period::integer as period, model_version::tinyint as v, region, channel, tier, score, gain_usd as gain, predicted_label::tinyint as said,
    date_diff('day', timestamp '2025-01-01', as_of - interval 1 microsecond)::smallint + 1::smallint as day,
    outcome_label is not null as closed, (state in ('positive', 'early_positive'))::tinyint as y, state = 'late_positive' as is_late, is_restated,
    floor(40 * ln(greatest(least(score, 1 - 1e-6), 1e-6) / (1 - greatest(least(score, 1 - 1e-6), 1e-6))))::smallint as bin, least(floor(10 * score), 9)::tinyint as tenth,
    (hash(decision_key, prediction_id, as_of, model_version, score, predicted_label, region, channel, tier, gain_usd, state, is_restated, outcome_label) % 274877906944)::bigint as h
from hand.decisions join hand.outcomes using (decision_key, lead_id, as_of);

-- sums per day, then per window -----------------------------------------------------------------------------------------------------------------------
create or replace temp table cells as
select
    day, v, region, channel, tier, closed, tenth, y, said,
    count(*) as n, count_if(is_late) as late, count_if(is_restated) as restated, count_if(y = 1 and gain is null) as missing,
    sum(score) as s, -sum(ln(case when y = 1 then score else 1 - score end)) as loss, -sum(score * ln(score) + (1 - score) * ln(1 - score)) as e_loss,
    sum((score - y) * (score - y)) as brier, sum(score * (1 - score)) as pq, sum(gain) as g, sum(gain * gain) as g2, sum(score * gain) as sg,
    sum(score * (1 - score) * (gain + 10) * (gain + 10)) as pqg, sum(h)::bigint as h
from facts group by all;

create or replace temp table rolled as
select
    case grouping(region, channel, tier) when 7 then 'overall' when 3 then 'region' when 5 then 'channel' else 'tier' end as slice_name,
    coalesce(region, channel, tier, 'all') as slice_value, v, day, closed, tenth, y, said,
    sum(n)::bigint as n, sum(late)::bigint as late, sum(restated)::bigint as restated, sum(missing)::bigint as missing, sum(s) as s, sum(loss) as loss, sum(e_loss) as e_loss,
    sum(brier) as brier, sum(pq) as pq, sum(g) as g, sum(g2) as g2, sum(sg) as sg, sum(pqg) as pqg, sum(h)::bigint as h
from cells
group by grouping sets ((day, v, closed, tenth, y, said), (day, v, closed, tenth, y, said, region), (day, v, closed, tenth, y, said, channel), (day, v, closed, tenth, y, said, tier));

create or replace temp table people as
with units as (
    select lead_id, period, min(as_of) as as_of
    from (select lead_id, as_of, (date_diff('day', timestamp '1970-01-01', as_of) - shift) // 30 as period from raw.scoring_set join shifts using (lead_id))
    group by all
)
select
    date_diff('day', timestamp '2025-01-01', as_of - interval 1 microsecond)::smallint + 1::smallint as day, region, channel, tier,
    count(*) as n_population, count_if(decision_key is null) as n_never_scored
from units join raw.scoring_set using (lead_id, as_of) left join (select lead_id, period, decision_key from hand.decisions) using (lead_id, period)
group by all;

create or replace temp table days as
with read as (
    select
        slice_name, slice_value, case when grouping(v) = 1 then 'all' else v::varchar end as version, day,
        sum(n) as n, sum(n) filter (not closed and y = 0) as n_pending, sum(n) filter (not closed and y = 1) as n_early_positive,
        sum(n) filter (closed and y = 1) as n_positive, sum(n - late) filter (closed and y = 0) as n_negative, sum(late) as n_late_positive, sum(restated) as n_restated,
        sum(missing) filter (closed) as missing, sum(missing) as naive_missing, sum(h)::bigint as h, sum(n) filter (closed) as n_matured,
        sum(n) filter (closed and said = 1 and y = 1) as tp, sum(n) filter (closed and said = 1 and y = 0) as fp,
        sum(n) filter (closed and said = 0 and y = 1) as fn, sum(n) filter (closed and said = 0 and y = 0) as tn,
        sum(n) filter (said = 1 and y = 1) as naive_tp, sum(n) filter (said = 1 and y = 0) as naive_fp,
        sum(n) filter (said = 0 and y = 1) as naive_fn, sum(n) filter (said = 0 and y = 0) as naive_tn,
        sum(loss) filter (closed) as loss, sum(brier) filter (closed) as brier, sum(loss) as naive_loss, sum(brier) as naive_brier,
        sum(g) filter (closed and said = 1 and y = 1) as g_tp, sum(g) filter (closed and y = 1) as g_pos, sum(g) filter (said = 1 and y = 1) as naive_g_tp, sum(g) filter (y = 1) as naive_g_pos,
        sum(g2) filter (closed and said = 1 and y = 1) as g2_tp, sum(g2) filter (closed and said = 0 and y = 1) as g2_fn,
        sum(g2) filter (said = 1 and y = 1) as naive_g2_tp, sum(g2) filter (said = 0 and y = 1) as naive_g2_fn,
        sum(s) filter (said = 1) as e_1, sum(s) filter (said = 0) as e_0, sum(pq) filter (said = 1) as pq_1, sum(pq) filter (said = 0) as pq_0,
        sum(e_loss) as e_loss, sum(sg) filter (said = 1) as sg_1, sum(sg) as sg_all, sum(pqg) filter (said = 1) as pqg_1, sum(pqg) filter (said = 0) as pqg_0
    from rolled
    group by grouping sets ((slice_name, slice_value, v, day), (slice_name, slice_value, day))
),
never as (
    select
        case grouping(region, channel, tier) when 7 then 'overall' when 3 then 'region' when 5 then 'channel' else 'tier' end as slice_name,
        coalesce(region, channel, tier, 'all') as slice_value, 'all' as version, day, sum(n_population) as n_population, sum(n_never_scored) as n_never_scored
    from people
    group by grouping sets ((day), (day, region), (day, channel), (day, tier))
)
select *
from (select distinct slice_name, slice_value, version from read) cross join (select unnest(range((select min(day) from facts), 91))::smallint as day)
left join read using (slice_name, slice_value, version, day) left join never using (slice_name, slice_value, version, day);

create or replace temp table windows as
select '1d' as window_kind, 1 as length, slice_name, slice_value, version, day, coalesce(columns(* exclude (slice_name, slice_value, version, day)), 0) from days
union all
select '28d', 28, slice_name, slice_value, version, day,
    coalesce(sum(columns(* exclude (slice_name, slice_value, version, day))) over (partition by slice_name, slice_value, version order by day rows 27 preceding), 0)
from days;
delete from windows where coalesce(n, 0) + coalesce(n_population, 0) = 0;

-- ranking: histograms of the score per day, added up to 28 days by prefix sums; exact overall per day -----------------------------------------------------
create or replace temp table histogram as
select
    case grouping(region, channel, tier) when 7 then 'overall' when 3 then 'region' when 5 then 'channel' else 'tier' end as slice_name,
    coalesce(region, channel, tier, 'all') as slice_value, v, day, bin, tenth,
    count(*)::integer as n, count_if(closed)::integer as m, count_if(closed and y = 1)::integer as pos, count_if(y = 1)::integer as seen,
    sum(score) as e, sum(score) filter (closed) as e_closed, sum(score * (1 - score)) as pq
from facts
group by grouping sets ((day, v, bin, tenth), (day, v, bin, tenth, region), (day, v, bin, tenth, channel), (day, v, bin, tenth, tier));

create or replace table hand.performance_hourly as
select
    timestamp '2025-01-01' + to_days(day::integer) as hour, slice_name, slice_value, v::varchar as model_version, 'sums' as kind, if(closed, 'matured', 'open') as part,
    tenth::integer as calibration_bin, said::integer as predicted_label, y::integer as seen_label, n, if(y = 1, n, 0) as n_pos, late as n_late_positive, restated as n_restated,
    missing as n_value_missing, (1e12 * s)::hugeint as score_sum, (1e12 * loss)::hugeint as loss, (1e12 * brier)::hugeint as brier_sum,
    (1e6 * if(said = 1, if(y = 1, coalesce(g, 0), -10 * n), 0))::hugeint as value, (1e6 * if(said = 0, if(y = 1, coalesce(g, 0), -10 * n), 0))::hugeint as value_other,
    (1e4 * if(said = 1, if(y = 1, coalesce(g2, 0), 100 * n), 0))::hugeint as value_sq, (1e4 * if(y = 1, coalesce(g2, 0), 100 * n))::hugeint as lift_sq, h as content,
    'made' as spec_hash, timestamp '2025-04-01 06:00:00' as built_at, 1::bigint as batch, 1::bigint as outcomes_batch, timestamp '2025-04-01 06:00:00' as counted_until
from rolled
union all by name
select
    timestamp '2025-01-01' + to_days(day::integer) as hour, slice_name, slice_value, v::varchar as model_version, 'expected' as kind, tenth::integer as calibration_bin,
    said::integer as predicted_label, sum(n)::bigint as n, (1e12 * sum(pq))::hugeint as spread, (1e12 * sum(e_loss))::hugeint as expected_loss,
    (1e6 * if(said = 1, sum(sg) - 10 * (sum(n) - sum(s)), 0))::hugeint as expected_value, (1e6 * if(said = 0, sum(sg) - 10 * (sum(n) - sum(s)), 0))::hugeint as expected_value_other,
    (1e4 * if(said = 1, sum(pqg), 0))::hugeint as spread_value, (1e4 * sum(pqg))::hugeint as spread_lift,
    'made' as spec_hash, timestamp '2025-04-01 06:00:00' as built_at, 1::bigint as batch, 1::bigint as outcomes_batch, timestamp '2025-04-01 06:00:00' as counted_until
from rolled
group by day, slice_name, slice_value, v, tenth, said
union all by name
select
    timestamp '2025-01-01' + to_days(day::integer) as hour, slice_name, slice_value, v::varchar as model_version, 'scores' as kind, part, bin::integer as score_bin,
    sum(n)::bigint as n, sum(pos)::bigint as n_pos, (1e9 * sum(e))::bigint as expected,
    'made' as spec_hash, timestamp '2025-04-01 06:00:00' as built_at, 1::bigint as batch, 1::bigint as outcomes_batch, timestamp '2025-04-01 06:00:00' as counted_until
from (
    select slice_name, slice_value, v, day, bin, 'matured' as part, m as n, pos, e_closed as e from histogram where m > 0
    union all
    select slice_name, slice_value, v, day, bin, 'open', n - m, seen - pos, e - coalesce(e_closed, 0) from histogram where n > m
)
group by day, slice_name, slice_value, v, part, bin;

-- version rankings are needed only where a window mixes versions
create or replace temp table series as
select row_number() over ()::integer as series, * from (
    select slice_name, slice_value, version, min(day) as first_day, max(day) as last_day
    from (
        select w.* from windows as w join (from windows where version = 'all') as a using (window_kind, slice_name, slice_value, day)
        where w.length = 28 and w.n > 0 and (w.version = 'all' or w.n < a.n)
    )
    group by all
);

create or replace temp table long as
select series, day, bin, sum(n)::double as n, sum(m)::double as m, sum(pos)::double as pos, sum(seen)::double as seen, sum(e) as e, sum(pq) as pq
from histogram join series on histogram.slice_name = series.slice_name and histogram.slice_value = series.slice_value
    and (version = 'all' or version = v::varchar) and day > first_day - 28 and day <= last_day
group by all;

create or replace temp table steps as
with summed as (
    select
        series, first_day, day, bin,
        sum(n) over w - coalesce(sum(n) over before, 0) as n, sum(m) over w - coalesce(sum(m) over before, 0) as m,
        sum(pos) over w - coalesce(sum(pos) over before, 0) as pos, sum(seen) over w - coalesce(sum(seen) over before, 0) as seen,
        sum(e) over w - coalesce(sum(e) over before, 0) as e, sum(pq) over w - coalesce(sum(pq) over before, 0) as pq
    from (
        select series, first_day, unnest(range(first_seen, last_day + 1))::smallint as day, bin
        from (select series, bin, min(day) as first_seen from long group by all) join series using (series)
    )
    left join long using (series, day, bin)
    window w as (partition by series, bin order by day rows unbounded preceding),
        before as (partition by series, bin order by day rows between unbounded preceding and 28 preceding)
)
select series * 200 + 100 + day as target, bin::double as x, n::double as n, m::double as m, pos::double as pos, seen::double as seen, e, pq from summed where n > 0 and day >= first_day
union all
select series * 200 + day, bin, n, m, pos, seen, e, pq from long join series using (series) where version = 'all' and slice_name <> 'overall'
union all
select series * 200 + day, score, count(*), count_if(closed), count_if(closed and y = 1), count_if(y = 1), score * count(*), score * (1 - score) * count(*)
from facts, series where version = 'all' and slice_name = 'overall' group by series, day, score;

-- one pass over the sorted rows adds up everything; what stood before a target is taken off
create or replace temp table running as
with starts as (
    select target, sum(n) over w - n as at_n, sum(m) over w - m as at_m, sum(pos) over w - pos as at_pos, sum(seen) over w - seen as at_seen, sum(e) over w - e as at_e
    from (select target, sum(n) as n, sum(m) as m, sum(pos) as pos, sum(seen) as seen, sum(e) as e from steps group by target) window w as (order by target)
)
select target, x, n, m, pos, seen, e, pq, to_n - at_n as to_n, to_m - at_m as to_m, to_pos - at_pos as to_pos, to_seen - at_seen as to_seen, to_e - at_e as to_e
from (
    select *, sum(n) over w as to_n, sum(m) over w as to_m, sum(pos) over w as to_pos, sum(seen) over w as to_seen, sum(e) over w as to_e
    from (from steps order by target, x) window w as (rows unbounded preceding)
) join starts using (target);

create or replace temp table ranks as
with totals as (
    select target, sum(n) as n_all, nullif(sum(pos), 0) as pos_all, nullif(sum(m - pos), 0) as neg_all, nullif(sum(seen), 0) as seen_all, nullif(sum(n - seen), 0) as unseen_all, sum(e) as e_all, sum(n) - sum(e) as q_all
    from steps group by target
),
placed as (
    select
        *, (to_m - to_pos - (m - pos) / 2) / neg_all as below, 1 - (to_pos - pos / 2) / pos_all as above,
        (to_n - to_seen - (n - seen) / 2) / unseen_all as naive_below, 1 - (to_seen - seen / 2) / seen_all as naive_above,
        (to_n - to_e - (n - e) / 2) / q_all as q_below, 1 - (to_e - e / 2) / e_all as e_above, n_all - to_n + n as n_from
    from running join totals using (target)
),
moments as (
    select
        target, n_all, pos_all, neg_all, seen_all, unseen_all, e_all, q_all,
        sum(pos * below) / pos_all as auc, sum(pos * below * below) as bb, sum((m - pos) * above * above) as aa,
        sum(pos * (pos_all - to_pos + pos) / nullif(pos_all + neg_all - to_m + m, 0)) / pos_all as ap, max(abs(to_pos / pos_all - (to_m - to_pos) / neg_all)) as ks,
        sum(seen * naive_below) / seen_all as naive_auc, sum(seen * naive_below * naive_below) as naive_bb, sum((n - seen) * naive_above * naive_above) as naive_aa,
        sum(seen * (seen_all - to_seen + seen) / n_from) / seen_all as naive_ap, max(abs(to_seen / seen_all - (to_n - to_seen) / unseen_all)) as naive_ks,
        sum(e * q_below) / e_all as e_auc, sum(e * (e_all - to_e + e) / n_from) / e_all as e_ap, max(abs(to_e / e_all - (to_n - to_e) / q_all)) as e_ks,
        1 / e_all - 1 / q_all as k, sum(pq * (q_below / e_all - e_above / q_all)) as x1, sum(pq * (q_below / e_all - e_above / q_all) * (q_below / e_all - e_above / q_all)) as x2, sum(pq) as x0
    from placed
    group by target, n_all, pos_all, neg_all, seen_all, unseen_all, e_all, q_all
)
select
    target, if(target % 200 >= 100, 28, 1) as length, target // 200 as series, (target % 100)::smallint as day, pos_all, neg_all, seen_all, unseen_all, auc, ap, ks, naive_auc, naive_ap, naive_ks, e_auc, e_ap, e_ks,
    (bb - pos_all * auc * auc) / (pos_all * nullif(pos_all - 1, 0)) + (aa - neg_all * auc * auc) / (neg_all * nullif(neg_all - 1, 0)) as variance,
    (naive_bb - seen_all * naive_auc * naive_auc) / (seen_all * nullif(seen_all - 1, 0)) + (naive_aa - unseen_all * naive_auc * naive_auc) / (unseen_all * nullif(unseen_all - 1, 0)) as naive_variance,
    x2 - 2 * e_auc * k * x1 + e_auc * e_auc * k * k * x0 as e_variance
from moments;

-- leads with two decisions in a window: products of pairs, which are additive ---------------------------------------------------------------------------
create or replace temp table pairs as
with near as (
    select
        a.day as first, b.day as last, a.v = b.v as same_version, a.v as v, a.closed and b.closed as closed, a.region as r1, b.region as r2, a.channel as c1, b.channel as c2, a.tier as t1, b.tier as t2,
        a.bin as bin_1, b.bin as bin_2, a.y as y1, b.y as y2, a.tenth as d1, b.tenth as d2, 2 * a.said + a.y as cell_1, 2 * b.said + b.y as cell_2,
        case 2 * a.said + a.y when 3 then a.gain when 2 then -10 else 0 end as w1, case 2 * b.said + b.y when 3 then b.gain when 2 then -10 else 0 end as w2,
        case 2 * a.said + a.y when 1 then -a.gain when 0 then 10 else 0 end as l1, case 2 * b.said + b.y when 1 then -b.gain when 0 then 10 else 0 end as l2
    from facts as a join facts as b on a.lead_id = b.lead_id and b.period = a.period + 1 and b.day - a.day < 28
),
sliced as (
    select 'overall' as slice_name, 'all' as slice_value, * from near
    union all select 'region', r1, * from near where r1 = r2
    union all select 'channel', c1, * from near where c1 = c2
    union all select 'tier', t1, * from near where t1 = t2
)
select 'all' as version, * from sliced
union all select v::varchar, * from sliced where same_version;

create or replace temp table repeats as
with products as (
    select
        slice_name, slice_value, version, first, last, closed, count(*) as n,
        count_if(cell_1 = 3 and cell_2 = 3) as tp_tp, count_if(cell_1 = 3 and cell_2 = 2 or cell_1 = 2 and cell_2 = 3) as tp_fp,
        count_if(cell_1 = 3 and cell_2 = 1 or cell_1 = 1 and cell_2 = 3) as tp_fn, count_if(cell_1 = 3 and cell_2 = 0 or cell_1 = 0 and cell_2 = 3) as tp_tn,
        count_if(cell_1 = 2 and cell_2 = 2) as fp_fp, count_if(cell_1 = 2 and cell_2 = 1 or cell_1 = 1 and cell_2 = 2) as fp_fn,
        count_if(cell_1 = 2 and cell_2 = 0 or cell_1 = 0 and cell_2 = 2) as fp_tn, count_if(cell_1 = 1 and cell_2 = 1) as fn_fn,
        count_if(cell_1 = 1 and cell_2 = 0 or cell_1 = 0 and cell_2 = 1) as fn_tn, count_if(cell_1 = 0 and cell_2 = 0) as tn_tn,
        count_if(cell_1 >= 2 and cell_2 >= 2) as again_precision, count_if(cell_1 % 2 = 1 and cell_2 % 2 = 1) as again_recall,
        count_if(cell_1 % 2 = 0 and cell_2 % 2 = 0) as again_specificity, count_if(cell_1 > 0 and cell_2 > 0) as again_f1,
        sum(w1 * w2) as w, sum(w1 + w2) as w_n, sum(l1 * l2) as l, sum(l1 + l2) as l_n
    from pairs group by all
),
changes as (
    select slice_name, slice_value, version, closed, last as day, 1 as sign, * exclude (slice_name, slice_value, version, closed, first, last) from products
    union all
    select slice_name, slice_value, version, closed, first + 28, -1, * exclude (slice_name, slice_value, version, closed, first, last) from products
),
at_days as (
    select slice_name, slice_value, version, day,
        sum(sign * n) filter (closed) as x_n, sum(sign * n) as naive_x_n,
        sum(sign * tp_tp) filter (closed) as x_tp_tp, sum(sign * tp_tp) as naive_x_tp_tp,
        sum(sign * tp_fp) filter (closed) as x_tp_fp, sum(sign * tp_fp) as naive_x_tp_fp,
        sum(sign * tp_fn) filter (closed) as x_tp_fn, sum(sign * tp_fn) as naive_x_tp_fn,
        sum(sign * tp_tn) filter (closed) as x_tp_tn, sum(sign * tp_tn) as naive_x_tp_tn,
        sum(sign * fp_fp) filter (closed) as x_fp_fp, sum(sign * fp_fp) as naive_x_fp_fp,
        sum(sign * fp_fn) filter (closed) as x_fp_fn, sum(sign * fp_fn) as naive_x_fp_fn,
        sum(sign * fp_tn) filter (closed) as x_fp_tn, sum(sign * fp_tn) as naive_x_fp_tn,
        sum(sign * fn_fn) filter (closed) as x_fn_fn, sum(sign * fn_fn) as naive_x_fn_fn,
        sum(sign * fn_tn) filter (closed) as x_fn_tn, sum(sign * fn_tn) as naive_x_fn_tn,
        sum(sign * tn_tn) filter (closed) as x_tn_tn, sum(sign * tn_tn) as naive_x_tn_tn,
        sum(sign * again_precision) filter (closed) as again_precision, sum(sign * again_precision) as naive_again_precision,
        sum(sign * again_recall) filter (closed) as again_recall, sum(sign * again_recall) as naive_again_recall,
        sum(sign * again_specificity) filter (closed) as again_specificity, sum(sign * again_specificity) as naive_again_specificity,
        sum(sign * again_f1) filter (closed) as again_f1, sum(sign * again_f1) as naive_again_f1,
        sum(sign * w) filter (closed) as x_w, sum(sign * w) as naive_x_w,
        sum(sign * w_n) filter (closed) as x_w_n, sum(sign * w_n) as naive_x_w_n,
        sum(sign * l) filter (closed) as x_l, sum(sign * l) as naive_x_l,
        sum(sign * l_n) filter (closed) as x_l_n, sum(sign * l_n) as naive_x_l_n
    from changes group by all
)
select slice_name, slice_value, version, day, 28 as length, sum(columns(* exclude (slice_name, slice_value, version, day))) over w
from (
    select * from (select slice_name, slice_value, version, day from windows where length = 28) full join at_days using (slice_name, slice_value, version, day)
)
window w as (partition by slice_name, slice_value, version order by day rows unbounded preceding);

create or replace temp table influences as
with wanted as (
    select series * 200 + 100 + unnest(range(last, least(first + 28, 91))) as target, bin_1::double as x1, bin_2::double as x2, y1, y2, closed
    from pairs join series using (slice_name, slice_value, version)
),
placed as (
    select
        target, x, case when pos_all > 0 and neg_all > 0 then ((to_m - to_pos - (m - pos) / 2) / neg_all - auc) / pos_all end as if_1, case when pos_all > 0 and neg_all > 0 then (1 - (to_pos - pos / 2) / pos_all - auc) / neg_all end as if_0,
        ((to_n - to_seen - (n - seen) / 2) / unseen_all - naive_auc) / seen_all as naive_if_1, (1 - (to_seen - seen / 2) / seen_all - naive_auc) / unseen_all as naive_if_0
    from running join ranks using (target)
    where length = 28
)
select
    wanted.target, 2 * sum(if(y1 = 1, a.if_1, a.if_0) * if(y2 = 1, b.if_1, b.if_0)) filter (closed) as x_auc,
    2 * sum(if(y1 = 1, a.naive_if_1, a.naive_if_0) * if(y2 = 1, b.naive_if_1, b.naive_if_0)) as naive_x_auc
from wanted join placed as a on a.target = wanted.target and a.x = x1 join placed as b on b.target = wanted.target and b.x = x2
group by all;

-- calibration ---------------------------------------------------------------------------------------------------------------------------------------
create or replace temp table tenths as
with per_day as (
    select slice_name, slice_value, case when grouping(v) = 1 then 'all' else v::varchar end as version, day, tenth, sum(n) as n, sum(m) as m, sum(pos) as pos, sum(seen) as seen, sum(e) as e, sum(e_closed) as e_closed
    from histogram group by grouping sets ((slice_name, slice_value, v, day, tenth), (slice_name, slice_value, day, tenth))
),
dense as (
    select * from (select slice_name, slice_value, version, day, tenth from (select distinct slice_name, slice_value, version, day from days), (select unnest(range(10))::tinyint as tenth))
    left join per_day using (slice_name, slice_value, version, day, tenth)
)
select 1 as length, * from dense where n > 0
union all
select * from (
    select 28, slice_name, slice_value, version, day, tenth, sum(columns(* exclude (slice_name, slice_value, version, day, tenth))) over (partition by slice_name, slice_value, version, tenth order by day rows 27 preceding)
    from dense
) where n > 0;

create or replace table hand.calibration as
with again as (
    select version, tenth, day, sum(2 * sign * y1 * y2) as x_pp, sum(sign * (y1 + y2)) as x_pn, sum(2 * sign) as x_nn, sum(sign) as again
    from (
        select version, d1 as tenth, last as day, 1 as sign, y1::integer as y1, y2::integer as y2 from pairs where slice_name = 'overall' and closed and d1 = d2
        union all
        select version, d1, first + 28, -1, y1, y2 from pairs where slice_name = 'overall' and closed and d1 = d2
    )
    group by all
),
standing as (
    select version, tenth, day, 28 as length, sum(columns(* exclude (version, tenth, day))) over w
    from (select version, tenth, day from tenths where slice_name = 'overall' and length = 28) full join again using (version, tenth, day)
    window w as (partition by version, tenth order by day rows unbounded preceding)
),
rates as (
    select
        length, day, version, tenth, m, pos, pos / m as r, e_closed / m as mean_score, m - coalesce(again, 0) as entities,
        (pos + coalesce(x_pp, 0) - 2 * pos / m * (pos + coalesce(x_pn, 0)) + pos / m * pos / m * (m + coalesce(x_nn, 0))) / (m * m) as variance
    from tenths left join standing using (length, version, tenth, day)
    where slice_name = 'overall' and m > 0
)
select
    if(length = 1, '1d', '28d') as window_kind, timestamp '2025-01-01' + to_days(day::integer) as window_end, version as model_version, tenth::integer as bin,
    tenth / 10 as bin_low, (tenth + 1) / 10 as bin_high, m::bigint as n, pos::bigint as n_positive, mean_score, r as positive_rate,
    wilson(r, independent(r, variance, entities), -1) as positive_rate_low, wilson(r, independent(r, variance, entities), 1) as positive_rate_high,
    mean_score - r as gap, if(m >= 30, 'ok', 'insufficient_data') as status, 'made' as spec_hash, timestamp '2025-04-01 06:00:00' as evaluated_at, timestamp '2025-04-01 06:00:00' as built_at
from rates
order by all;

-- performance ---------------------------------------------------------------------------------------------------------------------------------------
create or replace temp table gathered as
with errors as (
    select
        length, slice_name, slice_value, version, day,
        sum(abs(e_closed - pos)) / nullif(any_value(w.n_matured), 0) as ece, sum((e_closed - pos) * (e_closed - pos) / nullif(m, 0)) / nullif(any_value(w.n_matured), 0) as reliability,
        sum((pos - m * (w.tp + w.fn) / w.n_matured) * (pos - m * (w.tp + w.fn) / w.n_matured) / nullif(m, 0)) / nullif(any_value(w.n_matured), 0) as resolution,
        sum(abs(e - seen)) / any_value(w.n) as naive_ece, sum((e - seen) * (e - seen) / t.n) / any_value(w.n) as naive_reliability,
        sum((seen - t.n * (w.naive_tp + w.naive_fn) / w.n) * (seen - t.n * (w.naive_tp + w.naive_fn) / w.n) / t.n) / any_value(w.n) as naive_resolution
    from tenths as t join windows as w using (length, slice_name, slice_value, version, day)
    group by all
)
select
    w.*, w.n_matured < w.n as is_open, r.* exclude (target, length, series, day), i.x_auc, i.naive_x_auc, p.* exclude (length, slice_name, slice_value, version, day),
    errors.* exclude (length, slice_name, slice_value, version, day)
from windows as w
left join (from windows where version = 'all') as a using (length, slice_name, slice_value, day)
left join series as s on s.slice_name = w.slice_name and s.slice_value = w.slice_value and s.version = case when w.n = a.n then 'all' else w.version end
left join ranks as r on r.length = w.length and r.series = s.series and r.day = w.day
left join influences as i on i.target = r.target
left join repeats as p on p.length = w.length and p.slice_name = w.slice_name and p.slice_value = w.slice_value and p.version = w.version and p.day = w.day
left join errors on errors.length = w.length and errors.slice_name = w.slice_name and errors.slice_value = w.slice_value and errors.version = w.version and errors.day = w.day;

create or replace temp table readings as
select
    'matured' as basis, * exclude (auc, ap, ks, variance, x_auc), n_matured as n_m, auc, ap, ks, variance + coalesce(x_auc, 0) as auc_variance, pos_all as auc_pos, neg_all as auc_neg,
    coalesce(g_tp, 0) - 10 * coalesce(fp, 0) as worth, coalesce(g_pos, 0) - 10 * (coalesce(fp, 0) + coalesce(tn, 0)) as worth_all,
    coalesce(g2_tp, 0) + 100 * coalesce(fp, 0) as worth_sq, coalesce(g2_fn, 0) + 100 * coalesce(tn, 0) as lift_all_sq
from gathered
union all by name
select
    'naive' as basis, * exclude (auc, ap, ks, variance, x_auc, missing, tp, fp, fn, tn, loss, brier, ece, reliability, resolution, x_n, x_tp_tp, x_tp_fp, x_tp_fn, x_tp_tn, x_fp_fp, x_fp_fn, x_fp_tn, x_fn_fn, x_fn_tn, x_tn_tn, again_precision, again_recall, again_specificity, again_f1, x_w, x_w_n, x_l, x_l_n), n as n_m, naive_auc as auc, naive_ap as ap, naive_ks as ks,
    naive_variance + coalesce(naive_x_auc, 0) as auc_variance, seen_all as auc_pos, unseen_all as auc_neg,
    naive_missing as missing, naive_tp as tp, naive_fp as fp, naive_fn as fn, naive_tn as tn, naive_loss as loss, naive_brier as brier, naive_ece as ece, naive_reliability as reliability, naive_resolution as resolution, naive_x_n as x_n, naive_x_tp_tp as x_tp_tp, naive_x_tp_fp as x_tp_fp, naive_x_tp_fn as x_tp_fn, naive_x_tp_tn as x_tp_tn, naive_x_fp_fp as x_fp_fp, naive_x_fp_fn as x_fp_fn, naive_x_fp_tn as x_fp_tn, naive_x_fn_fn as x_fn_fn, naive_x_fn_tn as x_fn_tn, naive_x_tn_tn as x_tn_tn, naive_again_precision as again_precision, naive_again_recall as again_recall, naive_again_specificity as again_specificity, naive_again_f1 as again_f1, naive_x_w as x_w, naive_x_w_n as x_w_n, naive_x_l as x_l, naive_x_l_n as x_l_n,
    coalesce(naive_g_tp, 0) - 10 * coalesce(naive_fp, 0) as worth, coalesce(naive_g_pos, 0) - 10 * (coalesce(naive_fp, 0) + coalesce(naive_tn, 0)) as worth_all,
    coalesce(naive_g2_tp, 0) + 100 * coalesce(naive_fp, 0) as worth_sq, coalesce(naive_g2_fn, 0) + 100 * coalesce(naive_tn, 0) as lift_all_sq
from gathered;

create or replace temp table rates as
select
    *, (tp + tn) / nullif(tp + fp + fn + tn, 0) as accuracy, tp / nullif(tp + fp, 0) as precision, tp / nullif(tp + fn, 0) as recall, tn / nullif(fp + tn, 0) as specificity,
    2 * tp / nullif(2 * tp + fp + fn, 0) as f1, worth - greatest(worth_all, 0) as lift, if(worth_all >= 0, lift_all_sq, worth_sq) as lift_sq, if(worth_all >= 0, x_l, x_w) as x_lift, if(worth_all >= 0, x_l_n, x_w_n) as x_lift_n
from (
    select * replace (coalesce(tp, 0) as tp, coalesce(fp, 0) as fp, coalesce(fn, 0) as fn, coalesce(tn, 0) as tn, coalesce(x_n, 0) as x_n, coalesce(x_tp_tp, 0) as x_tp_tp, coalesce(x_tp_fp, 0) as x_tp_fp, coalesce(x_tp_fn, 0) as x_tp_fn, coalesce(x_tp_tn, 0) as x_tp_tn, coalesce(x_fp_fp, 0) as x_fp_fp, coalesce(x_fp_fn, 0) as x_fp_fn, coalesce(x_fp_tn, 0) as x_fp_tn, coalesce(x_fn_fn, 0) as x_fn_fn, coalesce(x_fn_tn, 0) as x_fn_tn, coalesce(x_tn_tn, 0) as x_tn_tn, coalesce(again_precision, 0) as again_precision, coalesce(again_recall, 0) as again_recall, coalesce(again_specificity, 0) as again_specificity, coalesce(again_f1, 0) as again_f1, coalesce(x_w, 0) as x_w, coalesce(x_w_n, 0) as x_w_n, coalesce(x_l, 0) as x_l, coalesce(x_l_n, 0) as x_l_n)
    from readings
);

create or replace table hand.performance as
with spread as (
    select
        *, tp + fp + fn + tn as labelled, (recall + specificity) / 2 as balanced,
        ((1 - accuracy) * (1 - accuracy) * (tp + 2 * x_tp_tp) + 2 * (1 - accuracy) * (-accuracy) * x_tp_fp + 2 * (1 - accuracy) * (-accuracy) * x_tp_fn + 2 * (1 - accuracy) * (1 - accuracy) * x_tp_tn + (-accuracy) * (-accuracy) * (fp + 2 * x_fp_fp) + 2 * (-accuracy) * (-accuracy) * x_fp_fn + 2 * (-accuracy) * (1 - accuracy) * x_fp_tn + (-accuracy) * (-accuracy) * (fn + 2 * x_fn_fn) + 2 * (-accuracy) * (1 - accuracy) * x_fn_tn + (1 - accuracy) * (1 - accuracy) * (tn + 2 * x_tn_tn)) / nullif(labelled * labelled, 0) as accuracy_variance,
        ((1 - precision) * (1 - precision) * (tp + 2 * x_tp_tp) + 2 * (1 - precision) * (-precision) * x_tp_fp + (-precision) * (-precision) * (fp + 2 * x_fp_fp)) / nullif((tp + fp) * (tp + fp), 0) as precision_variance,
        ((1 - recall) * (1 - recall) * (tp + 2 * x_tp_tp) + 2 * (1 - recall) * (-recall) * x_tp_fn + (-recall) * (-recall) * (fn + 2 * x_fn_fn)) / nullif((tp + fn) * (tp + fn), 0) as recall_variance,
        ((2 - 2 * f1) * (2 - 2 * f1) * (tp + 2 * x_tp_tp) + 2 * (2 - 2 * f1) * (-f1) * x_tp_fp + 2 * (2 - 2 * f1) * (-f1) * x_tp_fn + (-f1) * (-f1) * (fp + 2 * x_fp_fp) + 2 * (-f1) * (-f1) * x_fp_fn + (-f1) * (-f1) * (fn + 2 * x_fn_fn)) / nullif((2 * tp + fp + fn) * (2 * tp + fp + fn), 0) as f1_variance,
        (((1 - recall) / (2 * (tp + fn))) * ((1 - recall) / (2 * (tp + fn))) * (tp + 2 * x_tp_tp) + 2 * ((1 - recall) / (2 * (tp + fn))) * (-recall / (2 * (tp + fn))) * x_tp_fn + 2 * ((1 - recall) / (2 * (tp + fn))) * ((1 - specificity) / (2 * (fp + tn))) * x_tp_tn + 2 * ((1 - recall) / (2 * (tp + fn))) * (-specificity / (2 * (fp + tn))) * x_tp_fp + (-recall / (2 * (tp + fn))) * (-recall / (2 * (tp + fn))) * (fn + 2 * x_fn_fn) + 2 * (-recall / (2 * (tp + fn))) * ((1 - specificity) / (2 * (fp + tn))) * x_fn_tn + 2 * (-recall / (2 * (tp + fn))) * (-specificity / (2 * (fp + tn))) * x_fp_fn + ((1 - specificity) / (2 * (fp + tn))) * ((1 - specificity) / (2 * (fp + tn))) * (tn + 2 * x_tn_tn) + 2 * ((1 - specificity) / (2 * (fp + tn))) * (-specificity / (2 * (fp + tn))) * x_fp_tn + (-specificity / (2 * (fp + tn))) * (-specificity / (2 * (fp + tn))) * (fp + 2 * x_fp_fp)) / nullif(1 * 1, 0) as balanced_variance,
        sqrt(greatest(worth_sq + 2 * x_w - 2 * worth / nullif(labelled, 0) * (worth + x_w_n) + worth * worth / nullif(labelled * labelled, 0) * (labelled + 2 * x_n), 0)) / nullif(labelled, 0) as worth_deviation,
        sqrt(greatest(lift_sq + 2 * x_lift - 2 * lift / nullif(labelled, 0) * (lift + x_lift_n) + lift * lift / nullif(labelled * labelled, 0) * (labelled + 2 * x_n), 0)) / nullif(labelled, 0) as lift_deviation
    from rates
),
sized as (
    select
        *, independent(accuracy, accuracy_variance, labelled - x_n) as accuracy_n, independent(precision, precision_variance, tp + fp - again_precision) as precision_n,
        independent(recall, recall_variance, tp + fn - again_recall) as recall_n, independent(f1, f1_variance, tp + fp + fn - again_f1) as f1_n,
        independent(balanced, balanced_variance, least(tp + fn - again_recall, fp + tn - again_specificity)) as balanced_n,
        independent(auc, greatest(auc_variance, 0), least(tp + fn - again_recall, fp + tn - again_specificity)) as auc_n
    from spread
),
labelled_rows as (
    select
        window_kind, day, slice_name, slice_value, version, basis, n, n_pending, n_early_positive, n_positive, n_negative, n_late_positive, n_restated, n_matured, n_population, n_never_scored, tp, fp, fn, tn,
        accuracy, wilson(accuracy, accuracy_n, -1) as accuracy_low, wilson(accuracy, accuracy_n, 1) as accuracy_high, precision, wilson(precision, precision_n, -1) as precision_low, wilson(precision, precision_n, 1) as precision_high,
        recall, wilson(recall, recall_n, -1) as recall_low, wilson(recall, recall_n, 1) as recall_high, f1, wilson(f1, f1_n, -1) as f1_low, wilson(f1, f1_n, 1) as f1_high,
        balanced as balanced_accuracy, wilson(balanced, balanced_n, -1) as balanced_accuracy_low, wilson(balanced, balanced_n, 1) as balanced_accuracy_high,
        auc as roc_auc, wilson(auc, auc_n, -1) as roc_auc_low, wilson(auc, auc_n, 1) as roc_auc_high, ap as average_precision, ks,
        loss / nullif(n_m, 0) as log_loss, brier / nullif(n_m, 0) as brier, worth as value, worth - 1.959963984540054 * worth_deviation * labelled as value_low, worth + 1.959963984540054 * worth_deviation * labelled as value_high,
        worth / nullif(labelled, 0) as value_per_decision, worth / nullif(labelled, 0) - 1.959963984540054 * worth_deviation as value_per_decision_low, worth / nullif(labelled, 0) + 1.959963984540054 * worth_deviation as value_per_decision_high,
        worth_all as value_treat_all, 0::double as value_treat_none, lift as value_lift, lift - 1.959963984540054 * lift_deviation * labelled as value_lift_low, lift + 1.959963984540054 * lift_deviation * labelled as value_lift_high,
        reliability as brier_reliability, resolution as brier_resolution, ece, null::double as accuracy_error, null::double as roc_auc_error, null::double as value_per_decision_error,
        missing as n_value_missing, h as content
    from sized
),
drawn as (
    select
        window_kind, day, slice_name, slice_value, version, n, n_pending, n_early_positive, n_positive, n_negative, n_late_positive, n_restated, n_matured, n_population, n_never_scored, is_open, e_auc, e_ap, e_ks, e_variance, e_loss, pq_1, pq_0, naive_missing, h,
        e_1, naive_tp + naive_fp as said, n - said as unsaid, e_0, sg_1 - 10 * (said - e_1) as e_worth, sg_all - 10 * (n - e_1 - e_0) as e_worth_all, pqg_1, pqg_0,
        1 + 2 * coalesce(naive_x_n, 0) / n as clustering, (tp + tn) / n as m_accuracy, auc as m_auc, (g_tp - 10 * fp) / nullif(n_matured, 0) as m_worth
    from gathered
    where n > 0
),
expected as (
    select
        * exclude (e_auc, e_worth, e_worth_all), e_1 as tp, said - e_1 as fp, e_0 as fn, unsaid - e_0 as tn, e_auc as auc, e_worth as worth, e_worth_all as worth_all,
        pqg_1 as spread_worth, if(e_worth_all >= 0, pqg_0, pqg_1) as spread_lift, e_worth - greatest(e_worth_all, 0) as lift,
        (tp + tn) / n as accuracy, tp / nullif(said, 0) as precision, tp / nullif(tp + fn, 0) as recall, tn / nullif(fp + tn, 0) as specificity, 2 * tp / nullif(said + tp + fn, 0) as f1, (recall + specificity) / 2 as balanced
    from drawn
),
expected_sized as (
    select
        *, independent(accuracy, clustering * (pq_1 + pq_0) / (n * n), n / clustering) as accuracy_n, independent(precision, clustering * pq_1 / (said * said), said / clustering) as precision_n,
        independent(recall, clustering * ((1 - recall) * (1 - recall) * pq_1 + recall * recall * pq_0) / ((tp + fn) * (tp + fn)), (tp + fn) / clustering) as recall_n,
        independent(f1, clustering * ((2 - f1) * (2 - f1) * pq_1 + f1 * f1 * pq_0) / ((said + tp + fn) * (said + tp + fn)), (said + tp + fn) / clustering) as f1_n,
        independent(balanced, clustering * (pow((1 - recall) / (2 * (tp + fn)) + specificity / (2 * (fp + tn)), 2) * pq_1 + pow(recall / (2 * (tp + fn)) + (1 - specificity) / (2 * (fp + tn)), 2) * pq_0), n / clustering) as balanced_n,
        independent(auc, clustering * e_variance, n / clustering) as auc_n, sqrt(clustering * spread_worth) / n as worth_deviation, sqrt(clustering * spread_lift) / n as lift_deviation
    from expected
),
expected_rows as (
    select
        window_kind, day, slice_name, slice_value, version, 'estimated', n, n_pending, n_early_positive, n_positive, n_negative, n_late_positive, n_restated, n_matured, n_population, n_never_scored, tp, fp, fn, tn,
        accuracy, wilson(accuracy, accuracy_n, -1), wilson(accuracy, accuracy_n, 1), precision, wilson(precision, precision_n, -1), wilson(precision, precision_n, 1), recall, wilson(recall, recall_n, -1), wilson(recall, recall_n, 1),
        f1, wilson(f1, f1_n, -1), wilson(f1, f1_n, 1), balanced, wilson(balanced, balanced_n, -1), wilson(balanced, balanced_n, 1), auc, wilson(auc, auc_n, -1), wilson(auc, auc_n, 1), e_ap, e_ks,
        e_loss / n, (pq_1 + pq_0) / n, worth, worth - 1.959963984540054 * worth_deviation * n, worth + 1.959963984540054 * worth_deviation * n, worth / n, worth / n - 1.959963984540054 * worth_deviation, worth / n + 1.959963984540054 * worth_deviation,
        worth_all, 0, lift, lift - 1.959963984540054 * lift_deviation * n, lift + 1.959963984540054 * lift_deviation * n, null, null, null,
        case when not is_open then accuracy - m_accuracy end, case when not is_open then auc - m_auc end, case when not is_open then worth / n - m_worth end,
        naive_missing, h
    from expected_sized
)
select
    * exclude (day, version, n_population, n_never_scored), timestamp '2025-01-01' + to_days(day::integer) as window_end, version as model_version, if(if(basis = 'matured', n_matured, n) >= 30, 'ok', 'insufficient_data') as status,
    n_matured / n as coverage, n_restated / nullif(n_matured, 0) as share_restated, case when version = 'all' then n_population end as n_population, case when version = 'all' then n_never_scored end as n_never_scored,
    case when version = 'all' then n_never_scored / nullif(n_population, 0) end as share_never_scored,
    case when roc_auc is not null then if(slice_name = 'overall' and window_kind = '1d', 'exact', 'binned') end as roc_auc_method,
    null::bigint as n_too_fresh, 'made' as spec_hash, timestamp '2025-04-01 06:00:00' as evaluated_at, timestamp '2025-04-01 06:00:00' as built_at
from (from labelled_rows union all from expected_rows);
