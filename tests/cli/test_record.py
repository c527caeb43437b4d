"""sweep list and rules --as-of: what the record has, and what it says of what it has not."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.decisions.record import RecordedSweep, UsedRuleset
from guardrails.decisions.watch import Run as Lease
from guardrails.errors import Retryable
from guardrails.register.backup import Backup
from guardrails.register.keys import RECORD
from guardrails.register.record import Record
from guardrails.register.table import Table
from guardrails.register.table_register import connect
from tests.clock import VirtualClock

from .conftest import Run
from .shelf import Shelf

HOUR = timedelta(hours=1)
NOW = datetime.max.replace(tzinfo=UTC)
"""The present of the test that runs."""
RULES = UsedRuleset("version: 2\nmode: audit\n# ä \x1b[31m\n", "audit")
OTHER = UsedRuleset("version: 2\nmode: enforce\n", "enforce")


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.NOW", datetime.now(UTC).replace(microsecond=0))


def recorded(shelf: Shelf, *sweeps: tuple[float, UsedRuleset, dict[str, Any] | None]) -> None:
    """Have sweeps in the record: how many hours ago, by which ruleset, and what is said at the end; None: it died."""

    async def one(record: Record, number: int, ago: float, ruleset: UsedRuleset, said: dict[str, Any] | None) -> None:
        at = NOW - ago * HOUR
        before = NOW - sweeps[number - 1][0] * HOUR if number else None
        made = {"version": "0.1.0", "ruleset": ruleset.sha256, "mode": ruleset.mode}
        tip, sweep = await record.begin(
            RecordedSweep(at, f"h{number}", made), ruleset, Lease(at, "h", None, before=before)
        )
        if said is not None:
            await record.end(tip, replace(sweep, said={**sweep.said, **said}, ended=at), ruleset, ["s1"])

    async def work() -> None:
        clock = VirtualClock(NOW)
        async with connect(clock=clock, connection_string=shelf.connection, table=shelf.table) as register:
            for number, sweep in enumerate(sweeps):
                await one(register.record, number, *sweep)

    asyncio.run(work())


def spelled(ago: float) -> str:
    return f"{NOW - ago * HOUR:%Y-%m-%dT%H:%M:%SZ}"


FINE: dict[str, Any] = {"report": {"seen": 5, "known": 4, "seconds": 1.5, "queued": {"new": 2}, "missing": []}}


def change(shelf: Shelf, row: str, damage: dict[str, Any] | None) -> None:
    """Change columns of a row of the record; None: delete it."""

    async def work() -> None:
        from azure.data.tables.aio import TableClient  # noqa: PLC0415

        async with TableClient.from_connection_string(shelf.connection, shelf.table) as table:
            key = {"PartitionKey": RECORD, "RowKey": row}
            if damage:
                await table.update_entity({**key, **damage})
            else:
                await table.delete_entity(key)

    asyncio.run(work())


def test_sweeps_are_listed_and_all_is_well_where_none_is_missing(run: Run, shelf: Shelf) -> None:
    recorded(shelf, *((ago, RULES, FINE) for ago in (3.5, 2.5, 1.5, 0.5)))
    ran = run("sweep", "list", "--from", spelled(2.6))
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0][:4] == ["began", "state", "seconds", "seen"]
    assert lines[1] == [spelled(2.5), "ended", "1.5", "5", "4", "2", "1", RULES.sha256[:12], "0.1.0"]
    assert len(lines) == 4


def test_times_without_a_sweep_are_named_with_the_reason(run: Run, shelf: Shelf) -> None:
    recorded(
        shelf, (9, RULES, FINE), (8, RULES, None), (7, RULES, {"broke_off": "storage is full", "report": {}}),
        (6, RULES, FINE), (5, RULES, FINE),
    )  # fmt: skip
    ran = run("sweep", "list", "--format", "json", "--from", spelled(9), "--to", spelled(1))
    assert ran.code == 1
    assert [one["state"] for one in ran.json["sweeps"]] == ["ended", "died", "broke-off", "ended", "ended"]
    first, second = ran.json["gaps"]
    assert (first["from"], first["to"]) == (spelled(9), spelled(6))
    assert "died" in first["why"]
    assert "broke-off" in first["why"]
    assert (second["from"], second["to"], second["why"]) == (spelled(5), spelled(1), "no sweep is recorded")
    assert ran.err.count("no complete sweep from ") == 2


def test_what_is_before_the_record_is_said(run: Run, shelf: Shelf) -> None:
    ran = run("sweep", "list")
    assert (ran.code, "there is no record yet" in ran.err) == (1, True)
    recorded(shelf, (0.5, RULES, FINE))
    ran = run("sweep", "list")
    assert ran.code == 1
    assert ": the record begins then" in ran.err
    assert "the record begins with this sweep" in ran.err


def test_a_record_of_which_the_end_was_altered_is_listed_and_that_is_said(run: Run, shelf: Shelf) -> None:
    recorded(shelf, *((ago, RULES, FINE) for ago in (2.5, 1.5, 0.5)))
    listed = ("sweep", "list", "--format", "json", "--from", spelled(1.6))
    assert (run(*listed).code, run(*listed).json["lacks"]) == (0, [])
    for damage in ({"used": ""}, None):
        change(shelf, "chain", damage)
        ran = run(*listed)
        assert (ran.code, len(ran.json["sweeps"])) == (1, 2)
        assert any("the row `chain` of the record was changed from outside" in text for text in ran.json["lacks"])


@pytest.mark.parametrize(("ago", "number"), [(1.5, 2), (0.5, 3)])
def test_a_sweep_of_which_the_row_was_removed_is_not_taken_for_none(
    run: Run, shelf: Shelf, ago: float, number: int
) -> None:
    recorded(shelf, *((one, RULES, FINE) for one in (3.5, 2.5, 1.5, 0.5)))
    name = f"run~{NOW - ago * HOUR:%Y%m%dT%H%M%SZ}~h{number}"
    change(shelf, name, None)
    ran = run("sweep", "list", "--format", "json", "--from", spelled(2.6))
    assert (ran.code, len(ran.json["sweeps"])) == (1, 2)
    assert f"{name}: the row of a sweep that began is missing. Run exg register verify" in ran.json["lacks"]
    other = run("sweep", "list", "--format", "json", "--from", spelled(3.6), "--to", spelled(2))
    assert not any("a sweep that began is missing" in text for text in other.json["lacks"])


def test_a_sweep_that_goes_on_is_running_and_no_gap(run: Run, shelf: Shelf) -> None:
    recorded(shelf, (3, RULES, FINE), (2, RULES, FINE), (1.4, RULES, FINE), (0.3, RULES, None))
    listed = ("sweep", "list", "--format", "json", "--from", spelled(2.1))
    assert [one["state"] for one in run(*listed).json["sweeps"]] == ["ended", "ended", "died"]

    async def work() -> None:
        clock = VirtualClock(NOW)
        async with connect(clock=clock, connection_string=shelf.connection, table=shelf.table) as register:
            assert await register.sweeps.begin(datetime.now(UTC), "h3", HOUR) is not None

    asyncio.run(work())
    ran = run(*listed)
    assert [one["state"] for one in ran.json["sweeps"]] == ["ended", "ended", "running"]
    assert (ran.code, ran.json["gaps"]) == (0, [])


@pytest.mark.parametrize("period", [("--from", "0001-01-01"), ("--to", "0001-01-01"), ("--from", "9999-12-31")])
def test_any_time_can_be_asked_for(run: Run, shelf: Shelf, period: tuple[str, str]) -> None:
    recorded(shelf, (2, RULES, FINE))
    ran = run("sweep", "list", *period)
    assert ran.code in (0, 1)
    assert "[unexpected]" not in ran.err
    assert "[not-recorded]" in run("rules", "--as-of", period[1]).err


def test_times_are_for_the_list_alone_and_in_order(run: Run, shelf: Shelf) -> None:
    assert "[only-with-list]" in run("sweep", "show", "--from", spelled(1)).err
    assert "[wrong-period]" in run("sweep", "list", "--from", spelled(1), "--to", spelled(2)).err
    future = run("sweep", "list", "--from", spelled(-1))
    assert (future.code, future.out) == (1, "")
    assert "[not-recorded]" in future.err
    assert shelf.table


def test_the_ruleset_of_a_time_is_printed_as_it_was(run: Run, shelf: Shelf) -> None:
    recorded(shelf, (4, RULES, FINE), (3, RULES, FINE), (2, OTHER, FINE))
    ran = run("rules", "--as-of", spelled(3.5))
    assert (ran.code, ran.out) == (0, RULES.text)
    assert f"sha256 {RULES.sha256}" in ran.err
    between = run("rules", "--as-of", spelled(2.5), "--format", "json").json
    assert (between["ruleset"], between["from"], between["until"]) == (RULES.sha256[:12], spelled(4), spelled(2))
    assert between["unsure"][0].startswith("the ruleset changed between ")
    now = run("rules", "--as-of", spelled(1), "--format", "json").json
    assert (now["text"], now["mode"], now["until"], now["last_used"]) == (OTHER.text, "enforce", None, spelled(2))
    assert (between["first_used"], between["last_used"]) == (spelled(4), spelled(3))


def test_of_a_time_before_the_record_no_ruleset_is_made_up(run: Run, shelf: Shelf) -> None:
    ran = run("rules", "--as-of", spelled(1))
    assert (ran.code, ran.out) == (1, "")
    assert "there is no record yet" in ran.err
    assert "[not-recorded]" in ran.err
    recorded(shelf, (2, RULES, FINE))
    ran = run("rules", "--as-of", spelled(3))
    assert (ran.code, ran.out) == (1, "")
    assert "the record begins at" in ran.err
    assert "[not-recorded]" in run("rules", "--as-of", "2999-01-01").err
    assert "[not-with-as-of]" in run("rules", "EXG101", "--as-of", spelled(1)).err


@pytest.mark.parametrize(
    ("number", "damage", "said"),
    [
        (1, None, "changes of the ruleset are missing from the record. Run "),
        (2, None, "changes of the ruleset are missing from the record. Run "),
        (2, {"at": "nonsense"}, "changes of the ruleset are missing from the record. Run "),
        (1, {"sha256": OTHER.sha256}, "the record was changed from outside"),
        (2, {"sha256": RULES.sha256}, "the record was changed from outside"),
    ],
)
def test_a_change_of_the_ruleset_that_was_taken_out_or_altered_leaves_no_answer_without_a_doubt(
    run: Run, shelf: Shelf, number: int, damage: dict[str, Any] | None, said: str
) -> None:
    recorded(shelf, (4, RULES, FINE), (2, OTHER, FINE))
    change(shelf, f"in-force~{number:010d}", damage)
    assert said in run("rules", "--as-of", spelled(1)).err
    early = run("rules", "--as-of", spelled(3))
    if number == 1 and damage is None:
        assert (early.code, early.out) == (1, "")
        assert "changes of the ruleset are missing from the record" in early.err
        assert "the record begins at" not in early.err
    else:
        assert said in early.err


def test_where_the_end_of_the_record_was_altered_the_ruleset_is_not_sure(run: Run, shelf: Shelf) -> None:
    recorded(shelf, (4, RULES, FINE))
    assert run("rules", "--as-of", spelled(1), "--format", "json").json["unsure"] == []
    change(shelf, "chain", {"used": ""})
    assert "the record was changed from outside" in run("rules", "--as-of", spelled(1)).err


def test_a_record_that_begins_later_by_a_change_from_outside_is_not_taken_for_its_beginning(
    run: Run, shelf: Shelf
) -> None:
    recorded(shelf, (4, RULES, FINE))
    change(shelf, "in-force~0000000001", {"at": spelled(1)})
    ran = run("rules", "--as-of", spelled(3))
    assert (ran.code, ran.out) == (1, "")
    assert "[register-altered]" in ran.err
    assert "the record begins at" not in ran.err
    change(shelf, "in-force~0000000001", None)
    change(shelf, "chain", None)
    assert "there is no record yet" not in run("rules", "--as-of", spelled(3)).err


@pytest.mark.parametrize("damage", [{"text": b"nonsense"}, None])
def test_a_damaged_ruleset_is_not_shown(run: Run, shelf: Shelf, damage: dict[str, Any] | None) -> None:
    recorded(shelf, (2, RULES, FINE))

    change(shelf, f"ruleset~{RULES.sha256}", damage)
    ran = run("rules", "--as-of", spelled(1))
    assert (ran.code, ran.out) == (1, "")
    assert "[register-altered]" in ran.err


def test_the_record_is_in_a_full_copy_and_comes_back(run: Run, shelf: Shelf, tmp_path: Any) -> None:
    recorded(shelf, (2, RULES, FINE), (1, OTHER, FINE))
    copy = str(tmp_path / "copy.jsonl")
    assert run("register", "export", "--full", "--out", copy).code == 0
    before = run("sweep", "list", "--format", "json", "--from", spelled(2)).json["sweeps"]
    shelf_of_another = {"GUARDRAILS_TABLE": "another"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUARDRAILS_TABLE", shelf_of_another["GUARDRAILS_TABLE"])
        assert run("register", "import", copy).code == 0
        assert run("sweep", "list", "--format", "json", "--from", spelled(2)).json["sweeps"] == before
        assert run("rules", "--as-of", spelled(1.5)).out == RULES.text
    again = run("register", "import", copy)
    assert (again.code, again.err) == (0, "")


def test_a_copy_of_another_record_adds_its_rulesets_alone_and_says_so(
    run: Run, shelf: Shelf, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(shelf, (5, RULES, FINE), (4, RULES, FINE))
    copy = str(tmp_path / "copy.jsonl")
    assert run("register", "export", "--full", "--out", copy).code == 0
    monkeypatch.setenv("GUARDRAILS_TABLE", "another")
    recorded(replace(shelf, table="another"), (2, OTHER, FINE), (1, OTHER, FINE))
    ran = run("register", "import", copy)
    assert ran.code == 1
    assert "the table has a record of its own" in ran.out + ran.err
    assert run("register", "verify").code == 0
    assert [one["seq"] for one in run("sweep", "list", "--format", "json", "--from", spelled(9)).json["sweeps"]] == [
        1,
        2,
    ]


def test_a_record_that_begins_during_the_import_does_not_mix_with_that_of_the_copy(
    run: Run, shelf: Shelf, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(shelf, (5, RULES, FINE), (4, RULES, FINE))
    copy = str(tmp_path / "copy.jsonl")
    assert run("register", "export", "--full", "--out", copy).code == 0
    monkeypatch.setenv("GUARDRAILS_TABLE", "another")
    read = Backup.partition

    async def read_and_then_the_app_starts(backup: Backup, name: str) -> dict[str, Any]:
        found = await read(backup, name)
        if name == RECORD and not found:
            await asyncio.to_thread(recorded, replace(shelf, table="another"), (1, OTHER, FINE))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backup, "partition", read_and_then_the_app_starts)
        ran = run("register", "import", copy)
    assert ran.code == 1
    assert "record/chain" in ran.out + ran.err
    assert "the table has a record of its own" in (again := run("register", "import", copy)).out + again.err
    ran = run("register", "verify", "--format", "json")
    assert (ran.code, ran.json["problems"], ran.json["sweeps"]) == (0, [], 1)


def test_an_import_that_breaks_off_leaves_no_part_of_a_record(
    run: Run, shelf: Shelf, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage is away once the first rows of the record are written; nobody runs the import again."""
    recorded(shelf, (5, RULES, FINE), (4, RULES, FINE))
    copy = str(tmp_path / "copy.jsonl")
    assert run("register", "export", "--full", "--out", copy).code == 0
    monkeypatch.setenv("GUARDRAILS_TABLE", "another")
    transact = Table.transact

    async def unheard(table: Table, partition: str, writes: Any, subject: str = "") -> Any:
        await transact(table, partition, writes, subject)
        raise Retryable("storage is away", code="storage-unreachable")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "transact", unheard)
        assert run("register", "import", copy).code != 0
    ran = run("register", "verify", "--format", "json")
    assert (ran.code, ran.json["problems"], ran.json["sweeps"]) == (0, [], 2)


def test_a_later_copy_of_the_same_record_brings_it_forward(
    run: Run, shelf: Shelf, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = [str(tmp_path / name) for name in ("first", "later")]
    recorded(shelf, (5, RULES, FINE), (4, RULES, FINE))
    assert run("register", "export", "--full", "--out", copies[0]).code == 0
    recorded(shelf, (3, OTHER, FINE), (2, RULES, FINE))
    assert run("register", "export", "--full", "--out", copies[1]).code == 0
    monkeypatch.setenv("GUARDRAILS_TABLE", "another")
    for copy in (*copies, copies[0]):
        assert run("register", "import", copy).code == 0
    ran = run("register", "verify", "--format", "json")
    assert (ran.json["problems"], ran.json["sweeps"]) == ([], 4)
