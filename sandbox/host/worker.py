"""The real worker library, started and called as a host would."""

import asyncio
import json
import logging
import os
import sys
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from azure_functions_runtime import functions_metadata_request, start_threadpool_executor, worker_init_request
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native

from sandbox.host import protos
from sandbox.host.settings import HostError, disabled

log = logging.getLogger("sandbox.host")


@dataclass(slots=True)
class Counters:
    """What became of a function's invocations since the start."""

    invocations: int = 0
    successes: int = 0
    failures: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function: its id in the worker and its trigger binding, as the app declares it."""

    name: str
    id: str
    trigger: dict[str, Any]
    counters: Counters = field(default_factory=Counters)

    @property
    def kind(self) -> str:
        """The trigger's type, such as `eventGridTrigger`."""
        return str(self.trigger["type"])

    @property
    def disabled(self) -> bool:
        """Whether an app setting switches its trigger off."""
        return disabled(self.name)

    def status(self) -> dict[str, Any]:
        """Trigger and counters, for people and tests."""
        return {"trigger": self.kind, "disabled": self.disabled, **asdict(self.counters)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished invocation: `value` is what the function returned, `error` the exception's text if it failed."""

    ok: bool
    value: Datum | None = None
    error: str = ""


class Worker:
    """One function app in the worker library. There can be only one in a process."""

    def __init__(self, functions: dict[str, Function]) -> None:
        self.functions = functions
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def start(cls, app: Path) -> Self:
        """Index function_app.py in the folder `app` (absolute), which becomes the working directory, as in Azure.

        Raises:
            HostError: function_app.py fails (the text has its traceback), or it declares an output binding that the
                sandbox's host does not serve.
        """
        sys.path.insert(0, str(app))
        os.chdir(app)
        logging.getLogger("azure.functions").setLevel(logging.CRITICAL + 1)  # the worker's own; the host logs failures
        start_threadpool_executor()
        request = SimpleNamespace(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app)))
        started: protos.WorkerInitResponse = await worker_init_request(
            SimpleNamespace(request=request, properties={"host": "127.0.0.1", "protos": protos})
        )
        if started.result.exception:
            raise HostError(f"function_app.py could not be indexed\n{started.result.exception.stack_trace}")
        indexed: protos.FunctionMetadataResponse = await functions_metadata_request(SimpleNamespace())
        functions = [_function(metadata) for metadata in indexed.function_metadata_results or []]
        return cls({function.name: function for function in functions})

    async def invoke(self, function: Function, value: Datum, metadata: dict[str, Datum] | None = None) -> Outcome:
        """Run the function once with its trigger's payload. A failure is logged with its traceback, not raised."""
        counters = function.counters
        counters.invocations += 1
        counters.running += 1
        self._running += 1
        self._idle.clear()
        outcome = Outcome(ok=False)
        try:
            outcome = await self._call(function, value, metadata or {})
        finally:
            counters.running -= 1
            counters.successes += outcome.ok
            counters.failures += not outcome.ok
            self._running -= 1
            if not self._running:
                self._idle.set()
        return outcome

    async def _call(self, function: Function, value: Datum, metadata: dict[str, Datum]) -> Outcome:
        """Have the worker library run the function."""
        invocation_id = str(uuid.uuid4())
        inputs = [(function.trigger["name"], value)]
        ok, result, _, error, trace = await invocation_request_native(invocation_id, function.id, inputs, metadata)
        if ok:
            return Outcome(ok=True, value=result)
        log.error("%s failed (invocation %s): %s\n%s", function.name, invocation_id, error, trace)
        return Outcome(ok=False, error=error or "failed")

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing runs, at most so many seconds; false when something still did."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True


def _function(metadata: protos.RpcFunctionMetadata) -> Function:
    bindings: list[dict[str, Any]] = [json.loads(raw) for raw in metadata.raw_bindings]
    triggers = [binding for binding in bindings if binding["type"].endswith("Trigger")]
    others = {binding["type"] for binding in bindings if binding not in triggers} - {"http"}
    if len(triggers) != 1 or others:
        raise HostError(
            f"{metadata.name}: the sandbox's host serves functions of one trigger and no other binding; "
            f"this one has {', '.join(sorted(binding['type'] for binding in bindings))}"
        )
    return Function(metadata.name, metadata.function_id, triggers[0])
