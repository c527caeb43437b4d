"""docs/register.md lets a stranger write a whole verifier: one that was written from the page finds every hand."""

import ast
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.data.tables import UpdateMode

from guardrails.decisions.bodies import KEPT, SLACK
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address
from tests.register import stranger
from tests.register.conftest import BODY, EXEMPTION, World, message
from tests.register.stranger import problems

PAGE = (Path(__file__).parents[2] / "docs" / "register.md").read_text("utf-8")
NOISE = random.Random(1).randbytes(650_000).hex()  # noqa: S311 - noise, no secret: too long for its entry
NAMES = "Ünïcode-K\u212a-\U0001f600"
type Hand = Callable[[dict[str, dict[str, Any]], str], object]
OTHER = ExemptionId.parse(EXEMPTION.text.replace("Partner", NAMES))


async def everything(world: World) -> list[dict[str, Any]]:
    """All rows of the table, as any client reads them."""
    return [dict(row) async for row in world.sdk.list_entities()]


async def found(world: World, exemption: ExemptionId = EXEMPTION) -> list[str]:
    """What the stranger finds; our own verifier must not find less where the stranger finds nothing."""
    said = problems(await everything(world), address(exemption).key)
    if not said:
        assert await world.register.verify(exemption) == []
    return said


async def written(world: World) -> Stored:
    """Five entries: texts that need escapes, long columns, bodies within and beside their entry, messages."""
    stored = await world.commit(body=BODY, owner='"anna"\\\n\t\x7f é\u2028\U0001f600', ticket="t" * 2000)
    world.clock.advance(minutes=1)
    stored = await world.commit(stored, body={**BODY, "noise": NOISE}, owner="é" * 12_000)
    facts = {"long": "x" * 50_000, "half": "\ud800 é </script>"}
    entry = Entry(world.clock.now(), "größer", facts)
    third = await world.register.commit(EXEMPTION, stored, world.row(owner="bob"), entry, (message("n/1 ä" * 60),))
    assert third is not None
    world.clock.advance(minutes=1)
    stored = await world.commit(third, out=(message("n-2"), message("n-3")), outbox=third.row.outbox)
    return await world.commit(stored, body={**BODY, "n": 5}, outbox=stored.row.outbox)


async def test_what_the_register_wrote_is_sound(empty: World) -> None:
    """At every moment: messages that wait, that have gone, that somebody else took on; pruned bodies; a rebuilt row."""
    stored = await written(empty)
    assert await found(empty) == []
    empty.clock.advance(hours=1)
    taken = await empty.register.take_outbox(EXEMPTION, stored, empty.clock.now())
    assert taken is not None
    assert taken.row.outbox_at != stored.row.outbox_at
    assert await found(empty) == []
    sent = await empty.register.sent(EXEMPTION, taken, taken.row.outbox[:2])
    assert sent is not None
    assert await found(empty) == []
    stored = await empty.register.sent(EXEMPTION, sent, sent.row.outbox) or stored
    assert await found(empty) == []
    for n in range(KEPT + SLACK + 2):
        stored = await empty.commit(stored, body={**BODY, "n": n}, snapshot=stored.seq + 1, bodies=stored.row.bodies)
    assert await empty.register.prune(EXEMPTION, stored) is not None
    assert any(row.get("pruned") for row in await everything(empty))
    assert await found(empty) == []
    await empty.overwrite(empty.place.state, owner="mallory")
    assert await found(empty) == ["the state row does not fit its seal"]
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    await empty.register.commit(EXEMPTION, read, read.row, Entry(empty.clock.now(), "repaired", {}))
    assert await found(empty) == []


async def test_each_exemption_of_a_partition_by_itself_in_any_alphabet(empty: World) -> None:
    await written(empty)
    row = empty.row()
    entry = Entry(empty.clock.now(), "judged", {}, BODY)
    assert await empty.register.commit(OTHER, None, type(row)(OTHER.text, row.status, row.since), entry)
    rows = await everything(empty)
    assert {stranger.key_of(OTHER.text), stranger.key_of(EXEMPTION.text)} == {
        one["RowKey"].split("~")[1] for one in rows if one["RowKey"].startswith("state~")
    }
    assert await found(empty, OTHER) == []
    assert await found(empty) == []


async def test_every_edit_of_every_column_is_found(empty: World) -> None:
    """Each column of the state row and of each entry, of each row of a body: changed, emptied, and taken out.

    Azure's own and those that the page calls free aside. Outbox rows have no hash.
    """
    await written(empty)
    rows, key = await everything(empty), empty.place.key
    tried = 0
    for at, row in enumerate(rows):
        kind = row["RowKey"].split("~")[0]
        if kind not in ("state", "history", "body"):
            continue
        for name, value in stranger.own(row).items():
            if kind == "history" and name in ("until", "pruned"):
                continue
            for edited in edits(value):
                changed = {**row, name: edited} if edited is not None else {k: v for k, v in row.items() if k != name}
                assert problems([*rows[:at], changed, *rows[at + 1 :]], key), (row["RowKey"], name, edited)
                tried += 1
    assert tried > 100


def edits(value: Any) -> list[Any]:
    """Return other values of a column; None: it is taken out."""
    match value:
        case int():
            return [value + 1, str(value), None]
        case bytes():
            middle = len(value) // 2
            return [value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :], value + b"x", value[:-1], None]
        case _:
            return [value + "x", *([value[:-1], value.swapcase()] if value.swapcase() != value else []), None]


def moved(rows: dict[str, dict[str, Any]], source: str, target: str) -> None:
    """Copy a row to another place."""
    rows[target] = {**rows[source], "RowKey": target}


def without(number: int) -> Hand:
    """Return what takes an entry out."""
    return lambda rows, key: rows.pop(f"history~{key}~{number:010d}")


HANDS: dict[str, Hand] = {
    **{f"entry {n} is gone": without(n) for n in range(1, 6)},
    "the state row is gone": lambda rows, key: rows.pop(f"state~{key}"),
    "a row of a body is gone": lambda rows, key: rows.pop(next(k for k in rows if k.startswith(f"body~{key}~"))),
    "a message is gone": lambda rows, key: rows.pop(f"outbox~{key}~n-2"),
    "a message more": lambda rows, key: rows.update({f"outbox~{key}~n-9": {"RowKey": f"outbox~{key}~n-9"}}),
    "a column more in the state row": lambda rows, key: rows[f"state~{key}"].update(comment="x"),
    "bytes more in the state row": lambda rows, key: rows[f"state~{key}"].update(comment=b"x"),
    "a column more in an entry": lambda rows, key: rows[f"history~{key}~0000000002"].update(comment="x"),
    "a piece more of a body": lambda rows, key: rows[f"history~{key}~0000000001"].update(body_1=b"x"),
    "a body where there was none": lambda rows, key: rows[f"history~{key}~0000000004"].update(body=b"x"),
    "an entry twice": lambda rows, key: moved(rows, f"history~{key}~0000000005", f"history~{key}~0000000006"),
    "an entry from before": lambda rows, key: moved(rows, f"history~{key}~0000000001", f"history~{key}~0000000005"),
    "an entry before the first": lambda rows, key: moved(
        rows, f"history~{key}~0000000001", f"history~{key}~0000000000"
    ),
    "another's body": lambda rows, key: rows[f"history~{key}~0000000001"].update(
        body=rows[f"history~{key}~0000000005"]["body"]
    ),
}


async def test_every_hand_is_found(empty: World) -> None:
    await written(empty)
    sound = {row["RowKey"]: row for row in await everything(empty)}
    assert problems(list(sound.values()), empty.place.key) == []
    for hand, do in HANDS.items():
        rows = {name: dict(row) for name, row in sound.items()}
        do(rows, empty.place.key)
        assert problems(list(rows.values()), empty.place.key) != [], hand


async def test_what_was_put_back_from_before_or_from_elsewhere_is_found(empty: World) -> None:
    await empty.commit(owner="anna")
    old = await empty.entity(empty.place.state)
    read = await empty.register.read(EXEMPTION)
    await empty.commit(read, owner="bob")
    await empty.sdk.update_entity(old, mode=UpdateMode.REPLACE)
    assert await found(empty) == [
        "the state row does not name the newest entry", "the state row does not say what the newest entry says",
    ]  # fmt: skip
    rows = await everything(empty)
    elsewhere = address(OTHER).key
    copied = [{**row, "RowKey": row["RowKey"].replace(empty.place.key, elsewhere)} for row in rows]
    assert "entry 1 is of another exemption" in problems(copied, elsewhere)


async def test_a_history_that_was_written_anew_fits_unless_the_auditor_kept_its_head(empty: World) -> None:
    """What the page says that hashes do not prove: they hold no secret."""
    await written(empty)
    first = await everything(empty)
    kept = next(row["head"] for row in first if row["RowKey"] == empty.place.state)
    for row in first:
        await empty.erase(row["RowKey"])
    await empty.commit(owner="mallory")
    assert await found(empty) == []
    assert kept not in {row.get("hash") for row in await everything(empty)}


async def test_fields_of_a_newer_version_are_no_hand(empty: World) -> None:
    """After a rollback: what this version does not know is in state and history alike, under hash and seal."""
    await empty.commit(owner="anna")
    entry, state = [await empty.entity(row) for row in (empty.place.history(1), empty.place.state)]
    for row in (entry, state):
        row["row"] = json.dumps({**json.loads(row["row"]), "zone": "new"}, sort_keys=True, separators=(",", ":"))
    entry["hash"] = state["head"] = stranger.hash_of(entry)
    state["seal"] = stranger.seal_of(state)
    for row in (entry, state):
        await empty.sdk.update_entity(row, mode=UpdateMode.REPLACE)
    assert await found(empty) == []
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert (read.altered, read.row.owner) == ("", "anna")
    changed = {**state, "row": state["row"].replace('"new"', '"newer"')}
    await empty.sdk.update_entity({**changed, "seal": stranger.seal_of(changed)}, mode=UpdateMode.REPLACE)
    wrong = "the current row does not say what entry 1 says"
    assert await empty.register.verify(EXEMPTION) == [wrong]
    await empty.sdk.update_entity(state, mode=UpdateMode.REPLACE)
    read = await empty.register.read(EXEMPTION)
    assert read is not None
    assert await empty.register.commit(EXEMPTION, read, read.row, Entry(empty.clock.now(), "judged", {}))
    assert await found(empty) == []


async def test_the_code_that_the_page_leads_to_computes_what_is_stored(empty: World) -> None:
    assert "`hash_of` and `seal_of` in [stranger.py](../tests/register/stranger.py)" in " ".join(PAGE.split())
    await written(empty)
    rows = await everything(empty)
    hashes = {row["hash"]: stranger.hash_of(row) for row in rows if row["RowKey"].startswith("history~")}
    assert len(hashes) == 5
    assert all(stored == computed for stored, computed in hashes.items())
    (state,) = (row for row in rows if row["RowKey"].startswith("state~"))
    assert stranger.seal_of(state) == state["seal"]


def test_the_stranger_knows_nothing_of_ours() -> None:
    tree = ast.parse((Path(stranger.__file__)).read_text("utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"hashlib", "json", "re", "zlib", "collections.abc", "functools", "typing"}
