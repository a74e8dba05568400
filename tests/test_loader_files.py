"""Which files load, which fail, and what the next run makes of them."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from landing_files import CSV_HEADER, EVENTS, NOW, event, of_format, rejects, rows, state, write

from orchestration.sources import load_table
from orchestration.sources.files import LandingFile


@pytest.fixture
def con():
    connection = duckdb.connect()
    yield connection
    connection.close()


GOOD = '{"event_id": "%s", "event_at": "2026-11-01", "written_at": "2026-11-01"}'
LINES = "\n".join(GOOD % i for i in range(2000)).encode()
ZIPPED = gzip.compress(LINES)


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("file_format", "name", "content", "reason"),
    [
        ("jsonl", "b.jsonl.gz", ZIPPED[:-4], "broken gzip"),
        ("jsonl", "b.jsonl.gz", ZIPPED[: len(ZIPPED) // 2], "broken gzip"),
        ("jsonl", "b.jsonl.gz", flipped(ZIPPED, len(ZIPPED) // 2), "broken gzip"),
        ("jsonl", "b.jsonl.gz", flipped(ZIPPED, len(ZIPPED) - 6), "broken gzip: CRC check failed"),
        ("jsonl", "b.jsonl.gz", ZIPPED + b"more", "broken gzip"),
        ("jsonl", "b.jsonl", LINES.decode().encode("utf-16"), "not UTF-8 text"),
        ("jsonl", "b.jsonl", LINES + b'\n{"event_id": "\xe9"}', "not UTF-8 text"),
        ("csv", "b.csv", f"{CSV_HEADER}\nn\xf6,1,1,a,2026-11-01,2026-11-01\n".encode("latin-1"), "not UTF-8 text"),
        ("parquet", "b.parquet", b"PAR1 this is no parquet PAR1", "broken Parquet"),
    ],
)
def test_of_an_unreadable_file_nothing_loads_and_it_is_tried_again(
    con, tmp_path: Path, file_format: str, name: str, content: bytes, reason: str
):
    table = of_format(file_format)
    healthy = tmp_path / "healthy"
    if file_format == "parquet":
        columns = "'1' as event_id, timestamp '2026-11-01' as event_at, timestamp '2026-11-01' as written_at"
        duckdb.sql(f"copy (select {columns}) to '{healthy}' (format parquet)")
    else:
        healthy.write_bytes(
            LINES if file_format == "jsonl" else f"{CSV_HEADER}\n1,1,1,a,2026-11-01,2026-11-01".encode()
        )
    for good_name in ("a", "c"):
        write(tmp_path, good_name, healthy.read_bytes())
    path = tmp_path / "events" / name
    path.write_bytes(content)
    n_healthy = 2000 if file_format == "jsonl" else 1

    report = load_table(con, table, tmp_path, NOW)
    [failure] = report.files_failed
    assert (failure.file, failure.reason[: len(reason)]) == (f"events/{name}", reason)
    assert "Deliver it again" in failure.way_out
    assert (report.files_loaded, report.rows_total, rejects(con)) == (2, 2 * n_healthy, [])

    path.write_bytes(healthy.read_bytes())
    report = load_table(con, table, tmp_path, NOW)
    assert (report.files_failed, report.files_loaded, report.rows_duplicate) == ((), 1, n_healthy)


def test_a_file_changed_after_it_was_loaded_is_reported_and_not_loaded_again(con, tmp_path: Path):
    path = write(tmp_path, "a.jsonl", [event("1")])
    write(tmp_path, "b.jsonl", [event("2")])
    load_table(con, EVENTS, tmp_path, NOW)
    before, content = state(con), path.read_bytes()
    write(tmp_path, "a.jsonl", [event("1"), event("3")])
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert state(con) == before
    assert [failure.file for failure in report.files_failed] == ["events/a.jsonl"]
    assert "changed after it was loaded" in report.files_failed[0].reason
    assert "deliver the new rows in a file of a new name" in report.files_failed[0].way_out
    path.write_bytes(content)
    assert load_table(con, EVENTS, tmp_path, NOW).files_failed == ()


def test_a_change_that_keeps_the_size_is_seen(con, tmp_path: Path):
    path = write(tmp_path, "a.jsonl", [event("1")])
    load_table(con, EVENTS, tmp_path, NOW)
    path.write_bytes(path.read_bytes().replace(b'"1"', b'"2"'))
    assert len(load_table(con, EVENTS, tmp_path, NOW).files_failed) == 1


def test_a_file_that_was_only_touched_is_no_change(con, tmp_path: Path):
    path = write(tmp_path, "a.jsonl", [event("1")])
    load_table(con, EVENTS, tmp_path, NOW)
    os.utime(path, (1, 1))
    assert load_table(con, EVENTS, tmp_path, NOW).files_failed == ()


def test_a_file_that_grows_while_it_is_read_is_not_loaded(con, tmp_path: Path, monkeypatch):
    path = write(tmp_path, "a.jsonl", [event("1")])
    at = LandingFile.at.__func__

    def look_and_append(cls, looked_at, landing):
        file = at(cls, looked_at, landing)
        with path.open("a") as stream:
            stream.write("\n")
        return file

    monkeypatch.setattr(LandingFile, "at", classmethod(look_and_append))
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert "it changed while it was read" in report.files_failed[0].reason
    assert report.rows_total == 0
    monkeypatch.undo()
    assert load_table(con, EVENTS, tmp_path, NOW).rows_new == 1


def test_an_empty_file_waits_for_its_content(con, tmp_path: Path):
    path = write(tmp_path, "a.jsonl", b"")
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert (report.files_loaded, report.files_empty, report.files_failed) == (0, 1, ())
    path.write_text(GOOD % 1)
    assert load_table(con, EVENTS, tmp_path, NOW).rows_new == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\ufeff" + GOOD % 1 + "\n", [(1, "1")]),
        (GOOD % 1 + "\r\n\r\n" + GOOD % 2 + "\r\n", [(1, "1"), (3, "2")]),
        (GOOD % 1 + "\r\n" + GOOD % 2 + "\n" + GOOD % 3, [(1, "1"), (2, "2"), (3, "3")]),
        (GOOD % 1 + "\n\n  \t\n" + GOOD % 2, [(1, "1"), (4, "2")]),
        ("\n" + GOOD % "\u2028\u0085", [(2, "\u2028\u0085")]),
        (GOOD % ("x" * 3_000_000) + "\n" + GOOD % 2, [(1, "x" * 3_000_000), (2, "2")]),
        ("  " + GOOD % 1 + " \n", [(1, "1")]),
        ("\n\n", []),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_line_ends_and_marks_do_not_matter(con, tmp_path: Path, name: str, content: str, expected: list):
    write(tmp_path, name, content)
    report = load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "line, event_id") == expected
    assert (report.files_loaded, rejects(con)) == (1, [])


def test_a_line_with_a_nul_byte_is_rejected_alone(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", f"{GOOD % 1}\nbad\0line\n{GOOD % 2}")
    load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "line, event_id") == [(1, "1"), (3, "2")]
    assert rejects(con) == [(2, "malformed JSON", "bad\0line")]


def test_a_carriage_return_alone_ends_no_line(con, tmp_path: Path):
    good = "good,1,1,x,2026-11-01,2026-11-01"
    write(tmp_path, "a.csv", f"{CSV_HEADER}\n{good}\nbad\r{good}\n{good}\n")
    load_table(con, of_format("csv"), tmp_path, NOW)
    assert rows(con, "line, event_id") == [(2, "good"), (4, "good")]
    assert rejects(con) == [(3, "malformed CSV: line break outside quotes", f"bad\r{good}")]


def test_names_are_taken_literally(con, tmp_path: Path):
    for name in ("it's [a] file?.jsonl", "*.jsonl", "ä b.jsonl"):
        write(tmp_path, name, [event(name)])
    load_table(con, EVENTS, tmp_path, NOW)
    assert [(f"events/{name}", name) for _, name in rows(con, "file, event_id")] == rows(con, "file, event_id")
    assert len(rows(con, "file")) == 3


def test_compression_is_known_by_content_not_by_name(con, tmp_path: Path):
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "a.jsonl").write_bytes(gzip.compress((GOOD % 1).encode()))
    (tmp_path / "events" / "b.jsonl.gz").write_text(GOOD % 2)
    load_table(con, EVENTS, tmp_path, NOW)
    assert rows(con, "event_id") == [("1",), ("2",)]


def test_tables_of_one_schema_keep_their_books_apart(con, tmp_path: Path):
    write(tmp_path, "a.jsonl", [event("1")])
    load_table(con, EVENTS, tmp_path, NOW)
    other = replace(EVENTS, name="others")
    assert load_table(con, other, tmp_path, NOW).is_initial_load
    assert rows(con, "row_id, event_id", "raw.others") == rows(con, "row_id, event_id")
