"""What is sent is counted as it travels, and what no row or transaction can hold is refused before it is sent.

The emulator takes any number of columns and rows of any size, so the limits are ours to keep.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from guardrails.errors import Permanent
from guardrails.register.account import table_client
from guardrails.register.table import MOST_BYTES, MOST_COLUMNS, MOST_OPERATIONS, MOST_ROW_BYTES, Table, Write
from tests.register.answers import done, http, speaking, transaction

pytestmark = pytest.mark.http

ROW = "state~" + "é" * 40
TEXTS = ("plain", "é", "\u4e2d", "\U0001f600", "\x00", '"', "\\", "\ud800", "")


@dataclass
class Store:
    """A store that takes everything; `sizes`: of each request's body, as it came."""

    table: Table
    sizes: list[int] = field(default_factory=list)
    answer: bytes = b""


@pytest.fixture
async def there() -> AsyncIterator[Store]:
    sizes: list[int] = []
    async with speaking(lambda _: made.answer, sizes.append) as connection:
        client = table_client("guardrails", connection_string=connection)
        made = Store(Table(client), sizes)
        yield made
        await client.close()


async def sent(there: Store, writes: Sequence[Write]) -> int:
    there.answer = done(["" if one.how == "delete" else "1" for one in writes])
    await there.table.transact("partition", writes)
    return there.sizes.pop()


@pytest.mark.parametrize("how", ["create", "replace", "put", "merge", "delete"])
async def test_what_travels_is_never_more_than_was_counted(there: Store, how: str) -> None:
    etag = "W/\"datetime'2026-11-28T00%3A00%3A00.0000000Z'\"" if how == "replace" else ""
    long = {f"text_{n}": one * 9_000 for n, one in enumerate(TEXTS)} | {"number": 2**31 - 1, "raw": b"\x01" * 50_000}
    short = {f"name_{n}": "x" for n in range(200)} | {"count": -1, "data": b"x"}
    for columns in ({}, long, short):
        write = Write(how, ROW, {} if how == "delete" else columns, etag)  # type: ignore[arg-type]
        for writes in ([write], [Write(how, f"{ROW}{n}", write.columns, etag) for n in range(5)]):  # type: ignore[arg-type]
            counted, travelled = sum(one.size for one in writes), await sent(there, writes)
            assert counted - 1500 * len(writes) < travelled <= counted


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({f"c{n}": 1 for n in range(MOST_COLUMNS + 1)}, "253 columns"),
        ({f"c{n}": "x" * 31_000 for n in range(17)}, "bytes"),  # 527 kB as they travel, twice that as they are kept
        ({f"c{n}": "\U0001f600" * 15_500 for n in range(17)}, "bytes"),
        ({f"c{n}": b"x" * 61_000 for n in range(13)}, "bytes"),
    ],
)
async def test_a_row_that_storage_does_not_take_is_not_sent(there: Store, columns: dict[str, object], why: str) -> None:
    with pytest.raises(Permanent, match=why) as caught:
        await there.table.transact("p", [Write("put", "fits", {}), Write("put", "r", columns)], "one")  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.subject) == ("body-too-large", "one")
    assert not there.sizes


async def test_a_row_that_just_fits_is_sent(there: Store) -> None:
    assert await sent(there, [Write("put", "r", {f"c{n}": 1 for n in range(MOST_COLUMNS)})])
    assert await sent(there, [Write("put", "r", {f"c{n}": "x" * 32_000 for n in range(16)})]) < MOST_ROW_BYTES
    for one in ("é", "\x00", "\ud800"):  # six bytes as they travel, two as they are kept
        assert await sent(there, [Write("put", "r", {f"c{n}": one * 16_000 for n in range(16)})]) > MOST_ROW_BYTES


async def test_a_transaction_that_storage_does_not_take_is_not_sent(there: Store) -> None:
    columns = {f"c{n}": "x" * 30_000 for n in range(15)}
    rows = [Write("put", f"r{n}", columns) for n in range(10)]
    with pytest.raises(Permanent, match=f"a transaction takes {MOST_BYTES}"):
        await there.table.transact("p", rows)
    with pytest.raises(Permanent, match=f"a transaction takes {MOST_OPERATIONS}"):
        await there.table.transact("p", [Write("put", f"r{n}", {}) for n in range(101)])
    assert not there.sizes
    assert await sent(there, rows[:9]) < 4 * 1024 * 1024


async def test_an_empty_transaction_is_not_sent(there: Store) -> None:
    assert await there.table.transact("p", []) == []
    assert not there.sizes


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("code", ["RequestBodyTooLarge", "EntityTooLarge", "TooManyProperties"])
async def test_what_storage_finds_too_large_is_said_to_be_that(there: Store, status: int, code: str) -> None:
    error = b'{"odata.error": {"code": "%s", "message": {"lang": "", "value": "0:no"}}}' % code.encode()
    for answer in (transaction(http(status, error)), http(status, error)):
        there.answer = answer
        with pytest.raises(Permanent) as caught:
            await there.table.transact("p", [Write("put", "r", {})], "one")
        assert (caught.value.code, caught.value.subject) == ("body-too-large", "one")
