"""The control API under `/_sandbox/` on the ARM listener: JSON in, JSON out, no token needed.

GET    counters | requests | faults | permissions | denials | latency
POST   faults {path, query, method, status, code, message, retry_after, latency, count, drop, after}
PUT    latency {seconds}                    PUT  throttle {enforce, limits}
PUT    permissions {OID: [{scope, actions, notActions}]}      (replaces those of the identities named)
PUT    denials [{name, id, scope, actions, exceptOids}]
PUT    locks {scope, level, name}           DELETE locks {scope, name}
PUT    graph {frozen, expire, largest, limit_hit, extra, fail {start, times, status}, skew, quota {limit, seconds},
              without, absent, closed, silent, nulls {PATH: PATTERN}, drops {PATH: PATTERN}}
                                            (any of them; all but the first two: faults.GraphTrouble;
                                            frozen: rows stay as they are now; expire: tokens so far are refused)
PUT    paging {size}
PUT    api-versions {TYPE: [VERSION ...], refusal}   (TYPE: policyAssignments ...; the cloud has these versions only;
                                            refusal: InvalidResourceType or NoRegisteredProviderFound)
POST   seed {id, body}                      POST subscriptions {subscriptionId, displayName, managementGroup}
PUT    guest {upn}                            (whoever has no token of the sandbox's is this user; "" for nobody)
PUT    identities {CLIENT_ID: {oid, name}}    (user-assigned managed identities)
POST   token {name, oid, appid, upn}        DELETE faults | permissions | denials | counters | requests | api-versions
POST   reset                                (all of the above back to normal; resources stay)
"""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.arm.access import Denial, Grant
from sandbox.arm.errors import ArmError
from sandbox.arm.faults import Fault
from sandbox.arm.policy_tokens import Demand
from sandbox.arm.state import State
from sandbox.identity import read_token, token_for

if TYPE_CHECKING:
    from collections.abc import Callable


class Control:
    """Reads and sets the knobs of one ARM stand-in."""

    def __init__(self, arm: State) -> None:
        self._arm = arm
        self.extra: dict[tuple[str, str], Callable[[Any], Any]] = {}

    async def handle(self, request: web.BaseRequest) -> web.Response:
        name = request.path.removeprefix("/_sandbox/").strip("/")
        text = (await request.content.read()).decode()  # request.text() stops at 1 MiB
        method = f"_{request.method.lower()}_{name.replace('-', '_')}"
        act = self.extra.get((request.method, name)) or getattr(self, method, None)
        if act is None:
            return web.json_response({"error": f"There is no {request.method} {name}."}, status=404)
        try:
            return web.json_response(act(json.loads(text) if text else {}))
        except (ValueError, KeyError, TypeError, AttributeError, ArmError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    def _get_counters(self, _: Any) -> Any:
        return dict(self._arm.log.counts)

    def _get_requests(self, _: Any) -> Any:
        return [dataclasses.asdict(one) for one in self._arm.log.requests]

    def _get_faults(self, _: Any) -> Any:
        return [dataclasses.asdict(one) for one in self._arm.faults.rules]

    def _get_latency(self, _: Any) -> Any:
        return {"seconds": self._arm.faults.latency}

    def _get_permissions(self, _: Any) -> Any:
        return {oid: [dataclasses.asdict(one) for one in grants] for oid, grants in self._arm.access.grants.items()}

    def _get_denials(self, _: Any) -> Any:
        return [dataclasses.asdict(one) for one in self._arm.access.denials]

    def _post_faults(self, body: Any) -> Any:
        for one in body if isinstance(body, list) else [body]:
            self._arm.faults.rules.append(Fault.from_json(one))
        return self._get_faults(None)

    def _delete_faults(self, _: Any) -> Any:
        self._arm.faults.rules.clear()
        return []

    def _put_latency(self, body: Any) -> Any:
        self._arm.faults.latency = float(body["seconds"])
        return self._get_latency(None)

    def _put_throttle(self, body: Any) -> Any:
        throttle = self._arm.throttle
        throttle.enforce = bool(body.get("enforce", throttle.enforce))
        throttle.limits |= body.get("limits", {})
        return {"enforce": throttle.enforce, "limits": throttle.limits}

    def _put_permissions(self, body: Any) -> Any:
        for oid, grants in body.items():
            self._arm.access.grants[oid] = [
                Grant(one["scope"], tuple(one["actions"]), tuple(one.get("notActions", ()))) for one in grants
            ]
        return self._get_permissions(None)

    def _delete_permissions(self, _: Any) -> Any:
        self._arm.access.grants.clear()
        return {}

    def _put_denials(self, body: Any) -> Any:
        self._arm.access.denials = [
            Denial(
                one["name"], one.get("id", one["name"]), one["scope"], tuple(one["actions"]),
                tuple(one.get("exceptOids", ())),
            )
            for one in body
        ]  # fmt: skip
        return self._get_denials(None)

    def _delete_denials(self, _: Any) -> Any:
        self._arm.access.denials.clear()
        return []

    def _put_locks(self, body: Any) -> Any:
        self._arm.lock(body["scope"], body.get("level", "CanNotDelete"), body.get("name", "sandbox"))
        return {"locks": [lock.target.id for lock in self._arm.store.locks.values()]}

    def _delete_locks(self, body: Any) -> Any:
        self._arm.unlock(body["scope"], body.get("name", "sandbox"))
        return {"locks": [lock.target.id for lock in self._arm.store.locks.values()]}

    def _put_guest(self, body: Any) -> Any:
        upn = str(body["upn"])
        guest = token_for(upn, "99999999-0000-4000-8000-000000009999", upn=upn, lifetime=10 * 365 * 86400.0)
        self._arm.guest = read_token(guest) if upn else None
        return {"guest": upn}

    def _put_graph(self, body: Any) -> Any:
        graph, rest = self._arm.graph, dict(body)
        frozen, expire = rest.pop("frozen", None), rest.pop("expire", False)
        graph.trouble.set(rest)
        if "quota" in rest:
            graph.refill()
        if frozen is not None:
            graph.freeze(on=bool(frozen))
        if expire:
            graph.expire_tokens()
        return body

    def _put_policy_tokens(self, body: Any) -> Any:
        self._arm.policy_tokens.demand = Demand.from_json(body)
        return body

    def _delete_policy_tokens(self, _: Any) -> Any:
        self._arm.policy_tokens.reset()
        return {}

    def _put_paging(self, body: Any) -> Any:
        self._arm.exemptions.page_size = self._arm.resources.page_size = max(1, int(body["size"]))
        return body

    def _put_api_versions(self, body: Any) -> Any:
        self._arm.providers.lag(body)
        return self._arm.providers.supported

    def _delete_api_versions(self, _: Any) -> Any:
        self._arm.providers.reset()
        return {}

    def _post_seed(self, body: Any) -> Any:
        return [self._arm.seed(one["id"], one.get("body")) for one in (body if isinstance(body, list) else [body])]

    def _post_subscriptions(self, body: Any) -> Any:
        name, group = body.get("displayName", ""), body.get("managementGroup", "")
        return {"id": self._arm.add_subscription(body["subscriptionId"], name=name, management_group=group)}

    def _post_token(self, body: Any) -> Any:
        return {"access_token": token_for(**body)}

    def _delete_counters(self, _: Any) -> Any:
        self._arm.log.counts.clear()
        return {}

    def _delete_requests(self, _: Any) -> Any:
        self._arm.log.requests.clear()
        return []

    def _post_reset(self, _: Any) -> Any:
        self._arm.reset()
        return {}
