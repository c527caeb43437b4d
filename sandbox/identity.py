"""Who calls: tokens shaped like Microsoft Entra access tokens, and the managed-identity endpoint that issues them.

The tokens are signed with a key that everybody knows. They prove nothing; by them the ARM stand-in only recognises a
token of the sandbox. `Caller` is what ARM and Event Grid read out of one.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from aiohttp import web

from sandbox.arm.listener import Listener

SIGNING_KEY = b"sandbox"
TENANT_ID = "72f988bf-0000-4000-8000-00000000cafe"
ARM_AUDIENCE = "https://management.azure.com"
AUDIENCES = frozenset({ARM_AUDIENCE, "https://management.core.windows.net"})
API_VERSION = "2019-08-01"

_CLAIM_NAMES = {
    "oid": "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "tid": "http://schemas.microsoft.com/identity/claims/tenantid",
    "idp": "http://schemas.microsoft.com/identity/claims/identityprovider",
    "scp": "http://schemas.microsoft.com/identity/claims/scope",
    "sub": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier",
    "unique_name": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "upn": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
}


class BadToken(ValueError):
    """A bearer token that ARM refuses; `code` is ARM's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity behind a request. `kind` is User, Application or ManagedIdentity, as systemData writes it."""

    name: str
    oid: str
    appid: str
    upn: str
    kind: str
    expires: float
    claims: dict[str, str] = field(hash=False)

    @property
    def created_by(self) -> str:
        """What systemData calls this identity: the UPN of a user, the client id of an application."""
        return self.upn or self.appid or self.oid


NOBODY = Caller(name="", oid="", appid="", upn="", kind="", expires=0.0, claims={})
"""Who calls without a token where none is needed."""


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _unpart(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def _sign(text: str) -> str:
    return _part(hmac.new(SIGNING_KEY, text.encode(), hashlib.sha256).digest())


def token_for(
    name: str,
    oid: str,
    appid: str | None = None,
    upn: str | None = None,
    *,
    managed_identity: str | None = None,
    audience: str = ARM_AUDIENCE,
    lifetime: float = 86_400.0,
) -> str:
    """Mint an access token.

    With `upn` it is a user's, with `managed_identity` (the resource id of the identity) a managed identity's, else a
    service principal's, with `appid` or one derived from the object id. `lifetime` is in seconds; a negative one gives
    a token that has expired.
    """
    now = int(time.time())
    client = appid or str(uuid5(NAMESPACE_URL, oid))
    issuer = f"https://sts.windows.net/{TENANT_ID}/"
    claims: dict[str, Any] = {
        "aud": audience, "iss": issuer, "idp": issuer, "iat": now, "nbf": now, "exp": int(now + lifetime),
        "appid": client, "appidacr": "2", "oid": oid, "sub": oid, "tid": TENANT_ID, "uti": uuid4().hex[:22],
        "ver": "1.0", "name": name,
    }  # fmt: skip
    if upn:
        claims |= {"idtyp": "user", "upn": upn, "unique_name": upn, "scp": "user_impersonation", "appidacr": "0"}
    else:
        claims |= {"idtyp": "app", "app_displayname": name}
    if managed_identity:
        claims["xms_mirid"] = managed_identity
    header = _part(json.dumps({"typ": "JWT", "alg": "HS256", "kid": "sandbox"}).encode())
    body = f"{header}.{_part(json.dumps(claims).encode())}"
    return f"{body}.{_sign(body)}"


def read_token(token: str, audiences: frozenset[str] = AUDIENCES) -> Caller:
    """Read a token minted here. Raises BadToken for garbage, a foreign signature or another audience than these.

    It does not look at the clock: `Caller.expires` (Unix seconds) is for the caller of this function to check.
    """
    try:
        body, _, signature = token.rpartition(".")
        claims = json.loads(_unpart(body.split(".")[1]))
        genuine = hmac.compare_digest(signature, _sign(body))
        oid, expires, audience = claims["oid"], float(claims["exp"]), str(claims["aud"]).rstrip("/")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadToken("InvalidAuthenticationToken", "The access token is invalid.") from error
    if not genuine:
        raise BadToken("InvalidAuthenticationToken", "The access token validation failure: invalid signature.")
    if audience not in audiences:
        raise BadToken(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match "
            "with one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
        )
    kind = "User" if claims.get("upn") else "ManagedIdentity" if claims.get("xms_mirid") else "Application"
    named = {_CLAIM_NAMES.get(key, key): str(value) for key, value in claims.items() if key != "name" or kind == "User"}
    return Caller(
        name=str(claims.get("name", "")), oid=str(oid), appid=str(claims.get("appid", "")),
        upn=str(claims.get("upn", "")), kind=kind, expires=expires, claims=named,
    )  # fmt: skip


class Identity:
    """The managed-identity endpoint of App Service (learn.microsoft.com, overview-managed-identity, REST reference).

    `environment` is what a function app gets: IDENTITY_ENDPOINT and IDENTITY_HEADER. `oid` is the system-assigned
    identity; `user_assigned` maps a client id to an object id, `names` to a name, where it is not `name`.
    """

    def __init__(
        self,
        *,
        oid: str = "0d5f2a52-0000-4000-8000-00000000f00d",
        client_id: str = "5c7e9a11-0000-4000-8000-00000000f00d",
        name: str = "func-exemption-guardrails",
        lifetime: float = 86400.0,
    ) -> None:
        self.oid = oid
        self.client_id = client_id
        self.name = name
        self.lifetime = lifetime
        self.user_assigned: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.header = secrets.token_hex(16)
        self.issued = 0
        self._listener = Listener(self._handle)

    @property
    def address(self) -> str:
        return self._listener.address

    @property
    def environment(self) -> dict[str, str]:
        return {"IDENTITY_ENDPOINT": f"{self.address}/msi/token", "IDENTITY_HEADER": self.header}

    def token(self, resource: str = ARM_AUDIENCE) -> str:
        """Return a token of the system-assigned identity, as the endpoint would give it."""
        return self._mint(self.oid, self.client_id, resource)

    def control(self) -> dict[tuple[str, str], Callable[[Any], Any]]:
        """Return what ARM's control API offers for identities, by method and name."""
        return {("PUT", "identities"): self._assign}

    def _assign(self, body: dict[str, dict[str, str]]) -> dict[str, str]:
        for client_id, one in body.items():
            self.user_assigned[client_id], self.names[client_id] = one["oid"], one["name"]
        return self.user_assigned

    async def start(self) -> str:
        return await self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()

    def _mint(self, oid: str, client_id: str, resource: str) -> str:
        name = self.names.get(client_id, self.name)
        return token_for(
            name, oid, client_id, audience=resource, lifetime=self.lifetime,
            managed_identity=f"/subscriptions/{uuid5(NAMESPACE_URL, oid)}/resourcegroups/sandbox"
            f"/providers/Microsoft.Web/sites/{name}",
        )  # fmt: skip

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        query = request.query
        if request.path.rstrip("/") != "/msi/token" or request.method != "GET":
            return _refuse(404, "There is nothing at this path. Ask GET /msi/token.")
        if not hmac.compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), self.header):
            return _refuse(401, "The X-IDENTITY-HEADER header does not hold the value of IDENTITY_HEADER.")
        if query.get("api-version") != API_VERSION:
            return _refuse(400, f"The api-version must be {API_VERSION}.")
        resource = query.get("resource")
        if not resource:
            return _refuse(400, "The resource parameter is missing.")
        pair = self._choose(query)
        if pair is None:
            return _refuse(400, "No User Assigned or Delegated Managed Identity found for specified parameters.")
        self.issued += 1
        oid, client_id = pair
        expires = str(int(time.time() + self.lifetime))
        return web.json_response(
            {
                "access_token": self._mint(oid, client_id, resource), "expires_on": expires, "resource": resource,
                "token_type": "Bearer", "client_id": client_id.upper(),
            }
        )  # fmt: skip

    def _choose(self, query: Mapping[str, str]) -> tuple[str, str] | None:
        """Return object id and client id of the identity asked for, by either of them; None for an unknown one."""
        wanted = query.get("object_id") or query.get("principal_id")
        known = {self.client_id.lower(): (self.oid, self.client_id)}
        known |= {key.lower(): (oid, key) for key, oid in self.user_assigned.items()}
        if wanted:
            return next((pair for pair in known.values() if pair[0].lower() == wanted.lower()), None)
        return known.get((query.get("client_id") or self.client_id).lower())


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)
