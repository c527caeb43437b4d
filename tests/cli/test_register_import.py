"""`register export --full` and `register import`: the register after the loss of its table."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty
from azure.data.tables.aio import TableClient

from guardrails.decisions.history import DeadLetter, Entry, Outgoing
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.backup import Writer, check, read
from guardrails.register.keys import address
from guardrails.register.reinstate import Tally
from guardrails.register.table_register import TableRegister, connect
from guardrails.ruleset.budgets import Budget, Use
from tests.clock import VirtualClock
from tests.reconcile.world import World

from .conftest import Run
from .shelf import AT, GROUP, SECOND, Shelf, named, row

BODY = {"properties": {"displayName": "größe \ud800", "metadata": {"ticket": "CHG-1", "n": 1.5}}}
LONG = {"properties": {"metadata": {"text": token_urlsafe(800_000)}}}
"""A body that does not fit into its history entry, even compressed, nor into one row of its own."""


class Table:
    """The table under the commands: writes through the register, and by hand."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.clock = VirtualClock(AT)

    def work[T](self, do: Callable[[TableRegister], Awaitable[T]]) -> T:
        async def run() -> T:
            shelf = self.shelf
            async with connect(clock=self.clock, connection_string=shelf.connection, table=shelf.table) as register:
                return await do(register)

        return asyncio.run(run())

    def by_hand[T](self, do: Callable[[TableClient], Awaitable[T]]) -> T:
        async def run() -> T:
            async with TableClient.from_connection_string(self.shelf.connection, self.shelf.table) as table:
                return await do(table)

        return asyncio.run(run())

    def write(self, id_: str, owner: str, *, body: Any = None, out: tuple[str, ...] = ()) -> Stored:
        """Commit the next entry of an exemption."""
        return self.work(lambda register: self.commit(register, id_, owner, body=body, out=out))

    async def commit(self, register: TableRegister, id_: str, owner: str, *, out: Any = (), **entry: Any) -> Stored:
        self.clock.advance(minutes=1)
        exemption = ExemptionId.parse(id_)
        before = await register.read(exemption)
        messages = [Outgoing(one, "notices", {"id": one}) for one in out]
        made = Entry(self.clock.now(), "judged", **{"facts": {"hint": "event"}, **entry})
        now = row(id_, owner=owner, outbox=before.row.outbox if before else ())
        stored = await register.commit(exemption, before, now, made, messages)
        assert stored is not None
        return stored

    def sent(self, id_: str, stored: Stored, *ids: str) -> None:
        async def do(register: TableRegister) -> None:
            assert await register.sent(ExemptionId.parse(id_), stored, ids) is not None

        self.work(do)

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every row as storage has it, but for its ETag and time."""

        async def do(table: TableClient) -> dict[tuple[str, str], dict[str, Any]]:
            return {(one["PartitionKey"], one["RowKey"]): dict(one) async for one in table.list_entities()}

        return self.by_hand(do)

    def drop(self) -> None:
        """The table is gone; the register's name leads to another, empty one."""

        async def do(table: TableClient) -> None:
            async for one in table.list_entities():
                await table.delete_entity(one)

        self.by_hand(do)
        assert self.rows() == {}

    def owner(self, id_: str) -> str:
        stored = self.work(lambda register: register.read(ExemptionId.parse(id_)))
        assert stored is not None
        return stored.row.owner


@pytest.fixture
def table(shelf: Shelf) -> Table:
    return Table(shelf)


@pytest.fixture
def filled(table: Table) -> Table:
    """Three exemptions, bodies short and long, a waiting message, a dead letter, a breaker, a row of somebody else."""
    for n in range(3):
        table.write(named("a"), f"owner-{n}", body={**BODY, "n": n})
    table.write(named("b", SECOND), "jo", body=LONG)
    table.write(named("c", GROUP), "kim", out=("m1",))

    async def more(register: TableRegister) -> None:
        await register.keep_dead_letter(DeadLetter("l1", "reconcile", "it was malformed", "{}", AT))
        await register.take_revert(AT, Budget.of(10), Use())
        await register.sweeps.cover({"one": AT})

    async def stray(client: TableClient) -> None:
        long = EntityProperty(2**40, EdmType.INT64)
        typed = {"i": long, "t": AT, "g": UUID(int=7), "b": b"\0\xff", "f": 0.5, "y": True}
        await client.create_entity({"PartitionKey": "it's stray", "RowKey": "row", **typed})

    table.work(more)
    table.by_hand(stray)
    return table


def copy(run: Run, tmp_path: Path) -> str:
    name = str(tmp_path / "copy.jsonl")
    ran = run("register", "export", "--full", "--out", name)
    assert (ran.code, ran.out) == (0, "")
    return name


def imported(run: Run, name: str, *more: str) -> tuple[int, dict[str, Any]]:
    ran = run("register", "import", name, "--format", "json", *more)
    return ran.code, {key: value for key, value in ran.json.items() if value and key != "schema_version"}


def sound(run: Run, *ids: str) -> bool:
    return all(run("history", one, "--verify").code == 0 for one in ids)


def test_all_rows_come_back_as_they_were(run: Run, filled: Table, tmp_path: Path) -> None:
    before, name = filled.rows(), copy(run, tmp_path)
    filled.drop()
    ran = run("register", "import", name)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["exemptions", "restored:", "3"],
        ["other", "rows", "restored:", "4"],
    ]
    assert filled.rows() == before
    assert sound(run, named("a"), named("b", SECOND), named("c", GROUP))
    body = filled.work(lambda register: register.body(ExemptionId.parse(named("b", SECOND)), 1))
    assert body == LONG


def test_the_history_goes_on_where_it_ended(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    filled.drop()
    run("register", "import", name)
    assert filled.write(named("a"), "after").seq == 4
    assert sound(run, named("a"))

    async def waiting(register: TableRegister) -> list[str]:
        exemption = ExemptionId.parse(named("c", GROUP))
        stored = await register.read(exemption)
        assert stored is not None
        return [one.id for one in await register.outbox(exemption, stored.row.outbox)]

    assert filled.work(waiting) == ["m1"]


def test_a_second_import_changes_nothing(run: Run, filled: Table, tmp_path: Path) -> None:
    before, name = filled.rows(), copy(run, tmp_path)
    assert imported(run, name) == (0, {"same": 3})
    assert filled.rows() == before


def test_a_dry_run_writes_nothing(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    filled.drop()
    ran = run("register", "import", name, "--dry-run")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "nothing was written: --dry-run")
    assert "exemptions restored: 3" in ran.out
    assert filled.rows() == {}


def test_what_went_on_since_the_copy_is_kept(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    filled.write(named("a"), "newer")
    filled.work(lambda register: register.drop_dead_letter("l1"))
    before = filled.rows()
    code, said = imported(run, name, "--force")
    assert (code, said) == (0, {"same": 2, "kept": 1, "rows": 1})
    assert filled.owner(named("a")) == "newer"
    assert {key: one for key, one in filled.rows().items() if key[0] != "letters"} == before  # stored name


def test_a_message_that_went_since_the_copy_does_not_go_again(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    exemption = ExemptionId.parse(named("c", GROUP))
    stored = filled.work(lambda register: register.read(exemption))
    assert stored is not None
    filled.sent(exemption.text, stored, "m1")
    before = filled.rows()
    assert imported(run, name) == (0, {"same": 2, "kept": 1})
    assert filled.rows() == before


def test_an_older_state_is_upgraded(run: Run, filled: Table, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    filled.write(named("a"), "waits", out=("m2",))
    first = copy(run, old)
    exemption = ExemptionId.parse(named("a"))
    stored = filled.work(lambda register: register.read(exemption))
    assert stored is not None
    filled.sent(named("a"), stored, "m2")
    filled.write(named("a"), "newest", body=BODY)
    latest, name = filled.rows(), copy(run, tmp_path)
    filled.drop()
    run("register", "import", first)
    assert filled.owner(named("a")) == "waits"
    assert imported(run, name) == (0, {"same": 2, "forwarded": 1})
    assert filled.rows() == latest
    assert sound(run, named("a"))


def test_holes_in_an_old_history_are_filled(run: Run, filled: Table, tmp_path: Path) -> None:
    name, place = copy(run, tmp_path), address(ExemptionId.parse(named("a")))
    filled.write(named("a"), "newer")
    before = filled.rows()
    filled.by_hand(lambda table: table.delete_entity(place.partition, place.history(2)))
    assert run("history", named("a"), "--verify").code == 1
    assert imported(run, name) == (0, {"same": 2, "kept": 1})
    assert filled.rows() == before
    assert sound(run, named("a"))


def test_another_history_is_left_alone_unless_forced(run: Run, filled: Table, tmp_path: Path) -> None:
    before, name = filled.rows(), copy(run, tmp_path)
    filled.drop()
    for n in range(5):
        filled.write(named("a"), f"begun anew {n}", out=("x",) if n == 4 else ())
    filled.work(lambda register: register.keep_dead_letter(DeadLetter("l1", "reconcile", "another", "{}", AT)))
    code, said = imported(run, name)
    assert (code, said["restored"], said["refused"]) == (1, 2, [named("a")])
    assert said["rows_kept"] == ["letters/letter~l1"]  # stored name
    assert filled.owner(named("a")) == "begun anew 4"
    assert sound(run, named("a"))

    code, said = imported(run, name, "--force")
    assert (code, said) == (0, {"same": 2, "replaced": 1, "rows": 1})
    assert filled.rows() == before


def test_a_row_that_was_altered_is_reported_and_replaced_when_forced(run: Run, filled: Table, tmp_path: Path) -> None:
    before, name = filled.rows(), copy(run, tmp_path)
    filled.shelf.break_row(named("a"))
    code, said = imported(run, name)
    assert (code, said["refused"]) == (1, [named("a")])
    assert said["problems"][0].startswith(f"{named('a')}: entry 1: its hash does not fit")
    assert imported(run, name, "--force") == (0, {"same": 2, "replaced": 1})
    assert filled.rows() == before


def test_an_import_that_was_broken_off_is_finished_by_the_next(run: Run, filled: Table, tmp_path: Path) -> None:
    before, name = filled.rows(), copy(run, tmp_path)
    for partition, key in before:
        if key.startswith(("state~", "outbox~")):
            filled.by_hand(lambda table, at=(partition, key): table.delete_entity(*at))  # type: ignore[misc]
    assert imported(run, name) == (0, {"forwarded": 3})
    assert filled.rows() == before


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[: len(text) // 2], "its end is missing"),
        (lambda text: text[: text.rstrip("\n").rindex("\n") + 1], "its end is missing"),
        (lambda text: text.replace("owner-1", "owner-x", 1), "its checksum is wrong"),
        (lambda text: text.replace(text.splitlines(keepends=True)[2], ""), "its checksum is wrong"),
        (lambda text: text.replace('"guardrails-register": 1', '"guardrails-register": 9', 1), "it has version 9"),
        (lambda _: "", "it is not a full copy of a register"),
        (lambda _: '{"id": "/subscriptions/x"}\n', "it is not a full copy of a register"),
        (lambda _: "größe\n", "it is not a full copy of a register"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    run: Run, filled: Table, tmp_path: Path, damage: Callable[[str], str], why: str
) -> None:
    name = copy(run, tmp_path)
    text = Path(name).read_text(encoding="ascii")
    Path(name).write_text(damage(text), encoding="utf-8")
    filled.drop()
    ran = run("register", "import", name)
    assert (ran.code, ran.out) == (2, "")
    assert f"{name}: nothing was imported: {why}" in ran.err
    assert filled.rows() == {}


def test_a_file_that_cannot_be_read_is_named(run: Run, shelf: Shelf, tmp_path: Path) -> None:
    ran = run("register", "import", str(tmp_path / "none"))
    assert ran.code == 2
    assert f"{tmp_path / 'none'}: the file cannot be read: No such file or directory" in ran.err


def test_a_copy_has_every_row_so_filters_are_refused(run: Run, shelf: Shelf) -> None:
    ran = run("register", "export", "--full", "--owner", "jo", "--format", "csv", "--days-left", "0")
    assert (ran.code, ran.out) == (2, "")
    assert "Leave out --owner, --days-left, --format csv" in ran.err


def test_an_empty_register_has_an_empty_copy(run: Run, table: Table, tmp_path: Path) -> None:
    assert imported(run, copy(run, tmp_path)) == (0, {})


def test_what_is_not_sound_is_copied_and_reported(run: Run, filled: Table, tmp_path: Path) -> None:
    filled.shelf.break_row(named("a"))
    name = str(tmp_path / "copy.jsonl")
    ran = run("register", "export", "--full", "--out", name)
    assert ran.code == 1
    assert (
        f"{named('a')}: entry 1: its hash does not fit its content: copied unchanged, but its rows are wrong" in ran.err
    )
    assert imported(run, name)[0] == 1


def test_an_exemption_that_is_written_meanwhile_is_copied_whole(filled: Table) -> None:
    """State rows are read last: what is committed in between has a state that the history, read before, lacks."""

    async def do(register: TableRegister) -> list[str]:
        exemption, backup = ExemptionId.parse(named("a")), register.backup
        place, real = address(exemption), backup._table.query
        written: list[Stored | None] = []

        async def slowly(where: str, select: Any = ()) -> Any:
            async for found in real(where, select):
                if found["RowKey"] == place.state and not written:
                    before = await register.read(exemption)
                    entry = Entry(AT + timedelta(days=1), "judged", {})
                    written.append(await register.commit(exemption, before, Row(named("a"), Status.UNKNOWN, AT), entry))
                    yield await register._table.get(place.partition, place.state)
                else:
                    yield found

        backup._table.query = slowly  # type: ignore[method-assign]
        rows, problems = dict[str, Any](), list[str]()
        async for _, some, wrong in backup.partitions():
            rows |= some
            problems += wrong
        assert written[0] is not None
        assert place.history(4) in rows
        return problems

    assert filled.work(do) == []


def test_nothing_strange_is_shown_as_it_is(run: Run, filled: Table, tmp_path: Path) -> None:
    name = copy(run, tmp_path)
    assert Path(name).read_text(encoding="ascii").count("\n") == len(filled.rows()) + 2
    head, *_, end = (json.loads(line) for line in Path(name).read_text(encoding="ascii").splitlines())
    assert (head["guardrails-register"], end["rows"]) == (1, len(filled.rows()))


async def test_reconcile_goes_on_as_if_nothing_had_happened(world: World, tmp_path: Path) -> None:
    exemption, other = world.id(), world.id("other")
    await world.known(exemption)
    await world.known(other, description="The second of two.")
    lines: list[str] = []
    writer = Writer(lines.append, "t", world.clock.now())
    async for _, rows, _ in world.register.backup.partitions():
        for one in rows.values():
            writer.row(one)
    writer.end()
    path = tmp_path / "copy.jsonl"
    path.write_text("".join(lines), encoding="ascii")

    await world.table.delete_table()
    assert await world.register.read(exemption) is None
    assert check(path) == writer.count
    tally = Tally()
    for partition, copied in read(path):
        await world.register.reinstate.partition(partition, copied, tally, force=False, dry_run=False)
    assert (tally.restored, tally.problems) == (2, [])

    history = await world.history(exemption)
    outcome = await world.look(exemption)
    assert (outcome.wrote, await world.history(exemption), await world.notice_kinds()) == (False, history, [])

    before = await world.properties(exemption)
    await world.bad(exemption)
    await world.settle(exemption)
    assert (await world.properties(exemption)) == before  # the last compliant body, out of the imported history
    assert "reverted" in await world.notice_kinds()
