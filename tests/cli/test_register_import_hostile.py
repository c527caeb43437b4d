"""`register import` at its worst: workers that write meanwhile, older copies, unsound ones, rows of the present."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.bypasses.model import Bypass, BypassKind, token
from guardrails.bypasses.row import Kept
from guardrails.decisions.history import DeadLetter
from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.backup import Backup, check, read
from guardrails.register.keys import DOCTOR, address
from guardrails.register.reinstate import Tally
from guardrails.register.table import Table as StoredTable
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.budgets import Budget, Use
from tests.clock import VirtualClock

from .conftest import Run
from .shelf import AT, FIRST, named
from .test_register_import import Table, copy, filled, imported, sound, table

__all__ = ["filled", "table"]

LEASE = timedelta(minutes=2)


def row_of(table: Table, partition: str, key: str) -> dict[str, Any]:
    return table.rows()[partition, key]


def test_other_bypasses_are_copied_and_put_back(run: Run, table: Table, tmp_path: Path) -> None:
    kind = Bypass(BypassKind.TAG, f"{FIRST}/resourceGroups/rg", "EX-1", "drop", "policyExceptionId=EX-1", "jo", AT)
    table.work(lambda register: register.bypasses.write([Kept(kind, token(kind), AT, AT, AT)]))
    before, name = table.rows(), copy(run, tmp_path)
    assert len(before) == 1
    table.drop()
    assert imported(run, name) == (0, {"rows": 1})
    assert table.rows() == before
    assert run("register", "bypasses", "--format", "json").json[0]["subject"] == "EX-1"


def test_an_open_breaker_is_not_closed_by_an_older_copy(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    filled.work(lambda register: register.take_revert(AT, Budget.of(0), Use()))
    assert row_of(filled, "breaker", "breaker")["opened_at"]
    assert imported(run, name, "--force") == (0, {"same": 3})
    assert row_of(filled, "breaker", "breaker")["opened_at"]


def test_what_sweeps_have_noted_since_is_kept(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    filled.work(lambda register: register.sweeps.cover({"one": AT, "two": AT}))
    assert imported(run, name, "--force") == (0, {"same": 3})
    assert set(filled.work(lambda register: register.sweeps.covered())) == {"one", "two"}


def test_a_lease_in_the_copy_holds_up_no_sweep(run: Run, table: Table, tmp_path: Path) -> None:
    """Whoever held it is not there; and by a wrong clock it might never end."""

    async def begin(register: TableRegister) -> None:
        assert await register.sweeps.begin(AT, "somebody", timedelta(days=365_000)) is not None

    table.work(begin)
    name = copy(run, tmp_path)
    table.drop()
    assert imported(run, name) == (0, {"rows": 1})

    async def again(register: TableRegister) -> bool:
        return await register.sweeps.begin(AT + LEASE, "another", LEASE) is not None

    assert table.work(again)


def test_the_row_of_a_doctor_is_not_put_back(run: Run, filled: Table, tmp_path: Path) -> None:
    before, row = filled.rows(), {"PartitionKey": DOCTOR, "RowKey": "x"}
    filled.by_hand(lambda client: client.create_entity(row))
    name = copy(run, tmp_path)
    filled.drop()
    assert imported(run, name) == (0, {"restored": 3, "rows": 4})
    assert filled.rows() == before


def test_force_fills_a_hole_and_does_not_go_back(run: Run, filled: Table, tmp_path: Path) -> None:
    name, place = copy(run, tmp_path), address(ExemptionId.parse(named("a")))
    filled.write(named("a"), "newer")
    before = filled.rows()
    filled.by_hand(lambda client: client.delete_entity(place.partition, place.history(2)))
    assert imported(run, name, "--force") == (0, {"same": 2, "kept": 1})
    assert filled.rows() == before


def test_a_copy_that_is_not_sound_takes_the_place_of_nothing_sound(run: Run, filled: Table, tmp_path: Path) -> None:
    whole = filled.rows()
    filled.shelf.break_row(named("a"))
    name = str(tmp_path / "copy.jsonl")
    assert run("register", "export", "--full", "--out", name).code == 1
    filled.drop()

    async def put(client: Any) -> None:
        for (partition, key), columns in whole.items():
            await client.upsert_entity({"PartitionKey": partition, "RowKey": key, **columns})

    filled.by_hand(put)
    code, said = imported(run, name, "--force")
    assert (code, said) == (1, {"same": 2, "unsound": [named("a")]})
    assert filled.rows() == whole
    ran = run("register", "import", name)
    assert f"{named('a')}: not changed, because its rows in the copy are wrong" in ran.err


def test_a_copy_that_is_not_sound_is_not_gone_on_to(run: Run, filled: Table, tmp_path: Path) -> None:
    filled.write(named("d"), "first")
    older = copy(run, tmp_path)
    filled.write(named("d"), "second")
    filled.shelf.edit(named("d"), {"owner": "eve"})
    newer = str(tmp_path / "newer.jsonl")
    assert run("register", "export", "--full", "--out", newer).code == 1
    filled.drop()
    run("register", "import", older)
    code, said = imported(run, newer)
    assert (code, said) == (1, {"same": 3, "unsound": [named("d")]})
    assert filled.owner(named("d")) == "first"


def test_a_worker_that_writes_while_a_long_history_is_replaced_loses_nothing(
    run: Run, filled: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a transaction takes: what is written first must be what fails."""
    name = copy(run, tmp_path)
    filled.drop()
    for n in range(105):
        filled.write(named("a"), f"begun anew {n}")
    plain: Callable[..., Any] = Backup.partition
    wrote: list[str] = []

    async def meanwhile(self: Backup, partition: str) -> Any:
        found = await plain(self, partition)
        if not wrote and partition == address(ExemptionId.parse(named("a"))).partition:
            wrote.append(partition)
            await filled.commit(TableRegister(self._table._client, VirtualClock(AT)), named("a"), "worker")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Backup, "partition", meanwhile)
        code, said = imported(run, name, "--force")
    assert wrote
    assert (code, said["missed"]) == (1, [named("a")])
    assert "problems" not in said
    assert filled.owner(named("a")) == "worker"
    assert sound(run, named("a"))


def test_a_row_that_is_written_while_it_is_read_is_not_taken_for_altered(
    run: Run, filled: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of a table are no snapshot: a state that is newer than the history read before it is no damage."""
    name, place = copy(run, tmp_path), address(ExemptionId.parse(named("a")))
    real, wrote = StoredTable.query, list[str]()

    async def torn(self: StoredTable, where: str, select: Any = ()) -> Any:
        async for found in real(self, where, select):
            if found["RowKey"] == place.state and not wrote:
                wrote.append("once")
                await filled.commit(TableRegister(self._client, VirtualClock(AT)), named("a"), "worker")
                yield await self.get(place.partition, place.state)
            else:
                yield found

    with monkeypatch.context() as patched:
        patched.setattr(StoredTable, "query", torn)
        assert imported(run, name, "--force") == (0, {"same": 2, "kept": 1})
    assert wrote
    assert filled.owner(named("a")) == "worker"


def test_workers_and_copies_at_once_leave_nothing_unsound(run: Run, table: Table, tmp_path: Path) -> None:
    """Copies are taken, and an older one put back by force, while every exemption is written again and again."""
    ids = [named(f"e{n}") for n in range(8)]
    for one in ids:
        table.write(one, "first", out=(f"m-{one[-2:]}",))
    older = Path(copy(run, tmp_path))

    async def do(register: TableRegister) -> list[str]:
        problems, busy = list[str](), True

        async def work(id_: str) -> None:
            n = 0
            while busy:
                n += 1
                with suppress(AssertionError):  # another worker, or the import, was faster
                    stored = await table.commit(register, id_, f"owner-{n}", out=(f"{id_[-2:]}-{n}",))
                    await register.sent(ExemptionId.parse(id_), stored, [f"{id_[-2:]}-{n}"])

        async def copies() -> None:
            for _ in range(3):
                async for _, _, wrong in register.backup.partitions():
                    problems.extend(wrong)

        async def imports() -> None:
            for _ in range(3):
                for partition, rows in read(older):
                    await register.reinstate.partition(partition, rows, Tally(), force=True, dry_run=False)

        workers = [asyncio.create_task(work(one)) for one in ids]
        await asyncio.gather(copies(), imports())
        busy = False
        await asyncio.gather(*workers)
        return problems

    assert table.work(do) == []
    assert sound(run, *ids)
    assert all(table.owner(one).startswith("owner-") for one in ids)


def test_rows_full_of_quotes_fit_into_transactions(run: Run, table: Table, tmp_path: Path) -> None:
    """On its way a quote is two bytes; storage takes 4 MiB."""
    facts = {str(n): '"\\' * 22_000 for n in range(2)}

    async def do(register: TableRegister) -> None:
        for n in range(60):
            await table.commit(register, named("a"), f"owner-{n}", facts=facts)

    table.work(do)
    before, name = table.rows(), copy(run, tmp_path)
    table.drop()
    assert imported(run, name) == (0, {"restored": 1})
    assert table.rows() == before


@pytest.mark.parametrize("keep", ["first", "last"])
def test_a_copy_cut_at_any_byte_of_its_ends_is_refused(run: Run, table: Table, tmp_path: Path, keep: str) -> None:
    table.work(lambda register: register.keep_dead_letter(DeadLetter("l1", "reconcile", "malformed", "{}", AT)))
    path = Path(copy(run, tmp_path))
    text = path.read_text(encoding="ascii")
    table.drop()
    cuts = range(len(text)) if keep == "first" else range(1, len(text) + 1)
    for cut in cuts:
        path.write_text(text[:cut] if keep == "first" else text[cut:], encoding="ascii")
        if text[:cut] == text[:-1] and keep == "first":
            assert check(path) == 1  # only the last line's end is missing
            continue
        with pytest.raises(Misconfigured, match="nothing was imported"):
            check(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], *reversed(lines[1:-1]), lines[-1]],
        lambda lines: [lines[0], lines[1], *lines[1:]],
        lambda lines: lines + lines,
        lambda lines: [*lines, "\n"],
        lambda lines: [line.replace("\n", "\r\n") for line in lines],
        lambda lines: ["[" * 100_000 + "\n", *lines[1:]],
        lambda lines: [*lines[:-1], "9" * 5_000 + "\n"],
        lambda lines: [*lines[:-1], "[]\n"],
    ],
)
def test_lines_that_were_moved_doubled_or_changed_are_noticed(
    run: Run, filled: Table, tmp_path: Path, change: Callable[[list[str]], list[str]]
) -> None:
    path = Path(copy(run, tmp_path))
    lines = path.read_bytes().decode("ascii").splitlines(keepends=True)
    path.write_bytes("".join(change(lines)).encode())
    filled.drop()
    ran = run("register", "import", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert "nothing was imported" in ran.err
    assert filled.rows() == {}


def test_a_copy_is_read_by_its_owner_only(run: Run, filled: Table, tmp_path: Path) -> None:
    """It holds bodies of exemptions and names of people."""
    assert Path(copy(run, tmp_path)).stat().st_mode & 0o077 == 0
