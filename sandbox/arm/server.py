"""The ARM stand-in: from an HTTP request to its answer."""

import json
import re
import time
from asyncio import sleep
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

from aiohttp import web

from sandbox.arm import activity, metadata, routes, tenants
from sandbox.arm.checked import OFFERED, name_of
from sandbox.arm.control import Control
from sandbox.arm.deployments import Deployments
from sandbox.arm.errors import ArmError, bad_content, not_allowed
from sandbox.arm.faults import Fault, Seen
from sandbox.arm.listener import Listener
from sandbox.arm.operations import PLAIN, Operations, reads_of
from sandbox.arm.policy_tokens import HEADER, READER
from sandbox.arm.providers import PROVIDERS, invalid
from sandbox.arm.reply import Call, Context, Operation, Reply, Request
from sandbox.arm.routes import Route
from sandbox.arm.state import State, utc_now
from sandbox.arm.store import Json
from sandbox.arm.tags import Tags
from sandbox.arm.target import DEPLOYMENTS, EXEMPTIONS, PERMISSIONS, TAGS, parse
from sandbox.authority import authority
from sandbox.identity import NOBODY, TENANT_ID, BadToken, Caller, read_token

MAX_BODY_BYTES = 4 * 1024 * 1024
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-privatepreview|-alpha|-beta)?", re.IGNORECASE)
_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_KNOWN_TOKENS = 4096
_MOST_BYTES = 4 * 1024 * 1024


class Arm(State):
    """Azure Resource Manager in memory, on loopback, in plain HTTP and with TLS.

    `listeners` are called with every Operation that was answered, in the order of the answers.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self._operations = Operations()
        self.activity = activity.ActivityLog()
        self.listeners: list[Callable[[Operation], None]] = []
        self._tags = Tags(self.store, clock)
        self._deployments = Deployments(self.store, clock)
        self.control = Control(self)
        self._callers: dict[str, Caller] = {}
        self._listener = Listener(self._handle)

    @property
    def address(self) -> str:
        return self._listener.address

    @property
    def tls_address(self) -> str:
        return self._listener.tls_address

    async def start(self) -> str:
        return await self._listener.start(authority().context)

    async def stop(self) -> None:
        await self._listener.stop()

    # One request.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/_sandbox/"):
            return await self.control.handle(request)
        fault = self.faults.take(request.method, path, request.query_string) if self.faults.rules else None
        delay = self.faults.latency + (fault.latency if fault else 0.0)
        if delay:
            await sleep(delay)
        if fault and fault.drop and not fault.after:
            return _drop(request)
        body = await request.content.read() if request.method in {"PUT", "PATCH", "POST"} else b""
        asked = Request(
            request.method, path, request.query, request.headers, request.host, str(request.url),
            request.remote or "127.0.0.1",
        )  # fmt: skip
        reply = self.answer(asked, body, fault)
        if fault and fault.drop:
            return _drop(request)
        headers = {"Date": format_datetime(self.clock(), usegmt=True), **reply.headers}
        return web.Response(status=reply.status, body=reply.body or None, headers=headers)

    def answer(self, request: Request, body: bytes, fault: Fault | None = None) -> Reply:
        """Answer one request at once, `fault` in force, and write it into the log; what a fault delays is not."""
        started = time.perf_counter()
        reply, kind, who = self._answer(request, body, fault)
        if fault and fault.drop:
            return reply
        self.log.counts[kind] += 1
        spent = (time.perf_counter() - started + self.faults.latency + (fault.latency if fault else 0)) * 1000
        self.log.requests.append(Seen(time.time(), request.method, request.path, reply.status, spent, who))
        if request.method == "HEAD":
            return Reply(204 if reply.status == 200 else reply.status, headers=reply.headers)
        return reply

    def _answer(self, request: Request, body: bytes, fault: Fault | None) -> tuple[Reply, str, str]:
        path, query, method = request.path, request.query, request.method.replace("HEAD", "GET")
        headers = _headers(request.headers)
        kind, who = f"{method} ?", ""
        limit, left = self.throttle.spend(method, path.lower())
        headers[limit] = str(max(0, left))
        try:
            if fault and fault.status and not fault.after:
                raise _fail(fault)
            route = routes.find(path)
            caller = NOBODY if route and route.noun == "metadata" else self._authenticate(request.headers)
            who = caller.name
            if left < 0 and self.throttle.enforce:
                raise self._throttled()
            kind = _kind(method, path)
            context = Context(
                caller, request.host, request.url, headers["x-ms-client-request-id"],
                headers["x-ms-correlation-request-id"], request.client_ip, request.headers.get("User-Agent", ""),
                body, request.headers.get(HEADER, ""),
            )  # fmt: skip
            _check_size(body)
            if not (fault and fault.instead and method == "GET"):
                reply = self.execute(method, path, query, _read_json(body), context)
            if fault and fault.instead:
                reply = self.execute("GET", fault.instead, query, None, replace(context, client=PLAIN))  # nobody asked
            if fault and fault.status:
                raise _fail(fault)
        except ArmError as error:
            reply = Reply(error.status, error.body(), error.headers)
        if reply.body:
            headers["Content-Type"] = "application/json; charset=utf-8"
        return Reply(reply.status, reply.body, headers | reply.headers), kind, who

    def _authenticate(self, headers: Mapping[str, str]) -> Caller:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            if self.guest:
                return self.guest
            why = "The authentication failed because of missing 'Authorization' header."
            raise _unauthorized("AuthenticationFailed", "Authentication failed. " + why, why)
        caller = self._callers.get(token)
        if caller is None:
            try:
                caller = read_token(token)
            except BadToken as error:
                if self.guest:
                    return self.guest
                raise _unauthorized(error.code, str(error), str(error)) from error
            if len(self._callers) >= _KNOWN_TOKENS:
                self._callers.clear()
            self._callers[token] = caller
        now = self.clock().timestamp()
        if caller.expires <= now:
            ended, current = (f"{datetime.fromtimestamp(one, UTC):%m/%d/%Y %H:%M:%S}" for one in (caller.expires, now))
            why = f"The access token expiry UTC time '{ended}' is earlier than current UTC time '{current}'."
            raise _unauthorized("ExpiredAuthenticationToken", why, why)
        return caller

    def _throttled(self) -> ArmError:
        seconds = str(self.throttle.seconds_left())
        message = f"Number of requests exceeded the limit of the sandbox. Please try again after '{seconds}' seconds."
        return ArmError(429, "SubscriptionRequestsThrottled", message, {"Retry-After": seconds})

    def execute(self, method: str, path: str, query: Mapping[str, str], body: Any, context: Context) -> Reply:
        """Carry out one request as ARM would, permissions, locks and events included. Raises ArmError."""
        version = _version(query)
        if route := routes.find(path):
            return self._routed(method, route, query, body, context)
        target = parse(path, post=method == "POST")
        self.providers.require(target, version)
        verb = f"{target.action}/action" if target.action else _VERBS.get(method, "")
        if not verb or (not target.name and method != "GET") or name_of(method, target) not in OFFERED:
            raise not_allowed(method)
        call = Call(method, target, version, query, body, context)
        action = f"{target.type}/{verb}"
        created = target.key not in self.store.entries
        try:
            self._check(call, action)
            reply = self._dispatch(call)
        except ArmError:
            self._announce(call, action, created=created, succeeded=False)
            raise
        if reply.status != 204:
            self._announce(call, action, created=created, succeeded=True)
        return reply

    def _routed(self, method: str, route: Route, query: Mapping[str, str], body: Any, context: Context) -> Reply:
        """Answer a request that is about no resource. Raises ArmError."""
        if method != route.method or route.name not in OFFERED:
            raise not_allowed(method)
        match route.noun:
            case "metadata":
                return metadata.show(context.address, _version(query))
            case "resourceGraph":
                reply = self.graph.query(body, context.caller)
                self._operations.note(context.caller.name, context.client, reads_of(body))
                return reply
            case "activityLog":
                self._allow(context, activity.ACTION, route.scope)
                return self.activity.show(query, self.clock())
            case "acquirePolicyToken":
                self._allow(context, READER, route.scope)
                return self.policy_tokens.acquire(body, context.sent or b"")
            case "listVersions":
                return self._all_versions(route, query, context)
        self.providers.require_native(_version(query))
        if route.noun == "tenants":
            return tenants.show(self.tenant_name)
        if route.scope:
            self._allow(context, PROVIDERS, route.scope)
            self.store.require_scope(route.scope)
        return self.providers.show(route.scope, route.rest) if route.rest else self.providers.list(route.scope)

    def _all_versions(self, route: Route, query: Mapping[str, str], context: Context) -> Reply:
        at = f"{route.scope}/providers/Microsoft.Authorization/{route.rest}s"
        listed = parse(f"{at}/any/versions")
        self.providers.require(listed, _version(query))
        if route.scope:
            self._allow(context, f"{listed.type}/read", route.scope)
        return self.resources.list_versions(parse(at), _version(query))

    def _allow(self, context: Context, action: str, scope: str) -> None:
        """Check that the caller may do something at a scope. Raises ArmError 403."""
        self._operations.note(context.caller.name, context.client, (action,))
        self.access.check(context.caller, action, scope)

    def _check(self, call: Call, action: str) -> None:
        target, caller = call.target, call.context.caller
        needed = [(action, target.id if target.name else target.scope or target.id)]  # a list is read at its scope
        if call.method == "PUT" and target.type_key == EXEMPTIONS:
            properties = call.body.get("properties") if isinstance(call.body, dict) else None
            assignment = properties.get("policyAssignmentId") if isinstance(properties, dict) else None
            if isinstance(assignment, str) and assignment:
                exempt = "Microsoft.Authorization/policyAssignments/exempt/action"
                needed.append((exempt, "/" + assignment.strip("/")))
        self._operations.note(caller.name, call.context.client, (one for one, _ in needed))
        if not (target.built_in and call.method == "GET"):
            for one, scope in needed:
                self.access.check(caller, one, scope)
        self.access.check_locks(call.method, target)
        self.policy_tokens.require(call)

    def _dispatch(self, call: Call) -> Reply:
        method, target = call.method, call.target
        if target.type_key == EXEMPTIONS:
            return self._exemption(call)
        if target.type_key == TAGS:
            return self._tags.handle(method, target, call.body, call.context.caller)
        if target.action:
            self.resources.get(target, call.version)
            return Reply(200, b"{}")
        if target.type_key == PERMISSIONS:
            self.store.require_scope(target.scope)
            return Reply(200, self.access.listed(call.context.caller, target.scope_key))
        if not target.name:
            return self.resources.list(target, call.version, call.query, call.url)
        if method == "GET":
            return self.resources.get(target, call.version, call.query.get("$expand", ""))
        if method == "DELETE":
            return self.resources.delete(target, call.version)
        if target.type_key == DEPLOYMENTS:
            return self._deployments.put(target, call.body, lambda *inner: self._deploy(call, *inner))
        change = self.resources.put if method == "PUT" else self.resources.patch
        return change(target, call.body, call.version, call.context.caller)

    def _deploy(self, call: Call, method: str, path: str, body: Json | None, version: str) -> Reply:
        return self.execute(method, path, {"api-version": version}, body, replace(call.context, sent=None))

    def _exemption(self, call: Call) -> Reply:
        method, target, version, who = call.method, call.target, call.version, call.context.caller
        if method == "GET" and target.name:
            return self.exemptions.get(target, version)
        if method == "GET":
            return self.exemptions.list(target, version, call.query, call.url)
        if method == "PUT":
            return self.exemptions.put(target, call.body, version, who)
        if method == "PATCH":
            return self.exemptions.patch(target, call.body, version, who)
        if method == "DELETE":
            return self.exemptions.delete(target, version)
        raise not_allowed(method)

    def _announce(self, call: Call, action: str, *, created: bool, succeeded: bool) -> None:
        if call.method == "GET" or (not self.listeners and call.target.type_key != EXEMPTIONS):
            return
        operation = Operation(call.method, action, call.target, call.context, created, succeeded, self.clock())
        self.activity.note(operation)
        for listener in self.listeners:
            listener(operation)


def _headers(sent: Mapping[str, str]) -> dict[str, str]:
    request_id = str(uuid4())
    return {
        "Cache-Control": "no-cache",
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": sent.get("x-ms-correlation-request-id") or request_id,
        "x-ms-routing-request-id": f"SANDBOX:{request_id}",
        "x-ms-client-request-id": sent.get("x-ms-client-request-id") or request_id,
    }


def _unauthorized(code: str, message: str, why: str) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/{TENANT_ID}", error="invalid_token", '
        f'error_description="{why}"'
    )
    return ArmError(401, code, message, {"WWW-Authenticate": challenge})


def _check_size(body: bytes) -> None:
    if len(body) > _MOST_BYTES:
        raise ArmError(413, "RequestContentTooLarge", f"The request content exceeds {_MOST_BYTES} bytes.")


def _fail(fault: Fault) -> ArmError:
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after != "" else {}
    code = "TooManyRequests" if fault.status == 429 and fault.code == "ServiceUnavailable" else fault.code
    return ArmError(fault.status, code, fault.message, headers)


def _drop(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _version(query: Mapping[str, str]) -> str:
    version = query.get("api-version", "")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)
    if not _VERSION.fullmatch(version):
        raise invalid(version)
    return version


def _read_json(body: bytes) -> Any:
    if len(body) > MAX_BODY_BYTES:
        message = f"The request content size exceeds the maximum size of {MAX_BODY_BYTES} bytes."
        raise ArmError(413, "RequestEntityTooLarge", message)
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_content(str(error)) from error


def _kind(method: str, path: str) -> str:
    if route := routes.find(path):
        return route.name
    target = parse(path, post=method == "POST")
    verb = "LIST" if method == "GET" and not target.name else method
    return f"{verb} {target.short_type}"
