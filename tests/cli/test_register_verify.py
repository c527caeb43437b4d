"""register verify: what a hand took out is found by what sweeps recorded; and what no check can show is said."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from guardrails.decisions.heads import Scanned, change
from guardrails.decisions.history import Entry
from guardrails.decisions.record import RecordedSweep, UsedRuleset
from guardrails.decisions.row import Status
from guardrails.decisions.watch import Run as Lease
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address
from guardrails.register.table_register import TableRegister, connect
from tests.clock import VirtualClock

from .conftest import Ran, Run
from .shelf import AT, FIRST, GROUP, SECOND, Shelf, named, row

IDS = [named(f"e{number}", scope) for number, scope in enumerate((FIRST, FIRST, SECOND, GROUP))]
RULES = UsedRuleset("version: 2\nmode: audit\n", "audit")
type Rows = dict[tuple[str, str], dict[str, Any]]


class Vault:
    """A register with a record, and hands that may write to its table."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.sweeps = self.edits = 0

    def do[T](self, work: Callable[[TableRegister], Awaitable[T]]) -> T:
        async def connected() -> T:
            clock = VirtualClock(AT)
            async with connect(
                clock=clock, connection_string=self.shelf.connection, table=self.shelf.table
            ) as register:
                return await work(register)

        return asyncio.run(connected())

    def edit(self, id_: str) -> None:
        """Add a history entry."""

        async def work(register: TableRegister) -> None:
            one = ExemptionId.parse(id_)
            stored = await register.read(one)
            self.edits += 1
            changed = row(id_, Status.COMPLIANT, owner=f"owner {self.edits}")
            assert await register.commit(one, stored, changed, Entry(AT, "judged", {}))

        self.do(work)

    def sweep(self, *, ends: bool = True, sees: bool = True) -> str:
        """Record a sweep as the sweeper does; return its hash, "" where it dies. `sees`: whether it records heads."""

        async def work(register: TableRegister) -> str:
            at = AT + timedelta(hours=self.sweeps)
            before = at - timedelta(hours=1) if self.sweeps else None
            record, scanned = register.record, Scanned()
            tip, sweep = await record.begin(
                RecordedSweep(at, "h", {"ruleset": RULES.sha256}), RULES, Lease(at, "h", None, before=before)
            )
            if not ends:
                return ""
            kept = await record.heads(tip)
            if not sees:
                said = {**sweep.said, "heads": "the sweep broke off before it recorded them"}
                return (await record.end(tip, replace(sweep, said=said, ended=at), RULES, ["s"]))[1].hash
            async for _, key, _, head in register.watches():
                scanned.add(key, head)
            found = change(kept, scanned.buckets())
            for step in found.steps:
                after = await record.keep_heads(kept, step, found.lost, at)
                assert after is not None
                kept = after
            heads = {"step": kept.step, "digest": kept.digest}
            _, sweep = await record.end(
                tip, replace(sweep, said={**sweep.said, "heads": heads}, ended=at), RULES, ["s"]
            )
            return sweep.hash

        hash_ = self.do(work)
        self.sweeps += 1
        return hash_

    def rows(self) -> Rows:
        async def work(_: TableRegister) -> Rows:
            async with self._table() as table:
                return {(one["PartitionKey"], one["RowKey"]): dict(one) async for one in table.list_entities()}

        return self.do(work)

    def put(self, rows: Rows) -> None:
        """Let the table hold just these rows."""

        async def work(_: TableRegister) -> None:
            async with self._table() as table:
                async for one in table.list_entities():
                    await table.delete_entity(one["PartitionKey"], one["RowKey"])
                for row_ in rows.values():
                    await table.upsert_entity(row_)

        self.do(work)

    def write(self, row_: dict[str, Any]) -> None:
        """Let the table hold this row."""

        async def work(_: TableRegister) -> None:
            async with self._table() as table:
                await table.upsert_entity(row_, mode="replace")

        self.do(work)

    def take_out(self, id_: str, *, since: Rows | None = None) -> None:
        """Take all rows of an exemption out, or all that it got since: a hand that leaves what fits."""
        rows, place = self.rows(), address(ExemptionId.parse(id_))
        mine = {key for key in rows if place.key in key[1]}
        rows = {key: one for key, one in rows.items() if key not in mine}
        self.put(rows | {key: one for key, one in (since or {}).items() if place.key in key[1]})

    def _table(self) -> TableClient:
        return TableClient.from_connection_string(self.shelf.connection, self.shelf.table)


@pytest.fixture
def vault(shelf: Shelf) -> Vault:
    """Four exemptions, of which the first three sweeps saw more and more."""
    vault = Vault(shelf)
    vault.do(lambda register: register._table.create())
    vault.sweep()
    for number in range(4):
        vault.edit(IDS[number])
        vault.edit(IDS[0])
        vault.sweep()
    vault.sweep()
    return vault


def problems(ran: Ran) -> list[str]:
    assert ran.code == (1 if ran.json["problems"] else 0)
    assert ran.json["sound"] is not bool(ran.json["problems"])
    return list(ran.json["problems"])


def verify(run: Run, *anchors: str) -> Ran:
    return run("register", "verify", "--format", "json", *(word for one in anchors for word in ("--anchor", one)))


def test_what_is_sound_is_said_and_so_is_what_that_does_not_prove(run: Run, vault: Vault) -> None:
    vault.edit(IDS[2])
    ran = verify(run)
    assert problems(ran) == []
    assert (ran.json["exemptions"], ran.json["entries"], ran.json["sweeps"]) == (4, 9, 6)
    assert len(ran.json["proven"]) == 2
    assert any("integrity alone" in text for text in ran.json["not_proven"])
    assert any("no later sweep recorded" in text for text in ran.json["not_proven"])
    text = run("register", "verify")
    assert (text.code, text.err) == (0, "")
    assert text.out.count("not proven: ") == 3


def test_an_exemption_that_is_left_out_is_found(run: Run, vault: Vault) -> None:
    vault.take_out(IDS[2])
    (problem,) = problems(verify(run))
    assert address(ExemptionId.parse(IDS[2])).key in problem
    assert "the register has no entry" in problem


def test_the_end_of_a_history_that_is_left_out_is_found(run: Run, vault: Vault) -> None:
    before = vault.rows()
    vault.edit(IDS[1])
    vault.edit(IDS[1])
    vault.sweep()
    vault.take_out(IDS[1], since=before)
    (problem,) = problems(verify(run))
    assert problem.startswith(IDS[1])
    assert "recorded history entry 3, but the register has only entries up to 1" in problem


def test_one_that_was_taken_out_before_the_sweeps_of_now_is_found_too(run: Run, vault: Vault) -> None:
    before = vault.rows()
    vault.edit(IDS[1])
    vault.sweep()
    vault.take_out(IDS[1], since=before)
    vault.sweep()
    vault.edit(IDS[1])
    vault.edit(IDS[1])
    vault.sweep()
    assert [one for one in problems(verify(run)) if one.startswith(IDS[1]) and "a different entry 2" in one]


def record_rows(rows: Rows, kind: str) -> list[tuple[str, str]]:
    return [key for key in rows if key[0] == "record" and key[1].startswith(kind)]


@pytest.mark.parametrize("kind", ["run~", "past~", "heads", "heads~", "ruleset~", "chain", "in-force~", "containers~"])
def test_a_row_of_the_record_that_was_taken_out_is_found(run: Run, vault: Vault, kind: str) -> None:
    rows = vault.rows()
    del rows[record_rows(rows, kind)[0]]
    vault.put(rows)
    assert problems(verify(run)) != []


COPIES = {
    "run~": {"behind"}, "ruleset~": {"first", "last", "rows"}, "heads": {"at", "lost"}, "past~": {"at"},
    "containers~": {"first", "last", "rows", "newest"},
}  # fmt: skip
"""Columns that are for people, or for what the service does next; nothing rests on them."""


def test_a_column_of_the_record_that_was_changed_is_found(run: Run, vault: Vault) -> None:
    rows = vault.rows()
    missed = []
    for key in record_rows(rows, ""):
        kind = key[1].partition("~")[0] + ("~" if "~" in key[1] else "")
        for column in sorted(rows[key].keys() - {"PartitionKey", "RowKey"} - COPIES.get(kind, set())):
            vault.write({**rows[key], column: other(rows[key][column])})
            missed += [] if problems(verify(run)) else [(key[1], column)]
        vault.write(rows[key])
    assert missed == []
    assert problems(verify(run)) == []


def other(value: Any) -> Any:
    """Return another value of the same kind."""
    match value:
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:] if value else b"x"
        case int():
            return value + 1
        case _:
            return (
                value.replace("2026", "2025", 1)
                if "2026" in value
                else value[:-1] + ("0" if value[-1:] == "1" else "1")
            )


def test_a_sweep_that_did_not_end_and_is_left_out_is_found(run: Run, vault: Vault) -> None:
    vault.sweep(ends=False)
    vault.sweep()
    rows = vault.rows()
    assert problems(verify(run)) == []
    (died,) = [key for key in record_rows(rows, "run~") if rows[key]["ended"] == ""]
    vault.put({key: one for key, one in rows.items() if key != died})
    assert problems(verify(run)) == [f"{died[1]}: the row of a sweep that began is missing"]


def test_a_running_sweep_did_not_die(run: Run, vault: Vault) -> None:
    vault.sweep(ends=False)
    assert verify(run).json["sweeps_that_died"] == 1
    rows = vault.rows()
    (holder,) = [str(rows[key]["holder"]) for key in record_rows(rows, "run~") if rows[key]["ended"] == ""]
    assert vault.do(lambda register: register.sweeps.begin(datetime.now(UTC), holder, timedelta(hours=1))) is not None
    assert verify(run).json["sweeps_that_died"] == 0


def test_a_chain_that_a_sweep_made_anew_stays_reported(run: Run, vault: Vault) -> None:
    rows = vault.rows()
    del rows["record", "chain"]
    vault.put(rows)
    vault.sweep()
    problem, *others = problems(verify(run))
    assert others == [], problem
    assert "found: the row `chain` of the record was changed from outside" in problem
    assert "it is missing" in problem


@pytest.mark.parametrize("kind", ["heads", "heads~", "chain"])
def test_a_row_of_the_record_that_was_put_back_as_it_was_is_found(run: Run, vault: Vault, kind: str) -> None:
    before = vault.rows()
    vault.edit(IDS[3])
    vault.sweep()
    rows = vault.rows()
    key = next(one for one in record_rows(rows, kind) if before[one] != rows[one])
    vault.put({**rows, key: before[key]})
    assert problems(verify(run)) != []


def test_an_anchor_that_is_in_the_record_proves_what_the_sweep_saw(run: Run, vault: Vault) -> None:
    anchor = vault.sweep()
    ran = verify(run, anchor)
    assert problems(ran) == []
    assert any(text.startswith("anchored: ") for text in ran.json["proven"])
    assert not any("integrity alone" in text for text in ran.json["not_proven"])


def test_an_anchor_of_a_sweep_that_saw_no_histories_proves_those_of_the_sweep_before(run: Run, vault: Vault) -> None:
    vault.edit(IDS[0])
    ran = verify(run, vault.sweep(sees=False))
    assert problems(ran) == []
    (anchored,) = (text for text in ran.json["proven"] if text.startswith("anchored: "))
    seen, blind = (f"{AT + timedelta(hours=vault.sweeps - ago):%Y-%m-%d %H:%M UTC}" for ago in (2, 1))
    assert f"the history entries of the sweep of {seen} and the recorded sweeps up to {blind} are there" in anchored
    assert f"that nobody replaced everything from after the sweep of {seen}" in ran.json["not_proven"]


def test_an_anchor_proves_no_histories_where_no_sweep_saw_them(run: Run, shelf: Shelf) -> None:
    vault = Vault(shelf)
    vault.edit(IDS[0])
    ran = verify(run, vault.sweep(sees=False))
    assert problems(ran) == []
    assert ran.json["proven"][-1].startswith(f"anchored: the recorded sweeps up to {AT:%Y-%m-%d %H:%M UTC} are there")
    assert ran.json["not_proven"][-1] == "that nobody replaced everything in the histories"


def test_a_whole_that_was_replaced_fits_and_only_an_anchor_shows_it(run: Run, vault: Vault) -> None:
    anchor = vault.sweep()
    vault.put({})
    vault.sweeps = 0
    vault.sweep()
    vault.edit(IDS[0])
    vault.sweep()
    assert problems(verify(run)) == []
    (problem,) = problems(verify(run, anchor))
    assert problem.startswith(f"no sweep in the record has the hash {anchor}")
    assert "the sweep was removed or replaced, or the hash is from another register" in problem


def test_an_anchor_is_taken_as_people_copy_it_and_what_is_none_is_refused(run: Run, vault: Vault) -> None:
    anchor = vault.sweep()
    ran = verify(run, f" {anchor.upper()}\n")
    assert problems(ran) == []
    assert [one["hash"] for one in ran.json["anchors"]] == [anchor]
    for wrong in ("", " ", anchor[:12], anchor + anchor, "g" * 64):
        ran = run("register", "verify", "--anchor", wrong)
        assert (ran.code, ran.out) == (2, "")
        assert "is no hash of a sweep" in ran.err


def test_before_there_is_a_record_nothing_is_claimed(run: Run, shelf: Shelf) -> None:
    vault = Vault(shelf)
    vault.edit(IDS[0])
    ran = verify(run)
    assert problems(ran) == []
    assert ran.json["not_proven"] == [
        "that no exemption is missing: no sweep has recorded the histories yet, or the record of the sweeps was removed"
    ]


def test_a_history_that_is_not_sound_is_named_as_before(run: Run, vault: Vault) -> None:
    vault.shelf.break_row(IDS[1])
    assert [text for text in problems(verify(run)) if text.startswith(IDS[1])]


def test_a_full_copy_is_verified_alike(run: Run, vault: Vault, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    anchor, copy = vault.sweep(), str(tmp_path / "copy")
    assert run("register", "export", "--full", "--out", copy).code == 0
    monkeypatch.setenv("GUARDRAILS_TABLE", "another")
    assert run("register", "import", copy).code == 0
    assert problems(verify(run, anchor)) == []
