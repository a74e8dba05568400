{#
One row per (window_kind, window_end, slice_name, slice_value, model_version, basis): how good the decisions of a window were.

product:    name of the exposure
hourly:     output of `baton.performance_hourly`
decisions:  output of `baton.decisions`
outcomes:   output of `baton.outcomes`
population: (entity, as_of) of everybody who should have been scored, with the slices: the scoring set; none leaves its columns null
delay:      output of `baton.delay`; none leaves basis delay_corrected out

Windows hold decisions by as_of: (window_end - window, window_end]. Windows of days end at every midnight up to as_of(now), windows of hours at every full hour up to now, where a
decision lies in them; `whole` ends at as_of(now). Slices: `overall`/`all`, then every value of every declared slice, '(none)' where it is missing. model_version: each version
as text, and `all`. Bases: `matured` counts closed cohorts only, whatever was seen early; `naive` all decisions, what has not been seen being negative, kept to show that bias;
`estimated` all decisions by what their scores say; `delay_corrected` recent windows, see `performance_delay_corrected`. Columns: see `performance_columns`; formulas, intervals and what is null when: docs/decisions/0007-monitoring-first-floor.md.
No number is ever NaN or infinite.

Additive numbers are sums of the hours' rows. What does not add up (exact ranking, repeated entities) is read from decisions. Incremental: a window is computed if its `content`,
the checksum of the decisions and outcomes in it, differs from the row the table has. A window that lost all its decisions comes back with n null, which a post-hook removes. Rows of basis delay_corrected depend on now: all are computed in every run, and those of an earlier now are removed.
#}
{% macro performance(product, hourly, decisions, outcomes, population=none, delay=none) %}
    {% do baton.keep_by_key(product, ['window_kind', 'window_end', 'slice_name', 'slice_value', 'model_version', 'basis'], 'performance') %}
    {% do config(post_hook="delete from {{ this }} where n is null or (basis = 'delay_corrected' and evaluated_at <> {{ baton.now() }})") %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return(adapter.dispatch('performance', 'baton')(product, hourly, decisions, outcomes, population, delay, baton.reusable(this) if is_incremental() else none)) }}
{% endmacro %}

{# The table as it is, if its rows can be taken over: it has today's columns. Otherwise every row is computed, and replaces the one it has. #}
{% macro reusable(relation) %}
    {% set found = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
    {{ return(relation if found | sort == baton.performance_columns() | sort else none) }}
{% endmacro %}

{# built: the table as it is, none to compute every row. #}
{% macro default__performance(product, hourly, decisions, outcomes, population, delay, built) %}
{% set parameters = baton.product(product) %}
{% set windows = baton.windows(parameters.monitor) %}
{% set slices = parameters.slices %}
{% set units = ['day', 'hour'] if 'hour' in windows | map(attribute='unit') else ['day'] %}
{% set spec_hash = baton.spec_hash(product, 'performance') %}
with

{{ baton.performance_cells(parameters, hourly, decisions, population, units) }},

{{ baton.performance_windows(windows) }},

{{ baton.performance_targets(windows, built, spec_hash, population) }},

{{ baton.performance_members(parameters, decisions, outcomes, built) }},

{{ baton.performance_ranks(hourly, slices, windows) }},

{{ baton.performance_repeats(slices, windows, parameters.decide.per == 'entity') }},

{{ baton.performance_bins(windows, units) }},

{{ baton.performance_gathered() }},

{{ baton.performance_labelled(parameters, 'matured', population, spec_hash) }},

{{ baton.performance_labelled(parameters, 'naive', population, spec_hash) }},

{{ baton.performance_estimated(parameters, population, spec_hash) }}

{% for basis in ['matured', 'naive', 'estimated'] %}
{{ 'union all' if not loop.first }}
select {{ baton.performance_columns() | join(', ') }}
from {{ basis }}_rows
{% endfor %}
{%- if delay is not none %}
union all
select {{ baton.performance_columns() | join(', ') }}
from ({{ baton.performance_delay_corrected(product, decisions, outcomes, delay) }}) as corrected
{%- endif %}
{%- if built is not none %}
union all
select
    {% for column in baton.performance_columns() -%}
    {{ column if column in ('window_kind', 'window_end', 'slice_name', 'slice_value', 'model_version', 'basis') else 'null as ' ~ column }}{{ ', ' if not loop.last }}
    {%- endfor %}
from gone
{%- endif %}
{% endmacro %}
