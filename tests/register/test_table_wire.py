"""The requests that we encode are the SDK's, to the byte, and what comes of them is what the SDK makes of it.

On Azurite by a fuzz test that leaves the same rows by both ways, and with every fault that an answer may have.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import uuid4

import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails.register import table_wire as wire
from guardrails.register.table import Write
from guardrails.register.table_client import LeanTableClient
from guardrails.runtime.transport import Foreign
from tests.register import answers

pytestmark = pytest.mark.http

ACCOUNT: Final = "AccountName=acme;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:9/acme"
KEYS: Final = (
    "a",
    "mg~Größe",
    "it's",
    "sub-1.2_3(4)",
    "state~0a",
    "history~0a~0000000001",
    "outbox~0a~=2F=~",
    "x y+%27&=",
    "日",
)
TEXTS: Final = (
    "",
    "x",
    "Größe 日本 \U0001f600",
    'it\'s "quoted" \\ /',
    "\ud800",
    "\x00\x1f\x7f\u2028",
    "--changeset_x\r\n",
)
VALUES: Final = (*TEXTS, 0, -1, 2**31 - 1, -(2**31), b"", b"\x00\xff" * 9)
ETAG: Final = "W/\"datetime'2026-11-02T09%3A30%3A00.5Z'\""

rows = st.dictionaries(st.sampled_from(("id", "seq", "row", "row_1", "body", "größe")), st.sampled_from(VALUES))
writes = st.one_of(
    st.builds(Write, st.sampled_from(("create", "put", "merge")), st.sampled_from(KEYS), rows),
    st.builds(Write, st.just("replace"), st.sampled_from(KEYS), rows, st.sampled_from(("", ETAG))),
    st.builds(Write, st.just("delete"), st.sampled_from(KEYS), st.just({}), st.sampled_from(("", ETAG))),
)


class Sent(Exception):
    """The request that was about to be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__(request.url)
        kept = sorted((name, value) for name, value in request.headers.items() if name not in _OWN)
        self.request = request.method, request.url, _nameless(kept), _nameless(request.content or b"")


_OWN: Final = frozenset({"x-ms-client-request-id", "x-ms-date", "Date", "Authorization"})
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f-]{27}"
_TIME: Final = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"


def _nameless(said: object) -> str:
    """Return what is sent, without the names and times that are of each request its own."""
    text = said.decode("ascii") if isinstance(said, bytes) else str(said)
    return re.sub(_TIME, "TIME", re.sub(_UUID, "ID", text))


class Nowhere(AioHttpTransport):  # type: ignore[misc]
    """A transport that sends nothing, and raises what it should send."""

    async def send(self, request: Any, **_: Any) -> Any:
        raise Sent(request)


async def sent(kind: type[TableClient], ask: Callable[[TableClient], Awaitable[Any]]) -> Any:
    async with kind.from_connection_string(ACCOUNT, "guardrails", transport=Nowhere()) as client:
        with pytest.raises(Sent) as caught:
            await ask(client)
    return caught.value.request


async def same(ask: Callable[[TableClient], Awaitable[Any]]) -> None:
    assert await sent(LeanTableClient, ask) == await sent(TableClient, ask)


@given(st.lists(writes, min_size=1, max_size=5), st.sampled_from(KEYS))
@settings(max_examples=200)
def test_a_transaction_is_the_sdks_to_the_byte(chosen: Sequence[Write], partition: str) -> None:
    operations = [write.operation(partition) for write in chosen]
    asyncio.run(same(lambda client: client.submit_transaction(operations)))


@pytest.mark.parametrize("select", [None, ("RowKey",), ("PartitionKey", "RowKey", "id", "a column")])
async def test_a_read_is_the_sdks_to_the_byte(select: Sequence[str] | None) -> None:
    for partition in KEYS:
        for row in KEYS:
            fields = list(select) if select else None
            await same(lambda client: client.get_entity(partition, row, select=fields))  # noqa: B023
        where = f"PartitionKey eq '{partition.replace("'", "''")}' and RowKey ge 'state~' and held gt ''"
        await same(lambda client: anext(aiter(client.query_entities(where, select=fields, results_per_page=1000))))  # noqa: B023


@pytest.mark.parametrize("row", [{"n": 2**31}, {"n": 0.5}, {"n": True}, {"n": None}, {"n": (2**40, "Edm.Int64")}])
def test_what_we_never_write_is_left_to_the_sdk(row: dict[str, Any]) -> None:
    assert wire.entity(row) is None


async def come_to(client: TableClient, what: str) -> Any:
    """Ask for one thing; return what came of it, in words that both clients share."""
    operations = [Write("create", "r", {"id": "x"}).operation("p"), Write("delete", "s", {}, ETAG).operation("p")]
    asked: dict[str, Callable[[], Awaitable[Any]]] = {
        "submit_transaction": lambda: client.submit_transaction(operations),
        "get_entity": lambda: client.get_entity("p", "r"),
        "query_entities": lambda: _all(client.query_entities("RowKey ge 'a'", results_per_page=1000)),
    }
    try:
        found = await asked[what]()
    except AzureError as error:
        code = getattr(error, "error_code", None)
        return type(error), str(getattr(code, "value", code)), getattr(error, "status_code", None), error.message
    except Exception as error:  # noqa: BLE001 - any kind, and both are to raise the same
        return type(error), str(error)
    return _plain(found)


async def _all(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


def _plain(found: Any) -> Any:
    if isinstance(found, list):
        return [_plain(one) for one in found]
    return (dict(found), found.metadata.get("etag")) if hasattr(found, "metadata") else found


GOOD: Final = {
    "done": answers.done(['W/"1"', ""]), "a row": answers.row({"PartitionKey": "p", "RowKey": "r", "b": b"\x00"}, "1"),
    "rows": answers.rows([({"PartitionKey": "p", "RowKey": "r", "n": 1}, "1")]),
    "a number of 64 bits": answers.rows([({"PartitionKey": "p", "RowKey": "r", "n": 2**40}, "1")]),
    "a fraction": answers.row({"PartitionKey": "p", "RowKey": "r", "n": 0.5, "yes": True}, "1"),
    "a time": answers.row({"PartitionKey": "p", "RowKey": "r", "Timestamp": "2026-11-02T09:30:00.5Z"}, ""),
    "no base64": answers.http(200, b'{"odata.etag": "1", "b@odata.type": "Edm.Binary", "b": "a"}'),
    "a part without its tag": answers.done(["", ""]), "fewer parts": answers.done(["1"]),
    "more parts": answers.done(["1", "2", "3"]),
    "two codes": answers.transaction(b"HTTP/1.1 201 X\r\nETag: 1\r\n\r\n{}", b"HTTP/1.1 202 X\r\nETag: 2\r\n\r\n"),
}  # fmt: skip
REFUSED: Final = {
    f"{status} {code}": (answers.refusal(status, code), answers.transaction(answers.refusal(status, code)))
    for status, code in (
        (404, "ResourceNotFound"), (404, "TableNotFound"), (409, "EntityAlreadyExists"), (409, "TableBeingDeleted"),
        (412, "UpdateConditionNotSatisfied"), (412, "ConditionNotMet"), (400, "InvalidInput"),
        (400, "PropertyValueTooLarge"), (413, "RequestBodyTooLarge"), (403, "AuthorizationFailure"),
        (401, "InvalidAuthenticationInfo"), (429, "TooManyRequests"), (500, "InternalError"), (503, "ServerBusy"),
    )
}  # fmt: skip


@pytest.mark.parametrize("what", ["submit_transaction", "get_entity", "query_entities"])
async def test_every_answer_comes_to_what_the_sdk_makes_of_it(what: str) -> None:
    said = {**answers.faults(what), **GOOD}
    said |= {
        f"{name}, {at}": one for name, of in REFUSED.items() for at, one in zip(("whole", "a part"), of, strict=True)
    }
    current, seen = b"", 0
    once: dict[str, Any] = {"retry_total": 0, "permit_redirects": False}  # as ours are
    async with answers.speaking(lambda _: current) as connection:
        for name, current in said.items():  # noqa: B007 - `speaking` answers with it
            ways = []
            for kind in (TableClient, LeanTableClient):
                async with kind.from_connection_string(connection, "t", **once) as client:
                    ways.append(await come_to(client, what))
            assert ways[0] == ways[1], (what, name)
            seen += 1
    assert seen > 60


async def test_xml_is_refused_by_the_hook_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch

    def hook(_: object) -> None:
        raise Foreign("it is XML")

    async with (
        answers.speaking(lambda _: answers.http(200, b"<a/>", "application/xml")) as connection,
        LeanTableClient.from_connection_string(connection, "t", raw_response_hook=hook) as client,
    ):
        with pytest.raises(Foreign):
            await client.get_entity("p", "r")


step = st.lists(
    st.tuples(
        st.sampled_from(("create", "put", "merge", "replace", "delete")), st.sampled_from(KEYS), rows,
        st.sampled_from(("", "last", "stale")),
    ),
    min_size=1, max_size=4, unique_by=lambda one: one[1],
)  # fmt: skip


@given(st.lists(step, min_size=1, max_size=6))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_both_ways_leave_the_same_rows(azurite: str, steps: list[list[tuple[str, str, dict[str, Any], str]]]) -> None:
    asyncio.run(_leave_the_same(azurite, steps))


async def _leave_the_same(connection: str, steps: list[list[tuple[str, str, dict[str, Any], str]]]) -> None:
    table = f"t{uuid4().hex}"
    async with (
        TableClient.from_connection_string(connection, f"{table}sdk") as sdk,
        LeanTableClient.from_connection_string(connection, f"{table}ours") as ours,
    ):
        ways: list[list[Any]] = [[], []]
        for said, client in zip(ways, (sdk, ours), strict=True):
            await client.create_table()
            tags: dict[str, list[str]] = {}
            for step in steps:
                said.append(await _taken(client, step, tags))
            said.append([dict(one) async for one in client.query_entities("PartitionKey eq 'it''s'")])
            pages = client.query_entities("RowKey ge ''", select=["PartitionKey", "RowKey", "id"], results_per_page=2)
            said.append([dict(one) async for one in pages])
            said.append([dict(await client.get_entity("it's", key)) for key in {one["RowKey"] for one in said[-1]}])
        assert ways[0] == ways[1]
        for row in ways[0][-1]:  # each reads what the other wrote
            other = dict(await sdk.get_entity("it's", row["RowKey"]))
            assert other == row
        await asyncio.gather(sdk.delete_table(), ours.delete_table())


async def _taken(client: TableClient, step: Sequence[Any], tags: dict[str, list[str]]) -> Any:
    """Carry out a step; return what came of it. `tags`: the ETags that were seen, oldest first."""
    chosen = []
    for how, row, columns, guard in step:
        known = tags.get(row, [])
        etag = (known[-1] if guard == "last" else known[0]) if known and guard and how in ("replace", "delete") else ""
        chosen.append(Write(how, row, {} if how == "delete" else columns, etag))
    try:
        done = await client.submit_transaction([write.operation("it's") for write in chosen])
    except AzureError as error:
        code = getattr(error, "error_code", "")
        return type(error), str(getattr(code, "value", code)), error.status_code  # type: ignore[attr-defined]
    for write, one in zip(chosen, done, strict=True):
        if one.get("etag"):
            tags.setdefault(write.row, []).append(str(one["etag"]))
    return [bool(one.get("etag")) for one in done]


def test_the_attributes_of_the_sdk_that_we_use_are_where_they_were() -> None:
    """Not public: where one of them moves, no request of the hot path is sent."""
    client: Any = LeanTableClient.from_connection_string(ACCOUNT, "guardrails", retry_total=0)
    assert client._client._client._pipeline._transport is not None
    names = [type(one).__name__ for one in client._configure_policies(hosts=client._hosts)]
    assert {"StorageHeadersPolicy", "SharedKeyCredentialPolicy", "AsyncTablesRetryPolicy", "CustomHookPolicy"} <= {
        *names
    }
    kept = [type(getattr(one, "_policy", one)).__name__ for one in client._pipeline._impl_policies]
    assert kept == [
        "RequestIdPolicy", "StorageHeadersPolicy", "UserAgentPolicy", "SharedKeyCredentialPolicy", "StorageHosts",
        "AsyncTablesRetryPolicy", "CustomHookPolicy",
    ]  # fmt: skip
