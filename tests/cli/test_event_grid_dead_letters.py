"""`dead-letters replay --from`: blobs that Event Grid wrote, in a folder; what they lead to on the real queue."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from guardrails.decisions.row import Status
from guardrails.register.table import Table
from tests.azure.test_events import DELETE, NAMED, SUB, WRITE, cloud_event, grid

from .conftest import Run
from .shelf import FIRST, Shelf, named, row

REASON = {
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 30,
    "lastDeliveryOutcome": "Probation",
    "publishTime": "2026-11-02T09:30:00Z",
    "lastDeliveryAttemptTime": "2026-11-03T09:30:00Z",
}
ALICE = {"actor": "alice@contoso.com"}
GROUP = f"{FIRST}/resourceGroups/rg-1"


@pytest.fixture
def storage(azurite: str) -> str:
    """Azurite: the tests look into its queue as a script does."""
    return azurite


class Container:
    """The folder that the container was downloaded to, and the queue that its dead letters go on."""

    def __init__(self, folder: Path, queue: QueueClient) -> None:
        self.folder = folder
        self.queue = queue
        self.count = 0

    def blob(self, *events: Any, text: str | bytes = "") -> str:
        """Put a file there, named as Event Grid names its blobs."""
        self.count += 1
        name = f"ON-EXEMPTION-WRITTEN/2026/11/2/9/{self.count:08d}-0000-4000-8000-000000000000.json"
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = text or json.dumps(list(events))
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return name

    def queued(self) -> list[dict[str, Any]]:
        found = [json.loads(one.content) for one in self.queue.receive_messages(max_messages=32)]
        self.queue.clear_messages()
        return sorted(found, key=lambda one: one["id"])


@pytest.fixture
def container(shelf: Shelf, tmp_path: Path) -> Iterator[Container]:
    decode = TextBase64DecodePolicy()
    with QueueClient.from_connection_string(shelf.connection, "reconcile", message_decode_policy=decode) as queue:
        with contextlib.suppress(ResourceExistsError):
            queue.create_queue()
        queue.clear_messages()
        folder = tmp_path / "dead"
        folder.mkdir()
        yield Container(folder, queue)
        queue.clear_messages()


def dead(event: dict[str, Any]) -> dict[str, Any]:
    lower = "specversion" in event
    return {**event, **{(name.lower() if lower else name): value for name, value in REASON.items()}}


@pytest.mark.parametrize("shape", [lambda event: event, cloud_event])
def test_the_exemptions_of_both_schemas_are_looked_at(run: Run, container: Container, shape: Any) -> None:
    container.blob(dead(shape(grid(WRITE, FIRST + NAMED))), dead(shape(grid(DELETE, SUB + NAMED))))
    ran = run("dead-letters", "replay", "--from", str(container.folder))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "2 exemptions put on the reconcile queue",
        "2 events given up: MaxDeliveryAttemptsExceeded",
    ]
    event = grid()["id"]
    assert container.queued() == [
        {"id": FIRST + NAMED, "operation": "write", "event": event, **ALICE},
        {"id": SUB + NAMED, "operation": "delete", "event": event, **ALICE},
    ]


def test_of_many_events_about_one_exemption_the_latest_counts(run: Run, container: Container) -> None:
    late, early = "2026-11-02T10:00:00Z", "2026-11-02T09:00:00Z"
    container.blob(dead({**grid(DELETE), "eventTime": late}))
    container.blob(dead({**grid(WRITE, (SUB + NAMED).upper()), "eventTime": early}))
    assert run("dead-letters", "replay", "--from", str(container.folder)).code == 0
    (message,) = container.queued()
    assert message["operation"] == "delete"


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("2026-11-02T10:00:00Z", "2026-11-02T10:00:00.1234567Z"),
        ("2026-11-02T10:30:00+01:00", "2026-11-02T10:00:00Z"),
        ("no time", "2026-11-02T10:00:00Z"),
        (17, "2026-11-02T10:00:00Z"),
    ],
)
def test_later_is_later_however_the_time_is_spelled(run: Run, container: Container, early: Any, late: str) -> None:
    container.blob({**grid(DELETE), "eventTime": late}, {**grid(WRITE), "eventTime": early})
    assert run("dead-letters", "replay", "--from", str(container.folder)).code == 0
    assert [one["operation"] for one in container.queued()] == ["delete"]


def test_an_event_that_fits_on_no_queue_is_named_and_all_else_goes(run: Run, container: Container) -> None:
    container.blob({**grid(WRITE, FIRST + NAMED), "id": "x" * 50_000}, grid())
    ran = run("dead-letters", "replay", "--from", str(container.folder), "--format", "json")
    assert ran.code == 1
    assert [one["file"] for one in ran.json["bad"]] == [FIRST + NAMED]
    assert "does not fit on a queue" in ran.json["bad"][0]["why"]
    assert ran.json["exemptions"] == 1
    assert [one["id"] for one in container.queued()] == [SUB + NAMED]


def test_thousands_of_targets_are_looked_up_together(
    run: Run, container: Container, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put([row(named("there", f"{FIRST}/resourceGroups/rg-7"), Status.COMPLIANT)])
    kind = "Microsoft.Resources/subscriptions/resourceGroups"
    for n in range(200):
        container.blob(grid(DELETE, f"{FIRST}/resourceGroups/RG-{n}", operationName=f"{kind}/delete"))
    asked: list[str] = []
    query = Table.query

    def counted(self: Table, where: str, select: Any = ()) -> Any:
        asked.append(where)
        return query(self, where, select)

    monkeypatch.setattr(Table, "query", counted)
    ran = run("dead-letters", "replay", "--from", str(container.folder), "--format", "json")
    assert (ran.code, ran.json["scopes"], ran.json["below"]) == (0, 200, 1)
    assert len(asked) <= 2
    assert [one["id"] for one in container.queued()] == [named("there", f"{FIRST}/resourceGroups/rg-7")]


def test_a_link_out_of_the_folder_is_not_followed(run: Run, container: Container, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps([grid()]), encoding="utf-8")
    (container.folder / "link.json").symlink_to(outside)
    (container.folder / "loop").symlink_to(container.folder)
    (container.folder / "none").symlink_to(tmp_path / "nowhere")
    ran = run("dead-letters", "replay", "--from", str(container.folder))
    assert (ran.code, ran.out.splitlines()[0]) == (0, "0 exemptions put on the reconcile queue")


def test_changed_targets_lead_to_the_exemptions_there(run: Run, container: Container, shelf: Shelf) -> None:
    shelf.put([
        row(named("there", GROUP), Status.COMPLIANT),
        row(named("lost", GROUP), Status.LOST),
        row(named("elsewhere", FIRST + "/resourceGroups/rg-2"), Status.COMPLIANT),
    ])  # fmt: skip
    kind = "Microsoft.Resources/subscriptions/resourceGroups"
    container.blob(dead(grid(DELETE, GROUP, operationName=f"{kind}/delete")))
    container.blob(dead(grid(WRITE, GROUP, operationName=f"{kind}/write")))
    ran = run("dead-letters", "replay", "--from", str(container.folder), "--format", "json")
    assert ran.code == 0
    assert (ran.json["exemptions"], ran.json["scopes"], ran.json["below"]) == (0, 2, 2)
    assert [(one["id"], one["operation"]) for one in container.queued()] == [
        (named("lost", GROUP), "target-write"),
        (named("there", GROUP), "target-delete"),
    ]


def test_what_cannot_be_read_is_named_and_all_else_goes(run: Run, container: Container) -> None:
    cut = container.blob(text=json.dumps([grid()])[:-9])
    binary = container.blob(text=b"\xff\xfe\x00")
    deep = container.blob(text="[" * 100_000)
    nowhere = {"operationName": "Microsoft.Authorization/policyExemptions/write"}
    nothing = container.blob("text", {}, {"id": "e7", "eventType": WRITE, "data": nowhere})
    container.blob(dead(grid()))
    ran = run("dead-letters", "replay", "--from", str(container.folder), "--format", "json")
    assert ran.code == 1
    assert {one["file"] for one in ran.json["bad"]} == {cut, binary, deep, nothing}
    assert "event e7: its operation is" in ran.json["bad"][-1]["why"]
    assert [one["id"] for one in container.queued()] == [SUB + NAMED]
    assert sum(path.is_file() for path in container.folder.rglob("*")) == 5


def test_a_dry_run_queues_nothing(run: Run, container: Container) -> None:
    container.blob(dead(grid()))
    container.blob(
        grid(WRITE, FIRST, operationName="Microsoft.Storage/storageAccounts/write", resourceUri="/providers/x")
    )
    ran = run("dead-letters", "replay", "--from", str(container.folder), "--dry-run")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "1 exemption to be looked at")
    assert container.queued() == []


def test_an_event_about_something_else_is_counted(run: Run, container: Container) -> None:
    container.blob({**grid(), "eventType": "Microsoft.Resources.ResourceActionSuccess"})
    ran = run("dead-letters", "replay", "--from", str(container.folder))
    assert (ran.code, ran.out.splitlines()) == (
        0, ["0 exemptions put on the reconcile queue", "1 event about something else"],
    )  # fmt: skip
    assert container.queued() == []


def test_a_missing_folder_is_reported(run: Run, tmp_path: Path) -> None:
    ran = run("dead-letters", "replay", "--from", str(tmp_path / "none"))
    assert (ran.code, ran.out) == (2, "")
    assert "there is no such folder. Download the container first" in ran.err
