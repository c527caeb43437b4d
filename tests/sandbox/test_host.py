"""The host stand-in runs a small app through the real worker library: what arrives, what is answered, what is kept."""

import asyncio
import base64
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from sandbox import azurite
from sandbox.azurite import Azurite
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]

APP = textwrap.dedent("""
    import asyncio, json, os, sys, time
    import azure.functions as func

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    together = asyncio.Event()

    def seen(**entry):
        with open(os.environ["SEEN"], "a") as file:
            print(json.dumps(entry), file=file)

    @app.event_grid_trigger(arg_name="event")
    async def raw(event: str) -> None:
        seen(kind=type(event).__name__, event=event)

    @app.event_grid_trigger(arg_name="event")
    async def typed(event: func.EventGridEvent) -> None:
        seen(kind=type(event).__name__, subject=event.subject)

    @app.event_grid_trigger(arg_name="event")
    def blocking(event: str) -> None:
        seen(kind="thread")

    @app.event_grid_trigger(arg_name="event")
    async def failing(event: str) -> None:
        if "bad" in event:
            raise ValueError("this one is bad")
        seen(kind="good")

    @app.event_grid_trigger(arg_name="event")
    async def meeting(event: str) -> None:
        if json.loads(event)["id"] == "second":
            together.set()
        await asyncio.wait_for(together.wait(), 300)

    @app.event_grid_trigger(arg_name="event")
    async def slow(event: str) -> None:
        seen(kind="started")
        await asyncio.sleep(0.2)
        seen(kind="finished")

    @app.queue_trigger(arg_name="message", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
    async def work(message: func.QueueMessage) -> None:
        body = message.get_body().decode()
        seen(kind="message", body=body, count=message.dequeue_count, age=message.insertion_time is not None)
        if body == "hang" and not os.path.exists(os.environ["SEEN"] + ".crashed"):
            await asyncio.sleep(3600)
        if "fail" in body:
            raise RuntimeError("no luck with " + body)

    @app.queue_trigger(arg_name="message", queue_name="sad-poison", connection="AzureWebJobsStorage")
    async def sad(message: func.QueueMessage) -> None:
        seen(kind="poison", count=message.dequeue_count)
        raise RuntimeError("no luck")

    @app.queue_trigger(arg_name="message", queue_name="plain", connection="AzureWebJobsStorage")
    async def plain(message: str) -> None:
        seen(kind=type(message).__name__, body=message)

    @app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *")
    async def yearly(timer: func.TimerRequest) -> None:
        seen(kind="timer", past_due=timer.past_due, next=timer.schedule_status["Next"])

    @app.timer_trigger(arg_name="timer", schedule="* * * * * *")
    async def ticking(timer: func.TimerRequest) -> None:
        pass

    @app.route(route="things/{id}", methods=["GET", "POST"])
    async def thing(req: func.HttpRequest) -> func.HttpResponse:
        answer = {"id": req.route_params["id"], "q": req.params.get("q"), "body": req.get_body().decode()}
        return func.HttpResponse(json.dumps(answer), status_code=201, headers={"X-Thing": "yes"})
""")
HOST_JSON = {
    "version": "2.0",
    "extensions": {"queues": {"maxDequeueCount": 3, "visibilityTimeout": "00:01:00", "maxPollingInterval": "00:00:01"}},
}
EVENT = {
    "id": "831e1650",
    "topic": "/subscriptions/s",
    "subject": "/subscriptions/s/providers/Microsoft.Authorization/policyExemptions/ü",
    "eventType": "Microsoft.Resources.ResourceWriteSuccess",
    "eventTime": "2026-10-01T08:00:00.1234567Z",
    "data": {"operationName": "Microsoft.Authorization/policyExemptions/write"},
    "dataVersion": "2",
}
CLOUD_EVENT = {"specversion": "1.0", "id": "1", "source": "/subscriptions/s", "type": "T", "subject": "x", "data": {}}

pytestmark = pytest.mark.skipif(not azurite.SCRIPT.is_file(), reason="Azurite is not installed: run `make setup`")


class Host:
    """A host in a process of its own, over an app in a folder."""

    def __init__(self, folder: Path, storage: Azurite, app: str = APP) -> None:
        self.folder = folder
        (folder / "function_app.py").write_text(app, encoding="utf-8")
        (folder / "host.json").write_text(json.dumps(HOST_JSON), encoding="utf-8")
        self.environ = os.environ | {
            "SEEN": str(folder / "seen"),
            "WORK_QUEUE": "work",
            "AzureWebJobsStorage": storage.connection_string,
            # Overrides host.json, as in Azure: failed messages come back at once, and idle queues are looked at often.
            "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00",
            "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.1",
            "AzureWebJobs.ticking.Disabled": "true",
        }

    def start(self, *options: str) -> subprocess.Popen[str]:
        self.log = (self.folder / "log").open("w+", encoding="utf-8")
        command = [sys.executable, "-m", "sandbox.host", "--app", str(self.folder), *options]
        self.process = subprocess.Popen(  # noqa: S603 - our own
            command, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.ready: dict[str, Any] = json.loads(line) if line else {}
        return self.process

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return code

    def said(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def seen(self) -> list[dict[str, Any]]:
        path = self.folder / "seen"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def forget(self) -> None:
        (self.folder / "seen").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    started = Azurite().start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, storage: Azurite) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("app"), storage)
    host.start()
    assert host.ready, host.said()
    yield host
    assert host.stop() == 0


@pytest.fixture
def host(running: Host) -> Host:
    running.forget()
    return running


@pytest.fixture
async def http(host: Host) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.ready["address"]) as session:
        yield session


async def deliver(http: aiohttp.ClientSession, function: str, body: Any, kind: str = "Notification") -> tuple[int, str]:
    url = f"/runtime/webhooks/EventGrid?functionName={function}&code=key"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.post(url, data=io.BytesIO(data), headers={"aeg-event-type": kind}) as answer:
        return answer.status, await answer.text()


async def until[T](get: Callable[[], T], enough: Callable[[T], bool]) -> T:
    async with asyncio.timeout(PATIENCE):
        while not enough(value := get()):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)
    return value


async def counters(http: aiohttp.ClientSession, function: str) -> dict[str, Any]:
    async with http.get("/admin/host/status") as answer:
        status = await answer.json()
    assert status["state"] == "Running"
    found: dict[str, Any] = status["functions"][function]
    return found


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        CLOUD_EVENT,
        EVENT | {"eventTime": "2026-10-01T08:00:00+02:00"},
        EVENT | {"eventTime": "2026-10-01"},
        EVENT | {"data": None},
        CLOUD_EVENT | {"time": "yesterday", "data": [1]},
    ],
    ids=["event-grid", "cloud-events", "offset", "date-only", "no-data", "malformed-cloud-event"],
)
async def test_an_event_for_a_str_parameter_arrives_as_its_json_text(
    host: Host, http: aiohttp.ClientSession, event: dict[str, Any]
) -> None:
    assert await deliver(http, "raw", event) == (202, "")
    (entry,) = host.seen()
    assert entry["kind"] == "str"
    assert json.loads(entry["event"]) == event


async def test_the_worker_parses_events_for_a_typed_parameter_and_refuses_malformed_times(
    host: Host, http: aiohttp.ClientSession
) -> None:
    assert (await deliver(http, "typed", [EVENT]))[0] == 202
    assert (await deliver(http, "typed", CLOUD_EVENT))[0] == 202
    assert [entry["kind"] for entry in host.seen()] == ["EventGridEvent", "CloudEvent"]
    status, text = await deliver(http, "typed", EVENT | {"eventTime": "2026-10-01T08:00:00+02:00"})
    assert status == 500
    assert "ValueError" in text


async def test_a_delivery_is_one_invocation_an_event_in_parallel(host: Host, http: aiohttp.ClientSession) -> None:
    # The first waits for the second: one after the other they would time out.
    assert (await deliver(http, "meeting", [EVENT | {"id": "first"}, EVENT | {"id": "second"}]))[0] == 202
    assert (await deliver(http, "raw", []))[0] == 202
    assert host.seen() == []


async def test_a_function_without_async_runs_in_a_thread(host: Host, http: aiohttp.ClientSession) -> None:
    assert (await deliver(http, "blocking", [EVENT, EVENT]))[0] == 202
    assert host.seen() == [{"kind": "thread"}] * 2


async def test_one_failure_fails_the_delivery_and_is_counted_and_logged(
    host: Host, http: aiohttp.ClientSession
) -> None:
    before = await counters(http, "failing")
    status, text = await deliver(http, "failing", [EVENT, EVENT | {"id": "bad"}])
    assert status == 500
    assert "this one is bad" in text
    assert host.seen() == [{"kind": "good"}]
    after = await counters(http, "failing")
    assert {name: after[name] - before[name] for name in ("invocations", "successes", "failures", "running")} == {
        "invocations": 2,
        "successes": 1,
        "failures": 1,
        "running": 0,
    }
    assert "failing failed (invocation " in host.said()
    assert "ValueError: this one is bad" in host.said()


async def test_requests_that_are_no_delivery(host: Host, http: aiohttp.ClientSession) -> None:
    assert (await deliver(http, "nobody", EVENT))[0] == 404
    assert (await deliver(http, "work", EVENT))[0] == 404, "only Event Grid functions"
    assert (await deliver(http, "raw", b'{"id": '))[0] == 400
    assert (await deliver(http, "raw", b"\xff\xfe\x00"))[0] == 400
    assert (await deliver(http, "raw", b"[" * 100_000))[0] == 400
    assert (await deliver(http, "raw", "text"))[0] == 400
    assert (await deliver(http, "raw", EVENT, kind="Else"))[0] == 400
    assert host.seen() == []


async def test_handshakes(host: Host, http: aiohttp.ClientSession) -> None:
    event = EVENT | {"data": {"validationCode": "c0de"}}
    for body in ([event], event, CLOUD_EVENT | {"data": '{"validationCode": "c0de"}'}):
        status, text = await deliver(http, "raw", body, kind="SubscriptionValidation")
        assert (status, json.loads(text)) == (200, {"validationResponse": "c0de"})
    assert (await deliver(http, "raw", {}, kind="SubscriptionValidation"))[0] == 400
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    async with http.options("/runtime/webhooks/EventGrid?functionName=raw", headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert host.seen() == []


async def test_a_large_event_is_accepted(host: Host, http: aiohttp.ClientSession) -> None:
    assert (await deliver(http, "raw", EVENT | {"data": {"text": "x" * 2_000_000}}))[0] == 202
    assert len(host.seen()[0]["event"]) > 2_000_000


async def test_http_functions(host: Host, http: aiohttp.ClientSession) -> None:
    async with http.post("/api/things/7?q=a%20b", data="hello") as answer:
        assert answer.status == 201
        assert answer.headers["X-Thing"] == "yes"
        assert json.loads(await answer.text()) == {"id": "7", "q": "a b", "body": "hello"}
    async with http.delete("/api/things/7") as answer:
        assert answer.status == 405
    async with http.get("/api/other") as answer:
        assert answer.status == 404


async def admin(http: aiohttp.ClientSession, function: str, body: Any) -> int:
    async with http.post(f"/admin/functions/{function}", json=body) as answer:
        return answer.status


async def test_admin_runs_any_function_once(host: Host, http: aiohttp.ClientSession) -> None:
    assert await admin(http, "yearly", {}) == 202
    (timer,) = await until(host.seen, lambda entries: len(entries) == 1)
    assert timer["past_due"] is False
    assert "-01-01T03:00:00" in timer["next"]
    host.forget()
    assert await admin(http, "raw", {"input": json.dumps(EVENT)}) == 202
    assert json.loads((await until(host.seen, bool))[0]["event"]) == EVENT
    host.forget()
    assert await admin(http, "work", {"input": "by hand"}) == 202
    assert (await until(host.seen, bool))[0]["body"] == "by hand"
    assert await admin(http, "thing", {}) == 400
    assert await admin(http, "raw", {"input": "not JSON"}) == 400
    assert await admin(http, "nobody", {}) == 404


async def test_a_disabled_function_is_not_triggered(host: Host, http: aiohttp.ClientSession) -> None:
    assert (await counters(http, "ticking"))["disabled"] is True
    assert (await counters(http, "ticking"))["invocations"] == 0


def base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def empty(queue: QueueClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await queue.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


async def test_a_message_is_run_and_deleted(host: Host, storage: Azurite) -> None:
    async with QueueClient.from_connection_string(storage.connection_string, "work") as queue:
        await queue.send_message(base64_text("tidy ü"))
        entries = await until(host.seen, bool)
        assert entries == [{"kind": "message", "body": "tidy ü", "count": 1, "age": True}]
        await empty(queue)
    async with QueueClient.from_connection_string(storage.connection_string, "plain") as queue:
        await queue.send_message(base64_text('{"id": 1}'))
        assert (await until(host.seen, lambda found: len(found) == 2))[1] == {"kind": "str", "body": '{"id": 1}'}
        await empty(queue)


async def test_many_messages_run_in_parallel_and_none_is_lost(host: Host, storage: Azurite) -> None:
    async with QueueClient.from_connection_string(storage.connection_string, "work") as queue:
        await asyncio.gather(*(queue.send_message(base64_text(f"message {n}")) for n in range(60)))
        entries = await until(host.seen, lambda found: len(found) >= 60)
        assert {entry["body"] for entry in entries} == {f"message {n}" for n in range(60)}
        assert {entry["count"] for entry in entries} == {1}
        await empty(queue)


@pytest.mark.parametrize(("sent", "tries"), [(base64_text("fail"), [1, 2, 3]), ("not base64", [])])
async def test_a_failing_message_ends_unchanged_in_the_poison_queue(
    host: Host, storage: Azurite, sent: str, tries: list[int]
) -> None:
    poison = QueueClient.from_connection_string(storage.connection_string, "work-poison")
    async with QueueClient.from_connection_string(storage.connection_string, "work") as queue, poison:
        await queue.send_message(sent)
        await empty(queue)
        assert [entry["count"] for entry in host.seen()] == tries
        moved = await poison.receive_message()
        assert moved is not None
        assert moved.content == sent
        await poison.delete_message(moved)


async def test_what_fails_on_a_poison_queue_stays_there_hidden(host: Host, storage: Azurite) -> None:
    async with QueueClient.from_connection_string(storage.connection_string, "sad-poison") as queue:
        await queue.send_message(base64_text("x"))
        await until(host.seen, bool)
        await asyncio.sleep(0.5)
        assert host.seen() == [{"kind": "poison", "count": 1}]
        assert (await queue.get_queue_properties()).approximate_message_count == 1
        assert await queue.receive_message() is None
        await queue.clear_messages()


async def test_a_deleted_queue_is_made_again(host: Host, storage: Azurite) -> None:
    async with QueueClient.from_connection_string(storage.connection_string, "plain") as queue:
        await queue.delete_queue()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await queue.send_message(base64_text("again"))
                    break
                except ResourceNotFoundError:
                    await asyncio.sleep(0.05)
        assert (await until(host.seen, bool))[0]["body"] == "again"


async def test_a_stop_lets_running_functions_finish(tmp_path: Path, storage: Azurite) -> None:
    host = Host(tmp_path, storage)
    host.start()
    async with aiohttp.ClientSession(host.ready["address"]) as http:
        delivery = asyncio.create_task(deliver(http, "slow", EVENT))
        await until(host.seen, bool)
        assert await asyncio.to_thread(host.stop) == 0
        assert await delivery == (202, "")
    assert [entry["kind"] for entry in host.seen()] == ["started", "finished"]


async def test_a_message_comes_again_after_a_crash(tmp_path: Path, storage: Azurite) -> None:
    host = Host(tmp_path, storage)
    host.environ["WORK_QUEUE"] = "crash"
    host.start("--queue-lease", "1")
    async with QueueClient.from_connection_string(storage.connection_string, "crash") as queue:
        await queue.send_message(base64_text("hang"))
        await until(host.seen, bool)
        host.process.kill()
        assert host.stop() == -signal.SIGKILL
        assert host.seen()[0]["count"] == 1
        host.forget()
        (tmp_path / "seen.crashed").touch()
        host.start("--queue-lease", "1")
        assert (await until(host.seen, bool))[0]["count"] > 1
        await empty(queue)
    assert await asyncio.to_thread(host.stop) == 0


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import azure.functions\nraise KeyError('the setting is missing')", "KeyError: 'the setting is missing'"),
        ("import nothing_of_that_name", "nothing_of_that_name"),
        ("x = 1", "Could not find top level function app"),
        (APP + "\n@app.event_grid_trigger(arg_name='event')\nasync def number(event: int) -> None: ...\n", "number"),
        (APP.replace("%WORK_QUEUE%", "%NO_SUCH%"), "there is no app setting NO_SUCH"),
        (APP.replace('"plain"', '"x"'), "cannot open the queue 'x'"),
        (APP.replace("0 0 3 1 1 *", "0 99 * * * *"), "outside minute 0-59"),
    ],
    ids=["raises", "import", "no-app", "annotation", "setting", "queue", "schedule"],
)
def test_an_app_that_cannot_start_says_why(tmp_path: Path, storage: Azurite, app: str, said: str) -> None:
    host = Host(tmp_path, storage, app)
    host.start()
    assert host.ready == {}
    assert host.stop() == 1
    assert said in host.said()
