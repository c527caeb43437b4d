"""Policies with external evaluation: writes that are refused without a policy token, and the tokens themselves.

Sources: Azure/azure-policy, ExternalEvaluationPolicies (shape of the 403, `PoP ` before a token, binding to the body,
result, policyAction, Reader at the subscription beside the right to the write itself); the REST reference of Policy
Tokens and @azure/arm-policy (retryAfter, changeReference, the path at a management group); azure-cli 2.85 (the
request for a token holds the body as JSON). Guesses: that a token is good for one write, that an address is compared
decoded, what is answered for a token that is not good, and that no change reference is a 200 with result Failed.

The name of the operation is in no public source. "Reader is enough" is checked as the built-in Reader's `*/read`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.reply import Call, Reply

HEADER: Final = "x-ms-policy-external-evaluations"
READER: Final = "*/read"
_ASSIGNMENT: Final = "/providers/Microsoft.Authorization/policyAssignments/external-evaluation"


@dataclass(slots=True)
class Demand:
    """Which writes need a token, and what is answered to who asks for one.

    `path` is a regular expression searched in the path of a write, without regard to case; `methods` are those that it
    is about, `oids` the identities ([]: all), for a policy can see who writes. `change_reference` is the one that must
    come with the request for a token ("": none); `lifetime` the seconds that a token lasts. `outcome` is Allow, Deny or
    Failed; with Failed, `retry_after` says in how many seconds to ask again. `never` refuses a write though its token
    is good. `should_deny` None leaves the field out of the refusal.
    """

    path: str = ""
    methods: list[str] = field(default_factory=lambda: ["PUT", "PATCH", "DELETE"])
    oids: list[str] = field(default_factory=list)
    change_reference: str = ""
    lifetime: float = 3600.0
    outcome: str = "Allow"
    retry_after: float | None = None
    never: bool = False
    should_deny: bool | None = True

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Demand":
        """Read it from JSON. Raises ValueError for keys that it does not have or a bad pattern."""
        names = [one.name for one in fields(cls)]
        if unknown := set(value) - set(names):
            raise ValueError(f"a demand has no {', '.join(sorted(unknown))}; it has {', '.join(names)}")
        re.compile(str(value.get("path", "")))
        return cls(**value)


@dataclass(slots=True)
class _Token:
    bound: tuple[str, str, str]
    expires: datetime
    used: bool = False


class PolicyTokens:
    """Issues tokens and checks them. `demand` None: no write needs one. `issued` counts."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Demand nothing; forget all tokens."""
        self.demand: Demand | None = None
        self.issued = 0
        self._tokens: dict[str, _Token] = {}

    def require(self, call: Call) -> None:
        """Check the token of a write that needs one, and use it up. Raises ArmError 403."""
        demand, context = self.demand, call.context
        if demand is None or context.sent is None or call.method not in demand.methods:
            return
        if demand.oids and context.caller.oid not in demand.oids:
            return
        if not re.search(demand.path, call.target.id, re.IGNORECASE):
            return
        token = self._tokens.get(context.policy_token)
        if token is None:
            raise self._refused(demand, "no policy token" if not context.policy_token else "an unknown policy token")
        if token.used:
            raise self._refused(demand, "a policy token that was used before")
        if token.expires <= self._clock():
            raise self._refused(demand, "a policy token that has expired")
        if token.bound != _bound(call.method, context.url, context.sent):
            raise self._refused(demand, "a policy token for another request")
        token.used = True
        if demand.never:
            raise self._refused(demand, "a policy token that is not enough")

    def acquire(self, body: Any, raw: bytes) -> Reply:
        """Issue a token for the operation that a request names. Raises ArmError 400."""
        operation = body.get("operation") if isinstance(body, dict) else None
        if not isinstance(operation, dict) or not all(
            isinstance(operation.get(name), str) for name in ("uri", "httpMethod")
        ):
            raise bad_content("Required properties 'operation.uri' and 'operation.httpMethod' must be strings")
        demand = self.demand or Demand()
        now = self._clock()
        if demand.change_reference and body.get("changeReference") != demand.change_reference:
            return _answer(now, {"result": "Failed", "message": "The change reference is missing or unknown."})
        if demand.outcome == "Failed":
            until = {} if demand.retry_after is None else {"retryAfter": _spelled(now, demand.retry_after)}
            return _answer(now, {"result": "Failed", "message": "The endpoint could not be asked."} | until)
        results = [{"policyInfo": {"policyAssignmentId": _ASSIGNMENT}, "policyAction": demand.outcome}]
        if demand.outcome == "Deny":
            return _answer(now, {"result": "Succeeded", "results": results})
        token, ends = f"PoP {uuid4()}", now + timedelta(seconds=demand.lifetime)
        content = content_of(raw)
        self._tokens[token] = _Token(_bound(operation["httpMethod"].upper(), operation["uri"], content), ends)
        self.issued += 1
        said = {"result": "Succeeded", "results": results, "token": token, "tokenId": str(uuid4())}
        return _answer(now, said | {"expiration": _spelled(now, demand.lifetime)})

    def _refused(self, demand: Demand, why: str) -> ArmError:
        details: dict[str, Any] = {} if demand.should_deny is None else {"shouldDeny": demand.should_deny}
        details |= {"endpointKind": "AzureResourceGraph", "isChangeReferenceRequired": bool(demand.change_reference)}
        info = {"evaluationDetails": {"missingPolicyTokenDetails": details}, "policyAssignmentId": _ASSIGNMENT}
        message = f"Resource was disallowed by policy: the request has {why}."
        return ArmError(403, "RequestDisallowedByPolicy", message, info={"type": "PolicyViolation", "info": info})


def content_of(raw: bytes) -> bytes:
    """Return the bytes of `operation.content` in a request for a token; b"" where there is none, or null.

    azure-cli sends null for a DELETE.
    """
    found = re.search(rb'"content": ?', raw)
    if not found:
        return b""
    text = raw[found.end() :].decode()
    value, end = json.JSONDecoder().raw_decode(text)
    return b"" if value is None else text[:end].encode()


def _bound(method: str, url: str, content: bytes) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return method, f"{unquote(parts.path).lower()}?{unquote(parts.query)}", sha256(content).hexdigest()


def _spelled(now: datetime, seconds: float) -> str:
    return (now + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _answer(now: datetime, body: Mapping[str, Any]) -> Reply:
    return Reply(200, json.dumps(body).encode(), {"Date": format_datetime(now, usegmt=True)})
