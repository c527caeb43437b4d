"""Microsoft Graph, as far as a scan asks it: directory objects by their ids, and applications by their application ids.

Sources: Microsoft Graph v1.0 reference, "directoryObject: getByIds" and "List servicePrincipals"; "Limited information
returned for inaccessible member objects" (without a permission for a type, its objects come with null properties).
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from sandbox.arm.listener import Listener
from sandbox.identity import BadToken, read_token

MOST_IDS: Final = 1_000
MOST_VALUES: Final = 15
_IN: Final = re.compile(r"appId in \(('[^']*'(?:,\s*'[^']*')*)\)")


@dataclass(slots=True)
class Principal:
    """An object of the directory. `app_id`: of a service principal, "" of others."""

    name: str
    kind: str = "user"
    app_id: str = ""


class MicrosoftGraph:
    """Answers on loopback to tokens for its own address.

    Attributes:
        principals: by object id, in lower case.
        allowed: whether callers have Directory.Read.All.
        hidden: kinds whose properties callers may not read: those come as null.
        busy: how many requests are answered with 429 before the others.
        requests: method and path of each request, with its query.
    """

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}
        self.allowed = True
        self.hidden: set[str] = set()
        self.busy = 0
        self.requests: list[str] = []
        self._listener = Listener(self._handle)

    @property
    def address(self) -> str:
        return self._listener.address

    async def start(self) -> str:
        return await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        try:
            read_token(request.headers.get("Authorization", "").removeprefix("Bearer "), frozenset({self.address}))
        except BadToken:
            return _refuse(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
        if self.busy:
            self.busy -= 1
            answer = _refuse(429, "TooManyRequests", "Too Many Requests")
            answer.headers["Retry-After"] = "2"
            return answer
        if not self.allowed:
            return _refuse(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        if (request.method, request.path) == ("POST", "/v1.0/directoryObjects/getByIds"):
            return self._by_ids(await request.read())
        if (request.method, request.path) == ("GET", "/v1.0/servicePrincipals"):
            return self._by_application(request.query.get("$filter", ""))
        return _refuse(404, "UnknownError", "There is nothing at this path.")

    def _by_ids(self, body: bytes) -> web.Response:
        ids = json.loads(body).get("ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= MOST_IDS:
            return _refuse(400, "Request_BadRequest", f"ids holds 1 to {MOST_IDS} ids.")
        found = [(one.lower(), self.principals[one.lower()]) for one in ids if one.lower() in self.principals]
        return web.json_response({"value": [self._shown(identity, one) for identity, one in found]})

    def _by_application(self, query: str) -> web.Response:
        listed = _IN.fullmatch(query)
        values = re.findall(r"'([^']*)'", listed[1].lower()) if listed else []
        if not 0 < len(values) <= MOST_VALUES:
            return _refuse(400, "Request_UnsupportedQuery", "This filter is not supported.")
        found = [(identity, one) for identity, one in self.principals.items() if one.app_id.lower() in values]
        return web.json_response({"value": [self._shown(identity, one) for identity, one in found]})

    def _shown(self, identity: str, one: Principal) -> dict[str, Any]:
        name = None if one.kind in self.hidden else one.name
        shown = {"@odata.type": f"#microsoft.graph.{one.kind}", "id": identity, "displayName": name}
        return shown | ({"appId": one.app_id} if one.app_id else {})


def _refuse(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
