"""`register export`: everything that is known, for auditors and spreadsheets, whole or not at all."""

import csv
import json
import os
import pty
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli.schema_version import Form
from guardrails.decisions.row import Row, Status

from .conftest import Run
from .shelf import AT, FIRST, MARK, NOW, SECOND, Shelf, named, row

DAY = timedelta(days=1)
HOSTILE = "\t=cmd|'/c calc'!A1\x1b[2J"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_the_whole_row_with_the_head_of_its_history(run: Run, shelf: Shelf) -> None:
    full = row(
        named("a"), Status.VIOLATION, 12 * DAY, findings={"EXG102": AT, "EXG201?": AT}, owner=HOSTILE, ticket="S-1",
        adopted=AT, dates=((AT, None), (AT, NOW)), scope_tagged=True,
    )  # fmt: skip
    stored = shelf.put([full])[full.id]
    ran = run("register", "export", *MARK)
    assert (ran.code, ran.err) == (0, "")
    (line,) = lines(ran.out)
    expected = {"expiry_state": "expiring-14", "days_left": 12, "expiry_since": "2026-11-19T12:00:00Z"}
    assert line == full.to_json() | expected | {"seq": 1, "head": stored.head}
    assert Row.from_json(line) == full
    assert run("history", full.id, "--format", "json").json["entries"][-1]["hash"] == line["head"]


def test_csv_has_a_column_for_everything_and_runs_nothing(run: Run, shelf: Shelf, tmp_path: Path) -> None:
    full = row(named("a"), findings={"EXG102": AT}, owner=HOSTILE, dates=((AT, None), (AT, NOW)))
    stored = shelf.put([full])[full.id]
    out = tmp_path / "register.csv"
    ran = run("register", "export", "--format", "csv", "--out", str(out))
    assert (ran.code, ran.out, ran.err) == (0, "", f"1 row written to {out}\n")
    with out.open(encoding="utf-8", newline="") as stream:
        (item,) = csv.DictReader(stream)
    assert set(Form("register export").from_stored(dict.fromkeys(Row.__dataclass_fields__))) < set(item)
    assert (item["id"], item["seq"], item["head"]) == (full.id, "1", stored.head)
    assert json.loads(item["findings"]) == {"EXG102": "2026-11-02T09:30:00Z"}
    assert json.loads(item["dates"]) == [
        ["2026-11-02T09:30:00Z", None],
        ["2026-11-02T09:30:00Z", "2026-11-21T12:00:00Z"],
    ]
    assert item["owner"].startswith("'")
    assert "\x1b" not in item["owner"]


def test_filters_hold_here_too(run: Run, shelf: Shelf) -> None:
    shelf.put([
        row(named("a"), Status.VIOLATION, 5 * DAY, owner="jo@contoso.com"),
        row(named("b"), Status.VIOLATION, 50 * DAY, owner="jo@contoso.com"),
        row(named("c", SECOND), Status.VIOLATION, 5 * DAY),
    ])  # fmt: skip
    found = lines(run("register", "export", "--scope", FIRST, "--days-left", "7", "--owner", "jo@*", *MARK).out)
    assert [line["id"] for line in found] == [named("a")]


def test_a_row_that_cannot_be_trusted_is_exported_as_such(run: Run, shelf: Shelf, tmp_path: Path) -> None:
    shelf.put([row(named("a")), row(named("b"), owner="before")])
    shelf.break_row(named("b"))
    ran = run("register", "export")
    assert ran.code == 1
    good, bad = lines(ran.out)
    assert good["id"] == named("a")
    assert (bad["id"], bad["status"]) == (named("b"), "altered")
    assert bad["problem"].startswith("somebody changed the register outside the service: ")
    assert set(bad) == {"id", "status", "problem"}
    out = tmp_path / "all.json"
    assert run("register", "export", "--out", str(out)).code == 1
    assert lines(out.read_text()) == [good, bad]


def test_a_file_is_replaced_when_all_is_read_and_kept_when_it_is_not(
    run: Run, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put([row(named("a"))])
    out = tmp_path / "all.json"
    out.write_text("yesterday's")
    with monkeypatch.context() as broken:
        broken.setenv("AzureWebJobsStorage", shelf.connection.replace("http://127.0.0.1", "http://127.0.0.1:1/x"))
        ran = run("register", "export", "--out", str(out))
    assert ran.code == 2
    assert [path.read_text() for path in tmp_path.iterdir()] == ["yesterday's"]

    (tmp_path / "link.json").symlink_to(out)
    assert run("register", "export", "--out", str(tmp_path / "link.json")).code == 0
    assert lines(out.read_text())[0]["id"] == named("a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "link.json"]


@pytest.mark.parametrize("name", [".", "no/such/folder.csv", "/dev/null"])
def test_what_is_no_place_for_a_file_is_refused(
    run: Run, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("register", "export", "--out", name)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"guardrails: {name}: the file cannot be written: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["export", "list"])
def test_a_progress_bar_keeps_out_of_the_output(
    run: Run, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    shelf.put(row(named(f"e{n}")) for n in range(30))
    monkeypatch.setenv("TERM", "xterm")
    terminal, inner = pty.openpty()
    with os.fdopen(inner, "w", encoding="utf-8") as screen, monkeypatch.context() as on_a_terminal:
        on_a_terminal.setattr(sys, "stderr", screen)
        ran = run("register", action, "--format", "json")
    shown = os.read(terminal, 65536).decode("utf-8", "replace")  # what a slow run shows may be cut anywhere
    os.close(terminal)
    assert ran.code == 0
    assert len(lines(ran.out) if action == "export" else ran.json) == 30
    assert "rows" in shown
    assert "policyExemptions" not in shown
