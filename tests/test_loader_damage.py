"""Random files, random damage: nothing good is lost, nothing is loaded twice, nothing disappears."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from landing_files import CSV_HEADER, NOW, event, of_format, rejects, rows, state, write

from orchestration.sources import LoadReport, load_table
from orchestration.sources.one_file import FileLoader

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
EVENT = st.builds(
    event,
    TEXT.filter(bool),
    n=st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    amount=st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    note=st.one_of(st.none(), TEXT),
)
FIELDS = ("event_id", "n", "amount", "note")
few = settings(max_examples=20, deadline=None)


@contextmanager
def loaded(
    content: str, file_format: str = "jsonl", name: str = "a"
) -> Iterator[tuple[duckdb.DuckDBPyConnection, LoadReport]]:
    """A warehouse in memory after loading one file of this content."""
    con = warehouse()
    con.execute("drop schema if exists raw cascade")
    with tempfile.TemporaryDirectory() as landing:
        write(Path(landing), name, content)
        yield con, load_table(con, of_format(file_format), Path(landing), NOW)


@pytest.fixture(scope="module", autouse=True)
def _closed_in_the_end():
    yield
    warehouse().close()
    warehouse.cache_clear()


@cache
def warehouse() -> duckdb.DuckDBPyConnection:
    """One for all examples: opening costs more than a load."""
    return duckdb.connect()


def dumped(row: dict, ensure_ascii: bool) -> str:
    return json.dumps(row, ensure_ascii=ensure_ascii)


@few
@given(st.lists(EVENT, max_size=8), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_json_values_arrive_as_sent(events, ensure_ascii, line_end):
    with loaded(line_end.join(dumped(row, ensure_ascii) for row in events) or "\n") as (con, report):
        assert rows(con, ", ".join(FIELDS)) == [tuple(row[name] for name in FIELDS) for row in events]
        assert (report.rows_rejected, report.unexpected_columns, report.files_failed) == (0, (), ())


@few
@given(
    st.lists(EVENT, max_size=8), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["\n", "\r\n"])
)
@example([event("1", note='a\r\n\n"b"'), event(",\r")], csv.QUOTE_MINIMAL, "\r\n")
def test_csv_values_arrive_as_sent_with_the_line_they_begin_at(events, quoting, line_end):
    if line_end == "\n":  # Python's writer leaves a carriage return alone without quotes: such a record is rejected
        events = [row for row in events if "\r" not in f"{row['event_id']}{row['note']}"]
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_HEADER.split(","), quoting=quoting, lineterminator=line_end)
    writer.writeheader()
    expected = []
    for row in events:
        line = text.getvalue().count("\n") + 1
        writer.writerow(row)
        note = row["note"] or ("" if quoting == csv.QUOTE_ALL else None)
        expected.append((line, row["event_id"], row["n"], row["amount"], note))
    with loaded(text.getvalue(), "csv") as (con, report):
        assert rejects(con) == []
        assert rows(con, "line, event_id, n, amount, note") == expected
        assert report.files_failed == ()


LINE = st.one_of(
    EVENT.map(lambda row: ("good", dumped(row, ensure_ascii=False))),
    st.sampled_from(["", " ", "\t"]).map(lambda text: ("blank", text)),
    st.tuples(EVENT, st.integers(0), st.integers(0, 40)).map(
        # A line cut off inside cannot be an object any more.
        lambda cut: ("bad", (text := dumped(cut[0], ensure_ascii=False))[: cut[1] % (len(text) - 1) + 1])
    ),
    st.sampled_from(
        [{"event_id": None}, {"event_at": ...}, {"event_at": "x"}, {"n": 0.5}, {"amount": "x"}, {"written_at": ...}]
    ).map(lambda wrong: ("bad", dumped(event("1", **wrong), ensure_ascii=True))),
    TEXT.filter(lambda text: text.strip() and not set(text) & set("\r\n0123456789")).map(
        lambda text: ("bad", text) if text not in ("NaN", "nan") else ("blank", "")
    ),
)


@few
@given(st.lists(LINE, max_size=12), st.sampled_from(["a", "a.gz"]))
def test_every_line_is_a_row_a_reject_or_blank(lines, name):
    numbered = [(i, kind, text) for i, (kind, text) in enumerate(lines, start=1)]
    with loaded("\n".join(text for _, text in lines) + "\n", name=name) as (con, report):
        good = [(i, json.loads(text)["event_id"]) for i, kind, text in numbered if kind == "good"]
        assert rows(con, "line, event_id") == good
        assert rows(con, "row_id") == [(i,) for i in range(1, len(good) + 1)]
        kept = [(line, content) for line, _, content in rejects(con)]
        assert kept == [(i, text) for i, kind, text in numbered if kind == "bad"]
        assert report.rows_new + report.rows_duplicate == len(good)
        assert report.rows_rejected == len(kept)


@few
@given(st.lists(st.sampled_from(["good", "multi", "short", "long", "typed", "blank"]), max_size=12), st.integers(0, 30))
def test_one_stray_quote_costs_one_record(kinds, where):
    record = {
        "good": "g,1,1,x,2026-11-01,2026-11-01",
        "multi": 'm,1,1,"a\nb,""c""\n",2026-11-01,2026-11-01',
        "short": "s,1",
        "long": "l,1,1,x,2026-11-01,2026-11-01,1",
        "typed": "t,one,1,x,2026-11-01,2026-11-01",
        "blank": "",
        "stray": 'q,1,1,"x,2026-11-01,2026-11-01',
    }
    kinds.insert(where % (len(kinds) + 1), "stray")
    with loaded("\n".join([CSV_HEADER, *(record[kind] for kind in kinds)]), "csv") as (con, _):
        n_good = sum(kind in ("good", "multi") for kind in kinds)
        n_bad = sum(kind in ("short", "long", "typed", "stray") for kind in kinds)
        assert (len(rows(con, "line")), len(rejects(con))) == (n_good, n_bad)


@few
@given(st.lists(EVENT, min_size=1, max_size=8), st.booleans())
def test_the_single_pass_and_the_record_by_record_pass_give_the_same_rows(events, as_csv):
    content = "\n".join(dumped(row | {"more": 1}, ensure_ascii=False) for row in events)
    if as_csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, [*CSV_HEADER.split(","), "more"])
        writer.writeheader()
        writer.writerows(row | {"more": 1} for row in events)
        content = text.getvalue()
    file_format = "csv" if as_csv else "jsonl"
    with loaded(content, file_format) as (con, _):
        single = state(con)
    all_sound = FileLoader._all_sound
    FileLoader._all_sound = lambda *_: duckdb.sql("select error('not this way')").fetchall()  # type: ignore[method-assign]
    try:
        with loaded(content, file_format) as (con, _):
            by_record = state(con)
    finally:
        FileLoader._all_sound = all_sound  # type: ignore[method-assign]
    assert _without_time(single) == _without_time(by_record)


def _without_time(tables: list[list[tuple]]) -> list:
    # modified_ns of two temporary files differs
    rows_of, rejected, ledger, marks = tables
    return [rows_of, rejected, [(*row[:3], *row[4:]) for row in ledger], marks]


def test_sound_files_take_the_single_pass(monkeypatch):
    def refuse(*_):
        raise AssertionError("a sound file went record by record")

    monkeypatch.setattr(FileLoader, "_sorted_out", refuse)
    with loaded(dumped(event("1", more=1), ensure_ascii=False)) as (con, _):
        assert len(rows(con, "line")) == 1
    with loaded(f'{CSV_HEADER}\n1,1,1,"a ""b"", c",2026-11-01,2026-11-01\n', "csv") as (con, _):
        assert len(rows(con, "line")) == 1


def test_a_record_by_record_pass_goes_on_over_batches(monkeypatch):
    monkeypatch.setattr("orchestration.sources.lines.BATCH", 7)
    lines = [dumped(event(str(i), n="bad" if i % 5 == 0 else i), ensure_ascii=True) for i in range(50)]
    with loaded("\n".join(lines)) as (con, report):
        assert rows(con, "row_id, line, n") == [
            (position, i + 1, i) for position, i in enumerate((i for i in range(50) if i % 5), start=1)
        ]
        assert report.rows_rejected == 10
