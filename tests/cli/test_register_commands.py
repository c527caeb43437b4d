"""The commands that look into the register and put things right there, on real tables and queues."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from guardrails.decisions.history import DeadLetter, Entry
from guardrails.decisions.notify import service
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Kind
from guardrails.register.keys import address
from guardrails.register.table_register import TableRegister, connect
from guardrails.ruleset.budgets import Budget, Use
from tests.clock import VirtualClock

from .conftest import Run

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Store:
    """The table and queues that the commands use."""

    def __init__(self, connection: str, table: str) -> None:
        self.connection = connection
        self.table = table
        self.id = ExemptionId.parse(
            f"/subscriptions/{uuid4()}/providers/Microsoft.Authorization/policyExemptions/Partner-Ingestion"
        )

    def do[T](self, work: Callable[[TableRegister], Awaitable[T]]) -> T:
        async def run() -> T:
            async with connect(clock=VirtualClock(AT), connection_string=self.connection, table=self.table) as register:
                return await work(register)

        return asyncio.run(run())

    def commit(self, before: Stored | None = None, **row: Any) -> Stored:
        entry = Entry(AT, "judged", {"hint": "event", "actor": "jo@contoso.com", "verdict": "violation"}, {"id": "x"})
        new = Row(self.id.text, Status.VIOLATION, AT, **row)
        stored = self.do(lambda register: register.commit(self.id, before, new, entry))
        assert stored is not None
        return stored

    def dead_letter(self, source: str, payload: str, name: str = "l1") -> None:
        self.do(lambda register: register.keep_dead_letter(DeadLetter(name, source, "broken", payload, AT, 3)))

    def dead_letters(self) -> list[str]:
        return [dead_letter.id for dead_letter in self.do(lambda register: register.dead_letters())]

    def edit(self, row: str, **columns: Any) -> None:
        async def run() -> None:
            async with TableClient.from_connection_string(self.connection, self.table) as table:
                await table.update_entity({"PartitionKey": address(self.id).partition, "RowKey": row, **columns})

        asyncio.run(run())

    def queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(self.connection, name, message_decode_policy=TextBase64DecodePolicy())

    def messages(self, name: str) -> list[Any]:
        """Take what is on a queue."""
        with self.queue(name) as queue:
            found = [json.loads(message.content) for message in queue.receive_messages(max_messages=32)]
            queue.clear_messages()
        return found


@pytest.fixture
def store(azurite: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    table = f"t{uuid4().hex}"
    monkeypatch.setenv("AzureWebJobsStorage", azurite)
    monkeypatch.setenv("GUARDRAILS_TABLE", table)
    monkeypatch.delenv("GUARDRAILS_RULESET", raising=False)
    made = Store(azurite, table)
    for name in ("reconcile", "notices"):
        with made.queue(name) as queue:
            with contextlib.suppress(ResourceExistsError):
                queue.create_queue()
            queue.clear_messages()
    return made


def test_history_is_shown_oldest_first_and_is_sound(run: Run, store: Store) -> None:
    store.commit(store.commit(owner="a"), owner="b")
    ran = run("history", store.id.text.upper(), "--verify")
    assert (ran.code, ran.err) == (0, "")
    head, first, second, last = ran.out.splitlines()
    assert head.split() == ["entry", "at", "event", "body", "hash", "by", "what"]
    assert first.split()[:4] == ["1", "2026-11-02T09:30:00Z", "judged", "kept"]
    assert first.split()[5:] == ["jo@contoso.com", "violation"]
    assert second.startswith("2 ")
    assert last == "sound: 2 entries, each with the hash of the entry before it"

    shown = run("history", store.id.text, "--format", "json", "--verify").json
    assert [entry["seq"] for entry in shown["entries"]] == [1, 2]
    assert shown["entries"][1]["previous"] == shown["entries"][0]["hash"]
    assert shown["problems"] == []
    assert "problems" not in run("history", store.id.text, "--format", "json").json


def test_a_history_that_was_changed_fails_verification(run: Run, store: Store) -> None:
    store.commit(store.commit(owner="a"), owner="b")
    store.edit(address(store.id).history(1), event="excused")
    ran = run("history", store.id.text, "--verify")
    assert ran.code == 1
    assert "sound" not in ran.out
    assert ran.err.startswith(f"guardrails: {store.id}: ")
    assert run("history", store.id.text, "--verify", "--format", "json").json["problems"]
    assert run("history", store.id.text).code == 0


@pytest.mark.parametrize("command", [("history",), ("register", "show")])
def test_what_the_register_never_saw(run: Run, store: Store, command: tuple[str, ...]) -> None:
    ran = run(*command, store.id.text)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"guardrails: {store.id}: the register has never seen it.")


def test_the_current_row(run: Run, store: Store) -> None:
    stored = store.commit(owner="jo\x1b[31m", findings={"EXG101": AT}, expires_on=AT)
    shown = run("register", "show", store.id.text, "--format", "json").json
    assert shown == {"schema_version": 2, **stored.row.to_json(), "seq": 1, "head": stored.head}
    shown = run("register", "show", store.id.text).out
    assert "\nexpires_on    2026-11-02T09:30:00Z\n" in shown
    assert "\x1b" not in shown


def test_the_breaker_opens_is_shown_and_closed_and_what_waits_is_queued(run: Run, store: Store) -> None:
    assert run("breaker").out == "closed: 0 reverts in the last hour (limit: 20)\n"
    store.commit(held="breaker")
    now = datetime.now(UTC)
    store.do(lambda register: register.take_revert(now, Budget.of(0), Use()))
    shown = run("breaker", "show")
    assert shown.out.startswith("open since ")
    assert shown.out.splitlines()[1:] == [f"waits: {store.id}"]
    assert run("breaker", "--format", "json").json["held"] == [store.id.text]
    assert store.messages("reconcile") == []

    closed = run("breaker", "close")
    assert closed.out.splitlines() == ["closed: 0 reverts in the last hour (limit: 20)", f"queued: {store.id}"]
    assert store.messages("reconcile") == [{"id": store.id.text}]
    assert store.do(lambda register: register.breaker(now)).opened_at is None


def test_a_broken_ruleset_keeps_nobody_from_closing_the_breaker(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "r.yaml").write_text("")
    monkeypatch.setenv("GUARDRAILS_RULESET", str(tmp_path / "r.yaml"))
    ran = run("breaker", "close")
    assert (ran.code, ran.out) == (0, "closed: 0 reverts in the last hour\n")


def event(store: Store, **changes: Any) -> str:
    return json.dumps(
        {
            "id": "e-1",
            "eventType": "Microsoft.Resources.ResourceWriteSuccess",
            "subject": store.id.text,
            "data": {
                "operationName": "Microsoft.Authorization/policyExemptions/write",
                "claims": {"upn": "jo@contoso.com"},
            },
        }
        | changes
    )


def test_dead_letters_are_listed_and_shown(run: Run, store: Store) -> None:
    assert run("dead-letters").out == "no dead letters\n"
    store.dead_letter("event", "{half an ev\x1b[2J")
    listed = run("dead-letters", "list")
    assert listed.out.splitlines()[1].split() == ["l1", "event", "2026-11-02T09:30:00Z", "3", "broken"]
    assert "payload   {half an ev[2J" in run("dead-letters", "show", "l1").out
    shown = run("dead-letters", "show", "l1", "--format", "json").json
    assert shown.pop("schema_version") == 2
    assert shown["payload"] == "{half an ev\x1b[2J"
    assert run("dead-letters", "list", "--format", "json").json == [shown]


def test_an_event_is_replayed_as_a_hint(run: Run, store: Store) -> None:
    store.dead_letter("event", event(store))
    ran = run("dead-letters", "replay", "l1")
    assert (ran.code, ran.out, ran.err) == (0, "replayed: l1\n", "")
    assert store.messages("reconcile") == [
        {"id": store.id.text, "operation": "write", "actor": "jo@contoso.com", "event": "e-1"}
    ]
    assert store.dead_letters() == []


@pytest.mark.parametrize("source", ["event", "reconcile"])
def test_a_message_is_replayed_with_its_attempts_forgotten(run: Run, store: Store, source: str) -> None:
    store.dead_letter(source, json.dumps({"id": store.id.text, "operation": "delete", "attempt": 39}))
    assert run("dead-letters", "replay", "l1").code == 0
    assert store.messages("reconcile") == [{"id": store.id.text, "operation": "delete"}]


def test_a_notice_is_replayed_with_the_same_id(run: Run, store: Store) -> None:
    notice = service(Kind.POISON, "k", at=AT, done="d", why=("w",)).to_json()
    store.dead_letter("notices", json.dumps({"route": "security-team", "notice": notice, "attempt": 40}))
    assert run("dead-letters", "replay", "l1").code == 0
    assert store.messages("notices") == [{"route": "security-team", "notice": notice, "attempt": 0}]
    assert store.dead_letters() == []


def test_all_are_replayed_and_what_cannot_be_stays_and_says_why(run: Run, store: Store) -> None:
    store.dead_letter("event", event(store), "a-good")
    store.dead_letter("event", "{half an ev", "b-half")
    store.dead_letter("event", event(store, eventType="Microsoft.Resources.ResourceActionSuccess"), "c-other")
    store.dead_letter("reconcile", '{"id": "/subscriptions/x"}', "d-id")
    store.dead_letter("notices", '{"route": "r", "notice": {}}', "e-notice")
    store.dead_letter("ruleset", "r.yaml:1:1: broken", "f-ruleset")
    ran = run("dead-letters", "replay", "--all")
    assert (ran.code, ran.out) == (1, "replayed: a-good\n")
    reasons = dict(line.removeprefix("guardrails: ").split(": cannot be replayed: ") for line in ran.err.splitlines())
    assert set(reasons) == set(store.dead_letters()) == {"b-half", "c-other", "d-id", "e-notice", "f-ruleset"}
    assert reasons["b-half"].startswith("not JSON")
    assert reasons["c-other"].startswith("it is not about an exemption")
    assert reasons["d-id"].startswith("it names no exemption")
    assert reasons["e-notice"].startswith("not a notice")
    assert reasons["f-ruleset"].startswith("it is a record")
    assert len(store.messages("reconcile")) == 1


def test_a_dead_letter_is_dropped_once(run: Run, store: Store) -> None:
    store.dead_letter("event", "x")
    assert run("dead-letters", "drop", "l1").out == "dropped: l1\n"
    assert store.dead_letters() == []
    again = run("dead-letters", "drop", "l1")
    assert again.code == 2
    assert again.err.startswith("guardrails: l1: there is no such dead letter.")


def test_unreachable_storage_is_reported_in_a_line(run: Run, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    away = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;TableEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a;"
    monkeypatch.setenv("AzureWebJobsStorage", away)
    ran = run("dead-letters", "list")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("guardrails: ")
    assert ran.err.count("\n") == 1
    assert "YQ==" not in ran.err
