{#
How decisions, outcomes and performance_hourly are kept: rows are appended by numbered runs, and a post-hook of the same transaction deletes what they replace.

Every row has the number of the run that wrote it (`batch`), and the rows of the newest batch say how far their run had read: which batch of the table before it, which
arrival of events, which now. The next run starts there. So what was read and what was written are committed together, and a run that dies in between loses nothing.
Numbers never start again: a full refresh goes on counting, and a table that does not exist starts at the milliseconds since 1970 of the run (nothing but "another table"
is read from that). So a table that was built anew has no row up to the number its reader knows, and the reader compares everything.
#}
{% macro keep_changes(product, table) %}
    {% do config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='sync_all_columns',
        pre_hook=["{{ baton.forget_other_specs('" ~ product ~ "', '" ~ table ~ "') }}"]
            + (["{{ baton.forget_other_hashes('" ~ product ~ "') }}"] if table != 'performance_hourly' else []),
        post_hook="{{ baton.forget_replaced('" ~ product ~ "', '" ~ table ~ "') }}"
    ) %}
{% endmacro %}

{#
What a run of `table` starts from: {batch: number of this run, built: the table as it is, or none where every row is computed: at first, after a changed product, in a
full refresh, or where the table has not all of `columns` or another entity_hash}.
#}
{% macro run_of(product, table, columns=[]) %}
    {% set run = {'batch': (1000 * run_started_at.timestamp()) | int, 'built': none} %}
    {% set existing = load_cached_relation(this) %}
    {% if existing is none %}{{ return(run) }}{% endif %}
    {% set entity = baton.product(product).entity %}
    {% set has_entities = 'entity_hash' in columns %}
    {% if not baton.has_columns(existing, ['batch', 'spec_hash'] + columns + ([entity] if has_entities else [])) %}{{ return(run) }}{% endif %}
    {% set found = baton.only_row('select coalesce(' ~ baton.newest_batch(existing) ~ ', 0) + 1 as batch, (select spec_hash from ' ~ existing ~ ' limit 1) as spec_hash, '
        ~ (baton.other_hash(product, existing) if has_entities else '0') ~ ' as has_other_hash') %}
    {% do run.update(batch=found.batch | int) %}
    {% if is_incremental() and found.spec_hash == baton.spec_hash(product, table) and found.has_other_hash | int == 0 %}{% do run.update(built=existing) %}{% endif %}
    {{ return(run) }}
{% endmacro %}

{% macro has_columns(relation, columns) %}
    {% set found = adapter.get_columns_in_relation(relation) | map(attribute='name') | list %}
    {{ return(columns | reject('in', found) | list == []) }}
{% endmacro %}

{# The one row of a select, as a dict. #}
{% macro only_row(sql) %}
    {% set table = run_query(sql) %}
    {{ return(dict(zip(table.column_names, table.rows[0]))) }}
{% endmacro %}

{# A number to find an entity by: comparing it costs a fifth of comparing a text. Two entities may share one, so it narrows down and never decides. #}
{% macro entity_hash(entity) %}{{ return(adapter.dispatch('entity_hash', 'baton')(entity)) }}{% endmacro %}

{% macro default__entity_hash(entity) %}{{ return(baton.bucket(entity, '4294967296', 'entity')) }}{% endmacro %}

{# A tenth of the cost of md5, but another version of DuckDB may have another one: see `other_hash`. #}
{% macro duckdb__entity_hash(entity) %}{{ return('cast(hash(cast(' ~ entity ~ ' as varchar)) >> 1 as bigint)') }}{% endmacro %}

{# 1 if entities of a table are not found by the hash of today, else 0; an expression. #}
{% macro other_hash(product, relation) %}
    {% set differs = 'entity_hash <> ' ~ baton.entity_hash(baton.product(product).entity) %}
    {{ return('(select coalesce(max(case when ' ~ differs ~ ' then 1 else 0 end), 0) from (select * from ' ~ relation ~ ' limit 1) as hashed)') }}
{% endmacro %}

{# Delete everything where the hash has changed; `run_of` knows, and all rows are computed. #}
{% macro forget_other_hashes(product) %}
    {% if not execute or not is_incremental() or not baton.has_columns(this, ['entity_hash', baton.product(product).entity]) %}{{ return('') }}{% endif %}
    {% if baton.only_row('select ' ~ baton.other_hash(product, this) ~ ' as n').n | int == 0 %}{{ return('') }}{% endif %}
    {{ log('the hash of entities is another one: ' ~ this ~ ' is computed anew', info=true) }}
    {{ return('delete from ' ~ this) }}
{% endmacro %}

{# The newest batch of a table, as an expression. Not max(): where rows have been deleted, DuckDB scans all of them for it, and finds the first of an order by its zone maps. #}
{% macro newest_batch(relation) %}{{ return('(select batch from ' ~ relation ~ ' order by batch desc limit 1)') }}{% endmacro %}

{% macro oldest_batch(relation) %}{{ return('(select batch from ' ~ relation ~ ' order by batch limit 1)') }}{% endmacro %}

{# What a post-hook deletes: nothing, at the price of one count, where no row of the newest batch takes the place of another. #}
{% macro forget_replaced(product, table) %}
    {% if not execute or not is_incremental() %}{{ return('') }}{% endif %}
    {% set replacing = {'decisions': 'is_moved = 1', 'outcomes': 'previous_batch is not null', 'performance_hourly': 'kind is null'}[table] %}
    {% set found = baton.only_row('select count(*) as n from ' ~ this ~ ' where batch = ' ~ baton.newest_batch(this) ~ ' and ' ~ replacing) %}
    {% if found.n | int == 0 %}{{ return('') }}{% endif %}
    {{ return({
        'decisions': baton.forget_replaced_decisions, 'outcomes': baton.forget_replaced_outcomes, 'performance_hourly': baton.forget_replaced_performance_hourly
    }[table](this, product)) }}
{% endmacro %}

{# Delete the decisions whose place a row of the newest batch took. #}
{% macro forget_replaced_decisions(relation, product) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set newest = baton.newest_batch(relation) %}
    {% set per = baton.product(product).decide.per %}
    {% set moved = 'from ' ~ relation ~ ' where batch = ' ~ newest ~ ' and is_moved = 1' %}
    {% set sql = 'delete from ' ~ relation ~ ' where batch < ' ~ newest ~ ' and decision_key in (select decision_key ' ~ moved ~ ')' %}
    {% if per == 'entity' %}{{ return(sql) }}{% endif %}
    {{ return(sql ~ ' and as_of >= (select min(as_of) ' ~ moved ~ ') - ' ~ baton.interval(per) ~ ' and as_of <= (select max(as_of) ' ~ moved ~ ') + ' ~ baton.interval(per)) }}
{% endmacro %}

{# Delete the outcomes that a row of the newest batch replaces. The numbers come first: they are compared cheaply, and few keys are left to compare. #}
{% macro forget_replaced_outcomes(relation, product) %}
    {% set newest = baton.newest_batch(relation) %}
    {% set replacing = 'from ' ~ relation ~ ' where batch = ' ~ newest ~ ' and previous_batch is not null' %}
    {{ return('delete from ' ~ relation ~ ' where batch < ' ~ newest ~ ' and as_of in (select coalesce(previous_as_of, as_of) ' ~ replacing
        ~ ') and entity_hash in (select entity_hash ' ~ replacing ~ ') and decision_key in (select decision_key ' ~ replacing ~ ')') }}
{% endmacro %}

{# Delete the hours that the newest batch computed anew; it marks them by a row without kind, which a second post-hook deletes. #}
{% macro forget_replaced_performance_hourly(relation, product) %}
    {% if not execute %}{{ return('') }}{% endif %}
    {{ return('delete from ' ~ relation ~ ' where batch < ' ~ baton.newest_batch(relation) ~ ' and hour in (select hour from ' ~ relation ~ ' where kind is null)') }}
{% endmacro %}
