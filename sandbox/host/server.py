"""The host's HTTP side: the Event Grid webhook, HTTP functions and `/admin`."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web
from azure_functions_runtime.bindings.datumdef import Datum

from sandbox.host import timers
from sandbox.host.worker import Function, Outcome, Worker

MAX_BODY = 100 * 1024 * 1024  # bytes: the real host's limit for HTTP requests
WEBHOOK = "/runtime/webhooks/eventgrid"
ADMIN = "/admin/functions/"
STATUS = "/admin/host/status"


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTP function, and the paths and methods that it answers."""

    function: Function
    methods: frozenset[str]
    path: re.Pattern[str]


class Server:
    """Answers requests for one worker. Function keys are not checked."""

    def __init__(self, worker: Worker, prefix: str = "api") -> None:
        self.worker = worker
        self._grid = {f.name.lower(): f for f in worker.functions.values() if f.kind == "eventGridTrigger"}
        self._routes = [_route(f, prefix) for f in worker.functions.values() if f.kind == "httpTrigger"]
        self._background: set[asyncio.Task[Outcome]] = set()

    async def listen(self, port: int) -> tuple[web.ServerRunner, str]:
        """Listen on loopback; port 0 takes a free one. Returns the runner (clean it up at the end) and the address."""
        server = web.Server(self.handle, request_factory=_request, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        lower = path.lower()
        if lower == WEBHOOK:
            return await self._event_grid(request)
        if lower.startswith(ADMIN):
            return await self._admin(request, path[len(ADMIN) :])
        if lower == STATUS:
            functions = {name: function.status() for name, function in self.worker.functions.items()}
            return _json({"state": "Running", "functions": functions})
        return await self._http(request)

    async def _event_grid(self, request: web.BaseRequest) -> web.Response:
        """As Microsoft's Event Grid extension: one invocation an event, in parallel; any failure answers 500."""
        name = request.query.get("functionName", "")
        function = self._grid.get(name.lower())
        if function is None or function.disabled:
            return _text(HTTPStatus.NOT_FOUND, f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            origin = request.headers.get("WebHook-Request-Origin", "*")
            return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        try:
            body = json.loads(await request.read())
            kind = request.headers.get("aeg-event-type", "").lower()
            if kind == "subscriptionvalidation":
                return _json({"validationResponse": _validation_code(body)})
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            return _text(HTTPStatus.BAD_REQUEST, f"not a readable Event Grid request: {error!r}")
        if kind == "unsubscribe":
            return web.Response(status=HTTPStatus.ACCEPTED)
        events = body if isinstance(body, list) else [body]
        if kind != "notification" or not isinstance(body, list | dict):
            return _text(HTTPStatus.BAD_REQUEST, "wanted: aeg-event-type Notification, and an event or a list of them")
        if len(events) == 1:
            outcomes = [await self.worker.invoke(function, _event(events[0]))]
        else:
            outcomes = await asyncio.gather(*(self.worker.invoke(function, _event(event)) for event in events))
        failed = next((outcome for outcome in outcomes if not outcome.ok), None)
        return _text(HTTPStatus.INTERNAL_SERVER_ERROR, failed.error) if failed else web.Response(status=202)

    async def _admin(self, request: web.BaseRequest, name: str) -> web.Response:
        """Run any function once in the background. The body is `{"input": "..."}`, the trigger's payload as text."""
        function = next((f for f in self.worker.functions.values() if f.name.lower() == name.lower()), None)
        if function is None:
            return _text(HTTPStatus.NOT_FOUND, f"there is no function {name!r}")
        if request.method == "GET":
            return _json({"name": function.name, **function.status()})
        if function.kind == "httpTrigger":
            return _text(HTTPStatus.BAD_REQUEST, f"{function.name} has an HTTP trigger: call its route")
        try:
            body = json.loads(await request.read() or b"{}")
            text = body.get("input") or ""
            value = _manual_payload(function, text if isinstance(text, str) else json.dumps(text))
        except (ValueError, AttributeError) as error:
            return _text(HTTPStatus.BAD_REQUEST, f'the body must be JSON such as {{"input": "text"}}: {error}')
        task = asyncio.create_task(self.worker.invoke(function, value, _manual_metadata(function)))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return web.Response(status=HTTPStatus.ACCEPTED)

    async def _http(self, request: web.BaseRequest) -> web.Response:
        matches = [(route, found) for route in self._routes if (found := route.path.fullmatch(request.path))]
        match = next(((route, found) for route, found in matches if request.method in route.methods), None)
        if match is None or match[0].function.disabled:
            status = HTTPStatus.METHOD_NOT_ALLOWED if matches and match is None else HTTPStatus.NOT_FOUND
            return _text(status, f"{request.method} {request.path}: {status.phrase}")
        route, found = match
        value = Datum(
            type="http",
            value={
                "method": _string(request.method),
                "url": _string(f"http://{request.host}{request.path_qs}"),
                "headers": {name.lower(): _string(value) for name, value in request.headers.items()},
                "query": {name: _string(value) for name, value in request.query.items()},
                "params": {name: _string(value) for name, value in found.groupdict().items() if value is not None},
                "body": Datum(type="bytes", value=await request.read()),
            },
        )
        outcome = await self.worker.invoke(route.function, value)
        return _response(outcome.value) if outcome.ok else web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


def _route(function: Function, prefix: str) -> Route:
    template = str(function.trigger.get("route") or function.name).strip("/")
    path = "/" + "/".join(part for part in (prefix.strip("/"), template) if part)
    pattern = "".join(_segment(part) for part in re.split(r"(/?\{[^}]+\})", path))
    methods = frozenset(map(str.upper, function.trigger.get("methods") or ["GET", "POST", "PUT", "PATCH", "DELETE"]))
    return Route(function, methods, re.compile(pattern + "/?", re.IGNORECASE))


def _segment(part: str) -> str:
    """A piece of a route template as a pattern: `{id}`, `{id?}`, `{id:int}`, `{*rest}` or plain text."""
    found = re.fullmatch(r"(/?)\{(\*?)(\w+)(?::\w+)?(\??)\}", part)
    if not found:
        return re.escape(part)
    slash, rest, name, optional = found.groups()
    value = f"{slash}(?P<{name}>{'.*' if rest else '[^/]+'})"
    return f"(?:{value})?" if optional or rest else value


def _event(event: Any) -> Datum:
    """One event as the real host passes it: its JSON text written anew, whatever the spacing was on the wire.

    The real one reads with Newtonsoft's `JToken.Parse`, which also rewrites strings that look like timestamps (an
    offset becomes UTC, trailing zeros go). That is not imitated: an app must read times, not compare texts.
    """
    return Datum(type="json", value=json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def _validation_code(body: Any) -> str:
    data = body[0]["data"] if isinstance(body, list) else body["data"]
    return str((json.loads(data) if isinstance(data, str) else data)["validationCode"])


def _manual_payload(function: Function, text: str) -> Datum:
    if function.kind == "timerTrigger":
        now = datetime.now(UTC)
        return timers.payload(now, timers.schedule(function).after(now))
    if function.kind == "eventGridTrigger":
        return _event(json.loads(text))
    return _string(text)


def _manual_metadata(function: Function) -> dict[str, Datum]:
    """Return what the host says beside a payload; by it the worker sees whether a hub sent one message or many."""
    return {"SystemProperties": Datum(type="json", value="{}")} if function.kind == "eventHubTrigger" else {}


def _response(value: Datum | None) -> web.Response:
    if value is None or value.value is None:
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if value.type != "http":
        return web.Response(text=str(value.value))
    answer = value.value
    response = web.Response(status=int(answer["status_code"].value), body=answer["body"].value)
    for name, header in answer["headers"].items():
        response.headers[name] = header.value
    for cookies in answer["cookies"] or ():
        for cookie in cookies.values():
            response.headers.add("Set-Cookie", cookie.OutputString())
    return response


def _string(text: str) -> Datum:
    return Datum(type="string", value=text)


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


def _json(value: Any) -> web.Response:
    return web.json_response(value)
