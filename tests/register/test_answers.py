"""Doctor's look at the storage account: what is no answer of storage's is said to be none, too."""

import json
from uuid import UUID

import pytest

from guardrails.errors import GuardrailsError, Retryable
from guardrails.register.account import table_client
from guardrails.register.probe import Probe, Waiting
from guardrails.register.table import Table, Write
from tests.register.answers import SENT, done, faults, http, refusal, row, rows, speaking

pytestmark = pytest.mark.http

EMPTY = http(200, b"<?xml version='1.0'?><QueueMessagesList />", "application/xml")
LOOKING = {"submit_transaction": "try_row", "get_entity": "try_row", "peek_messages": "waiting"}


async def ask(what: str, fault: bytes) -> object:
    """Let the doctor look at a store whose answer to one method of the SDK is this."""
    good = {"submit_transaction": done(["1"]), "peek_messages": EMPTY}
    async with speaking(lambda asked: fault if asked == what else good[asked]) as connection:
        probe = Probe.connect("guardrails", connection_string=connection)
        try:
            return await (probe.try_row() if LOOKING[what] == "try_row" else probe.waiting("notices"))
        finally:
            await probe.close()


@pytest.mark.parametrize("what", LOOKING)
async def test_what_is_no_answer_of_storage_is_said_to_be_none(what: str) -> None:
    for name, fault in faults(what).items():
        try:
            said: object = await ask(what, fault)
        except GuardrailsError as error:
            said = (type(error), error.code)
        assert said == (Retryable, "storage-unreachable"), (what, name, said)


async def test_what_storage_says_is_believed() -> None:
    assert await ask("peek_messages", EMPTY) == Waiting(0, None)
    assert await ask("peek_messages", http(200, SENT.partition(b"\r\n\r\n")[2], "application/xml")) != Waiting(0, None)
    assert await ask("peek_messages", refusal(404, "QueueNotFound")) is None
    assert await ask("submit_transaction", refusal(404, "TableNotFound")) is False
    with pytest.raises(Retryable, match="cannot be read"):
        await ask("get_entity", row({"PartitionKey": "doctor", "RowKey": "another"}, "1"))


@pytest.mark.parametrize("value", [2**40, [], UUID(int=1).fields])
async def test_what_no_request_can_be_made_of_is_a_defect_of_ours_and_not_storages(value: object) -> None:
    async with speaking(lambda _: done(["1"])) as connection, table_client("t", connection_string=connection) as client:
        with pytest.raises((TypeError, ValueError)):
            await Table(client).transact("p", [Write("put", "r", {"column": value})])  # type: ignore[dict-item]


@pytest.mark.parametrize("asked", ["get", "query"])
async def test_a_defect_of_ours_in_reading_a_row_is_not_storages(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    def broken(_: object) -> object:
        raise ValueError("ours")

    monkeypatch.setattr("guardrails.register.table._entity", broken)
    found = {"PartitionKey": "p", "RowKey": "r"}
    answers = {"get_entity": row(found, "1"), "query_entities": rows([(found, "1")])}
    async with speaking(answers.__getitem__) as connection, table_client("t", connection_string=connection) as client:
        table = Table(client)
        with pytest.raises(ValueError, match="ours"):
            await (table.get("p", "r") if asked == "get" else anext(table.query("")))


@pytest.mark.parametrize("more", [{}, {"odata.etag": ""}, {"odata.etag": None}, {"odata.etag": [1]}])
@pytest.mark.parametrize("asked", ["get", "query"])
async def test_a_row_without_its_etag_is_no_answer_of_storage(asked: str, more: dict[str, object]) -> None:
    """The write that follows would have no guard, and take away what somebody else wrote."""
    found = {"PartitionKey": "p", "RowKey": "r", **more}
    answers = {"get_entity": found, "query_entities": {"value": [found]}}

    def answer(what: str) -> bytes:
        return http(200, json.dumps(answers[what]).encode())

    async with speaking(answer) as connection, table_client("t", connection_string=connection) as client:
        table = Table(client)
        with pytest.raises(Retryable) as caught:
            await (table.get("p", "r") if asked == "get" else anext(table.query("")))
    assert caught.value.code == "storage-unreachable"


@pytest.mark.parametrize("key", [1, None, [], True])
async def test_a_row_whose_keys_are_no_text_is_no_answer_of_storage(key: object) -> None:
    rows_of = json.dumps({"value": [{"PartitionKey": "p", "RowKey": key, "odata.etag": "1"}]}).encode()
    async with (
        speaking(lambda _: http(200, rows_of)) as connection,
        table_client("t", connection_string=connection) as client,
    ):
        with pytest.raises(Retryable, match="cannot be read"):
            await anext(Table(client).query("", ("a",)))
