"""What ends up in the raw table, and with which times."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from landing_files import CSV_HEADER, EVENTS, NOW, event, of_format, rejects, rows, state, write

from orchestration.sources import Column, load_table
from orchestration.sources.books import RawTableError


@pytest.fixture
def con():
    connection = duckdb.connect()
    yield connection
    connection.close()


def test_rows_are_typed_numbered_and_traceable(con, tmp_path: Path):
    write(tmp_path, "b.jsonl", [event("3", is_deleted=True)])
    write(tmp_path, "a.jsonl.gz", [event("1", n="17", amount=3, note='a\nb "é" 😀'), event("2", n=None, note=None)])
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "row_id, file, line, event_id, n, amount, note, is_deleted, extra") == [
        (1, "events/a.jsonl.gz", 1, "1", 17, 3.0, 'a\nb "é" 😀', False, None),
        (2, "events/a.jsonl.gz", 2, "2", None, 2.5, None, False, None),
        (3, "events/b.jsonl", 1, "3", 1, 2.5, "x", True, None),
    ]
    assert rows(con, "distinct on (event_at) event_at, written_at") == [
        (datetime(2026, 11, 1, 10), datetime(2026, 11, 1, 11))
    ]
    assert (report.rows_new, report.rows_total, report.files_loaded, report.rows_rejected) == (3, 3, 2, 0)
    assert (report.newest_event_at, report.newest_known_at) == (datetime(2026, 11, 1, 10), datetime(2026, 11, 1, 11))


def test_loading_again_changes_nothing(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1")])
    load_table(con, EVENTS, tmp_path, NOW)
    before = state(con)
    report = load_table(con, EVENTS, tmp_path, NOW + timedelta(days=1))
    assert state(con) == before
    assert (report.rows_new, report.rows_duplicate, report.files_loaded, report.rows_total) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"event_id": "1"', "malformed JSON"),
        ("no json", "malformed JSON"),
        ('{"event_id": "\ud800"}'.encode("utf-8", "replace").decode(), "event_at is missing"),
        ("[1, 2]", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("7", "not a JSON object"),
        ("{}", "key event_id is missing"),
        ('{"event_id": null, "event_at": "2026-11-01"}', "key event_id is missing"),
        ('{"event_id": "", "event_at": "2026-11-01"}', "key event_id is missing"),
        ('{"event_id": "1", "written_at": "2026-11-01"}', "event_at is missing"),
        ('{"event_id": "1", "event_at": "2026-11-01"}', "written_at is missing"),
        ('{"event_id": "1", "event_at": "soon", "written_at": "2026-11-01"}', "wrong type: event_at is no timestamp"),
        (
            '{"event_id": "1", "event_at": 1767225600, "written_at": "2026-11-01"}',
            "wrong type: event_at is no timestamp",
        ),
        (
            '{"event_id": "1", "event_at": "infinity", "written_at": "2026-11-01"}',
            "wrong type: event_at is no timestamp",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-02-30"}',
            "wrong type: written_at is no timestamp",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-11-01", "n": 1.5}',
            "wrong type: n is no bigint",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-11-01", "n": "0x10"}',
            "wrong type: n is no bigint",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-11-01", "n": true}',
            "wrong type: n is no bigint",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-11-01", "n": 9223372036854775808}',
            "wrong type: n is no bigint",
        ),
        (
            '{"event_id": "1", "event_at": "2026-11-01", "written_at": "2026-11-01", "amount": {}}',
            "wrong type: amount is no double",
        ),
        ('{"event_id": "1", "n": 1, "n": 2, "event_at": "2026-11-01"}', "a field is there twice"),
        ('{"event_id": "1", "new": 1, "new": 2, "event_at": "2026-11-01"}', "a field is there twice"),
    ],
)
def test_a_bad_line_is_kept_whole_and_good_lines_load(con, tmp_path: Path, line: str, reason: str):
    good = '{"event_id": "good", "event_at": "2026-11-01", "written_at": "2026-11-01"}'
    write(tmp_path, "a.jsonl", f"{good}\n\n{line}\n{good}")
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert rejects(con) == [(3, reason, line)]
    assert rows(con, "event_id, line, row_id") == [("good", 1, 1), ("good", 4, 2)]
    assert (report.rows_rejected, report.rejects_by_reason, report.files_failed) == (1, {reason: 1}, ())


def test_no_reason_quotes_a_value(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1", n="ada@example.com", event_at="ada@example.com")])
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert "ada@" not in str(report)
    assert "ada@" in rejects(con)[0][2]


def test_what_was_not_declared_is_kept_aside_and_reported(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1", big=12345678901234567890123, nested={"a": [1]}), event("2", known_at="x")])
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "extra") == [('{"big":12345678901234567890123,"nested":{"a":[1]}}',), ('{"known_at":"x"}',)]
    assert report.unexpected_columns == ("big", "known_at", "nested")


def test_a_declared_column_missing_from_the_file_is_null(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1", n=..., note=...)])
    write(tmp_path, "b.jsonl", [event("2", n=...), event("", n=3)])
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "event_id, n, note") == [("1", None, None), ("2", None, "x")]
    assert report.rows_rejected == 1


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01T10:00:00", datetime(2026, 11, 1, 10)),
        ("2026-11-01 10:00:00.123456", datetime(2026, 11, 1, 10, 0, 0, 123456)),
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8)),
        ("2026-11-01 10:00:00+02", datetime(2026, 11, 1, 8)),
        ("2026-11-01T23:30:00.5-0530", datetime(2026, 11, 2, 5, 0, 0, 500000)),
        ("2026-11-01", datetime(2026, 11, 1)),
    ],
)
def test_instants_become_utc(con, tmp_path: Path, text: str, instant: datetime):
    con.execute("set TimeZone = 'America/New_York'")
    write(tmp_path, "a.jsonl", [event("1", event_at=text)])
    load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "event_at") == [(instant,)]


def test_every_declared_type_reads_what_writers_send_for_it(con, tmp_path: Path):
    wanted = {
        "SMALLINT": [("5", 5), (5.0, 5)],
        "HUGEINT": [(123456789012345678901234567890, 123456789012345678901234567890)],
        "BIGINT": [("9007199254740993", 9007199254740993), ("5.0", 5), ("-7", -7)],
        "BOOLEAN": [(True, True), ("false", False)],
        "DECIMAL(10,2)": [("12.34", "12.34")],
        "DATE": [("2026-11-01", "2026-11-01"), ("2026-11-01T00:00:00Z", "2026-11-01")],
        "JSON": [({"a": "b"}, '{"a":"b"}'), ("text", '"text"')],
        "VARCHAR": [(7, "7"), ({"a": 1}, '{"a":1}'), ("null", "null")],
    }
    for i, (data_type, cases) in enumerate(wanted.items()):
        table = replace(
            EVENTS, name=f"t{i}", path=f"events/{i}.*", columns=(*EVENTS.columns, Column("value", data_type))
        )
        write(tmp_path, f"{i}.jsonl", [event(str(n), value=sent) for n, (sent, _) in enumerate(cases)])
        report = load_table(con, table, tmp_path, NOW)
        assert report.rejects_by_reason == {}, data_type
        read = [value for (value,) in rows(con, "value", f"raw.t{i}")]
        assert [str(value) for value in read] == [str(stored) for _, stored in cases], data_type


def test_duplicates_are_counted_and_kept(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1"), event("1"), event("1", n=2), event("2", note=None)])
    first = load_table(con, EVENTS, tmp_path, NOW)
    assert (first.rows_new, first.rows_duplicate) == (3, 1)
    write(tmp_path, "b.jsonl", [event("2", note=None), event("1"), event("3"), event("3"), event("1", is_deleted=True)])
    second = load_table(con, EVENTS, tmp_path, NOW)
    assert (second.rows_new, second.rows_duplicate, second.rows_total) == (2, 3, 9)


class TestKnownAt:
    """Initial load: written_at. Afterwards: no earlier than the load, less the declared lag."""

    def known(self, con) -> list[datetime]:
        return [known_at for (known_at,) in rows(con, "known_at")]

    def test_initial_load_takes_written_at_and_later_loads_their_own_time(self, con, tmp_path: Path):
        write(tmp_path, "a.jsonl", [event("1", written_at="2026-11-01T11:00:00")])
        assert load_table(con, EVENTS, tmp_path, NOW).is_initial_load
        assert con.execute("from raw.load_state").fetchall() == [("raw.events", NOW)]  # the run's clock, no other
        write(tmp_path, "b.jsonl", [event("2", written_at="2026-11-02"), event("3", written_at="2026-11-21T05:00:00")])
        assert not load_table(con, EVENTS, tmp_path, NOW).is_initial_load
        assert self.known(con) == [datetime(2026, 11, 1, 11), NOW - timedelta(hours=24), datetime(2026, 11, 21, 5)]

    def test_without_load_lag_nothing_is_known_before_the_run(self, con, tmp_path: Path):
        table = replace(EVENTS, load_lag=timedelta(0))
        write(tmp_path, "a.jsonl", [event("1")])
        load_table(con, table, tmp_path, NOW)
        write(tmp_path, "b.jsonl", [event("2")])
        load_table(con, table, tmp_path, NOW)
        assert self.known(con)[1] == NOW

    def test_an_empty_landing_folder_is_no_initial_load(self, con, tmp_path: Path):
        load_table(con, EVENTS, tmp_path, NOW - timedelta(days=1))
        write(tmp_path, "a.jsonl", [event("1")])
        load_table(con, EVENTS, tmp_path, NOW)
        assert self.known(con) == [datetime(2026, 11, 1, 11)]

    def test_assumed_lag_stands_in_for_written_at_and_is_flagged(self, con, tmp_path: Path):
        columns = tuple(column for column in EVENTS.columns if column.name != "written_at")
        table = replace(EVENTS, written_at=None, columns=columns, assumed_lag=timedelta(hours=3))
        write(tmp_path, "a.jsonl", [event("1", written_at=...)])
        assert load_table(con, table, tmp_path, NOW).assumed_known_at
        assert self.known(con) == [datetime(2026, 11, 1, 13)]

    def test_assumed_lag_fills_single_gaps(self, con, tmp_path: Path):
        table = replace(EVENTS, assumed_lag=timedelta(hours=3))
        write(tmp_path, "a.jsonl", [event("1")])
        assert not load_table(con, table, tmp_path, NOW).assumed_known_at
        write(tmp_path, "b.jsonl", [event("2", written_at=None, event_at="2026-11-21T04:00:00")])
        assert load_table(con, table, tmp_path, NOW).assumed_known_at
        assert self.known(con)[1] == datetime(2026, 11, 21, 7)

    def test_rows_from_the_future_load_but_do_not_make_the_data_look_fresh(self, con, tmp_path: Path):
        late, ahead = "2026-11-23T00:00:00", "2099-01-01T00:00:00"
        write(tmp_path, "a.jsonl", [event("1"), event("2", event_at=late), event("3", written_at=ahead)])
        report = load_table(con, EVENTS, tmp_path, NOW)
        assert (report.rows_from_future, report.rows_total) == (2, 3)
        assert (report.newest_event_at, report.newest_known_at) == (
            datetime(2026, 11, 1, 10),
            datetime(2026, 11, 1, 11),
        )

    def test_loaded_at_is_the_wall_clock(self, con, tmp_path: Path):
        write(tmp_path, "a.jsonl", [event("1")])
        load_table(con, EVENTS, tmp_path, datetime(2020, 1, 1))
        age = datetime.now(UTC).replace(tzinfo=None) - rows(con, "loaded_at")[0][0]
        assert abs(age) < timedelta(minutes=1)


class TestDeclarationsChange:
    def test_a_column_declared_later_is_added(self, con, tmp_path: Path):
        write(tmp_path, "a.jsonl", [event("1", plan="old")])
        load_table(con, EVENTS, tmp_path, NOW)
        wider = replace(EVENTS, columns=(*EVENTS.columns, Column("plan", "VARCHAR")))
        write(tmp_path, "b.jsonl", [event("2", plan="new")])
        load_table(con, wider, tmp_path, NOW)
        assert rows(con, "event_id, plan, extra") == [("1", None, '{"plan":"old"}'), ("2", "new", None)]

    def test_a_changed_type_is_refused_with_the_way_out(self, con, tmp_path: Path):
        load_table(con, EVENTS, tmp_path, NOW)
        columns = tuple(replace(column, type="VARCHAR") for column in EVENTS.columns)
        with pytest.raises(RawTableError) as error:
            load_table(con, replace(EVENTS, columns=columns), tmp_path, NOW)
        assert "models/sources/events.yml: column n of raw.events is declared varchar" in str(error.value)
        assert "it is bigint" in str(error.value)
        way_out = str(error.value).partition("execute('")[2].partition("'")[0]
        con.execute(way_out)
        write(tmp_path, "a.jsonl", [event("1")])
        other = [replace(column, type="VARCHAR" if column.name == "n" else column.type) for column in EVENTS.columns]
        assert load_table(con, replace(EVENTS, columns=tuple(other)), tmp_path, NOW).rows_new == 1

    def test_a_table_of_another_loader_is_refused(self, con, tmp_path: Path):
        con.execute("create schema raw; create table raw.events (event_id varchar)")
        with pytest.raises(RawTableError, match="was not made by this loader"):
            load_table(con, EVENTS, tmp_path, NOW)


class TestCsv:
    table = of_format("csv")

    def test_quotes_line_breaks_and_nulls(self, con, tmp_path: Path):
        text = (
            f"{CSV_HEADER}\r\n"
            '1,5,"2.5","a ""b"", c",2026-11-01,2026-11-01\r\n'
            "\r\n"
            '2,"","1e3","first\r\nsecond\r\n\r\nfourth",2026-11-01,2026-11-01\r\n'
            '"3",7,,"",2026-11-01,2026-11-01\r\n'
            "4,7,,,2026-11-01T10:00:00+02:00,2026-11-01"
        )
        write(tmp_path, "a.csv.gz", text)
        report = load_table(con, self.table, tmp_path, NOW)
        assert rejects(con) == []
        assert rows(con, "line, event_id, n, amount, note") == [
            (2, "1", 5, 2.5, 'a "b", c'),
            (4, "2", None, 1000.0, "first\r\nsecond\r\n\r\nfourth"),
            (8, "3", 7, None, ""),
            (9, "4", 7, None, None),
        ]
        assert report.rows_new == 4

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("1,5,2.5,a,2026-11-01", "malformed CSV: 5 fields, the header has 6"),
            ("1,5,2.5,a,2026-11-01,2026-11-01,more", "malformed CSV: 7 fields, the header has 6"),
            ('1,5,2.5,a"b",2026-11-01,2026-11-01', "malformed CSV: quotes"),
            ('1,5,2.5,"a,2026-11-01,2026-11-01', "malformed CSV: quotes"),
            (",5,2.5,a,2026-11-01,2026-11-01", "key event_id is missing"),
            ('"",5,2.5,a,2026-11-01,2026-11-01', "key event_id is missing"),
            ("1,five,2.5,a,2026-11-01,2026-11-01", "wrong type: n is no bigint"),
            ("1,5,2.5,a,,2026-11-01", "event_at is missing"),
        ],
    )
    def test_a_bad_record_is_kept_whole_and_good_records_load(self, con, tmp_path: Path, line: str, reason: str):
        good = 'good,5,2.5,"a\nb",2026-11-01,2026-11-01'
        write(tmp_path, "a.csv", f"{CSV_HEADER}\n{good}\n{line}\n{good}\n{good}\n")
        report = load_table(con, self.table, tmp_path, NOW)
        assert rejects(con) == [(4, reason, line)]
        assert rows(con, "event_id, line, note") == [("good", 2, "a\nb"), ("good", 5, "a\nb"), ("good", 7, "a\nb")]
        assert report.files_failed == ()

    def test_undeclared_columns_are_kept_aside(self, con, tmp_path: Path):
        write(tmp_path, "a.csv", f'new,{CSV_HEADER},"odd, one"\n7,1,5,2.5,a,2026-11-01,2026-11-01,"q""q"\n')
        report = load_table(con, self.table, tmp_path, NOW)
        assert rows(con, "event_id, extra") == [("1", '{"new":"7","odd, one":"q\\"q"}')]
        assert report.unexpected_columns == ("new", "odd, one")

    def test_columns_come_in_any_order_and_may_lack(self, con, tmp_path: Path):
        write(tmp_path, "a.csv", "written_at,event_at,event_id\n2026-11-02,2026-11-01,1\n")
        load_table(con, self.table, tmp_path, NOW)
        assert rows(con, "event_id, event_at, n") == [("1", datetime(2026, 11, 1), None)]

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            ("n,event_at,written_at", "the header lacks event_id; it has n, event_at, written_at"),
            ("event_id,n,n,event_at,written_at", "the header names n more than once"),
            ('event_id,"n,event_at', "the CSV header has a quote inside a name or an unclosed quote"),
        ],
    )
    def test_a_header_no_row_can_be_read_by_fails_the_file(self, con, tmp_path: Path, header: str, reason: str):
        write(tmp_path, "a.csv", f"{header}\n")
        [failure] = load_table(con, self.table, tmp_path, NOW).files_failed
        assert failure.reason == reason

    @pytest.mark.parametrize("text", [f"{CSV_HEADER}\n", f"\ufeff{CSV_HEADER}", "\n\n"])
    def test_a_file_without_rows_is_loaded_once(self, con, tmp_path: Path, text: str):
        write(tmp_path, "a.csv", text)
        assert load_table(con, self.table, tmp_path, NOW).files_loaded == 1
        assert load_table(con, self.table, tmp_path, NOW).files_loaded == 0


class TestParquet:
    table = of_format("parquet")

    def write(self, landing: Path, name: str, select: str) -> None:
        (landing / "events").mkdir(exist_ok=True)
        duckdb.sql(f"copy ({select}) to '{landing}/events/{name}' (format parquet)")

    def test_rows_load_typed_with_extra_columns_kept_aside(self, con, tmp_path: Path):
        self.write(
            tmp_path,
            "a.parquet",
            "select 1 as event_id, 5::int as n, 2.5::float as amount, [1, 2] as note, date '2026-11-01' as event_at, "
            "timestamptz '2026-11-01 10:00:00+02' as written_at, {'a': 1} as new",
        )
        report = load_table(con, self.table, tmp_path, NOW)
        assert rows(con, "line, event_id, n, amount, note, event_at, written_at, extra") == [
            (1, "1", 5, 2.5, "[1, 2]", datetime(2026, 11, 1), datetime(2026, 11, 1, 8), '{"new":{"a":1}}')
        ]
        assert report.unexpected_columns == ("new",)

    def test_a_bad_row_is_kept_whole(self, con, tmp_path: Path):
        self.write(
            tmp_path,
            "a.parquet",
            "select i::varchar as event_id, if(i = 1, 'x', '7') as n, timestamp '2026-11-01' as event_at, "
            "timestamp '2026-11-01' as written_at from range(3) t(i)",
        )
        load_table(con, self.table, tmp_path, NOW)
        assert rows(con, "line, event_id, n") == [(1, "0", 7), (3, "2", 7)]
        [(line, reason, content)] = rejects(con)
        assert (line, reason) == (2, "wrong type: n is no bigint")
        assert content == '{"event_id":"1","n":"x","event_at":"2026-11-01 00:00:00","written_at":"2026-11-01 00:00:00"}'


def test_fields_with_a_meaning_may_have_any_name_in_the_file(con, tmp_path: Path):
    table = replace(
        EVENTS,
        key=("event_id", "event_at"),
        columns=(Column("event_id", "VARCHAR"), Column("saved_at", "TIMESTAMP")),
        event_at="changed_at",
        written_at="saved_at",
        deleted="gone",
    )
    line = '{"event_id": "1", "changed_at": "2026-11-01", "saved_at": "2026-11-02", "gone": true, "event_at": "theirs"}'
    write(tmp_path, "a.jsonl", line + '\n{"event_id": "1", "saved_at": "2026-11-02"}')
    load_table(con, table, tmp_path, NOW)
    assert rows(con, "event_id, event_at, known_at, saved_at, is_deleted, extra") == [
        ("1", datetime(2026, 11, 1), datetime(2026, 11, 2), datetime(2026, 11, 2), True, '{"event_at":"theirs"}')
    ]
    assert [reason for _, reason, _ in rejects(con)] == ["key changed_at is missing"]
