"""The sandbox in this process: what the tests run on in `make test`, where `make test-all` runs the real one too.

The stand-ins are the same and are talked to over HTTP; so is the host, which polls queues and retries as ever. Storage
is in memory, and no worker library is between the host and the functions of function_app.py.
"""

import asyncio
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from types import ModuleType
from typing import Any

import azure.functions as func
import pytest
from azure_functions_runtime.bindings.datumdef import Datum

from guardrails.wiring import connect
from sandbox.cloud import Cloud
from sandbox.host.queues import QueueListener
from sandbox.host.server import Server
from sandbox.host.settings import queue_options, read_host_json
from sandbox.host.worker import Function, Outcome, Worker
from sandbox.stack import ROOT, Sandbox
from tests.patience import PATIENCE
from tests.storage import Account

log = logging.getLogger("sandbox.host")


class Here(Sandbox):
    """The whole sandbox in this process and event loop, which has the app's settings only within `in_force`."""

    _in_force = 0

    async def _start_parts(self) -> dict[str, Any]:
        self.storage = self._stack.enter_context(Account().serve())
        if self.log:
            self._stack.enter_context(_written(self.log, lambda: self._in_force > 0))
        return (await self._stack.enter_async_context(Cloud())).described

    @property
    def connection_string(self) -> str:
        return self.storage.connection_string

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Give this process the app settings for a while."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            self._in_force += 1
            try:
                yield
            finally:
                self._in_force -= 1

    async def start_functions(self) -> None:
        """Connect the functions anew, and have a host call them; it listens where one before did."""
        known = self.addresses.get("functions", "")
        self._running = AsyncExitStack()
        with self.in_force():
            service = connect(dict(os.environ))
            service.log_problems()
            worker, options = Direct(_app(service.intake)), queue_options(read_host_json(ROOT))
            queues = [one for one in worker.functions.values() if one.kind == "queueTrigger"]
            listeners = [QueueListener(worker, one, options, lease=600) for one in queues]
        self._running.push_async_callback(service.close)
        for listener in listeners:
            self._running.push_async_callback(listener.close, PATIENCE)
            await listener.open()
        runner, address = await Server(worker).listen(int(known.rpartition(":")[2] or 0))
        self._running.push_async_callback(runner.cleanup)
        self._running.push_async_callback(worker.drain, PATIENCE)
        for listener in listeners:
            self._running.push_async_callback(asyncio.wait, [asyncio.create_task(listener.run())])
        for listener in listeners:
            self._running.callback(listener.stop)
        self.addresses["functions"] = address
        if not known:
            await self.subscribe(self.schema)

    async def stop_functions(self, *, kill: bool = False) -> None:  # noqa: ARG002
        """Stop the functions; what runs is let finish, for there is no process that could be killed."""
        await self._running.aclose()


class Direct(Worker):
    """A function app without the worker library. What a function raises is logged as the library logs it."""

    def __init__(self, app: ModuleType) -> None:
        made = {one.get_function_name(): one for one in app.app.get_functions()}
        super().__init__({name: Function(name, name, _plain(one.get_trigger())) for name, one in made.items()})
        self._code = {name: one.get_user_function() for name, one in made.items()}

    async def _call(self, function: Function, value: Datum, metadata: dict[str, Datum]) -> Outcome:
        try:
            said = await self._code[function.name](_payload(function, value, metadata))
        except Exception as error:
            log.exception("%s failed", function.name)
            return Outcome(ok=False, error=str(error) or "failed")
        return Outcome(ok=True, value=_answer(said) if isinstance(said, func.HttpResponse) else None)


class Message(func.QueueMessage):
    """A message of a queue, with the time at which it was put there."""

    def __init__(self, text: str, metadata: dict[str, Datum]) -> None:
        super().__init__(id=metadata["Id"].value if metadata else None, body=text)
        said = json.loads(metadata["InsertionTime"].value) if metadata else None
        self._inserted = datetime.fromisoformat(said) if said else None

    @property
    def insertion_time(self) -> datetime | None:
        return self._inserted


def _plain(trigger: Any) -> dict[str, Any]:
    """Return a trigger as the library's metadata has it: JSON."""
    said: dict[str, Any] = json.loads(json.dumps(trigger.get_dict_repr(), default=lambda one: one.value))
    return said


def _answer(response: func.HttpResponse) -> Datum:
    """Return what the library would make of an HTTP answer."""
    headers = {**response.headers, "Content-Type": f"{response.mimetype}; charset={response.charset}"}
    said = {
        "status_code": Datum(type="string", value=str(response.status_code)),
        "headers": {name: Datum(type="string", value=value) for name, value in headers.items()},
        "cookies": None,
        "body": Datum(type="bytes", value=response.get_body()),
    }
    return Datum(type="http", value=said)


def _payload(function: Function, value: Datum, metadata: dict[str, Datum]) -> Any:
    """Return what the library would make of a trigger's payload."""
    if function.kind == "httpTrigger":
        asked = value.value
        return func.HttpRequest(asked["method"].value, asked["url"].value, body=b"")
    text = str(value.value)
    match function.kind:
        case "queueTrigger":
            return Message(text, metadata)
        case "eventHubTrigger":
            return func.EventHubEvent(body=text.encode())
        case "timerTrigger":
            return None
    return text


def _app(intake: Any) -> ModuleType:
    """Import function_app.py anew, with its use cases connected."""
    spec = importlib.util.spec_from_file_location("function_app_here", ROOT / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    app._intake = intake  # type: ignore[attr-defined]
    return app


@contextmanager
def _written(file: Any, ours: Callable[[], bool]) -> Iterator[None]:
    """Write what this process logs into a file, as the host's process does, while the tests of this sandbox run."""
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    handler.addFilter(lambda _: ours())
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
