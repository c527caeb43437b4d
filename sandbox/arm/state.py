"""What the ARM stand-in remembers: resources, permissions, faults, throttling, and what was asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from sandbox.arm.access import Access
from sandbox.arm.exemption_body import read_properties
from sandbox.arm.exemptions import Exemptions
from sandbox.arm.faults import Faults, Log, Throttle
from sandbox.arm.graph import Graph
from sandbox.arm.policy_tokens import PolicyTokens
from sandbox.arm.providers import Providers
from sandbox.arm.resources import Resources
from sandbox.arm.store import Entry, Json, Store, system_data
from sandbox.arm.target import EXEMPTIONS, parse
from sandbox.identity import Caller, read_token, token_for


@cache
def _seeder() -> Caller:
    return read_token(token_for("seed", "00000000-0000-4000-8000-000000000000"))


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class State:
    """What requests, tests and the demo work on.

    `clock` gives the time of answers, of systemData, of expiry filters and of token expiry. `guest`, where set, is who
    calls without a token of the sandbox's; Azure has no such thing, but any HTTP client can then be pointed at it.
    `tenant_name` is the tenant's display name.
    """

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.store = Store()
        self.access = Access(self.store)
        self.providers = Providers()
        self.policy_tokens = PolicyTokens(clock)
        self.faults = Faults()
        self.throttle = Throttle()
        self.log = Log()
        self.exemptions = Exemptions(self.store, clock)
        self.resources = Resources(self.store, clock)
        self.graph = Graph(self.store, self.access, clock)
        self.guest: Caller | None = None
        self.tenant_name = "Contoso"

    def seed(self, identity: str, body: Json | None = None) -> str:
        """Put a resource in place without checks, permissions or events; return its id.

        An exemption keeps the `systemData` of the body. Built-in definitions, subscriptions and management groups come
        into being this way.
        """
        target = parse(identity)
        if target.type_key != EXEMPTIONS:
            return self.resources.seed(identity, body).target.id
        system = (body or {}).get("systemData") or system_data(_seeder(), self.clock(), None)
        entry = Entry(target, {"properties": read_properties(target.name, body, 2)}, system)
        self.store.put(entry)
        return entry.target.id

    def add_management_group(self, name: str, *, parent: str = "", display_name: str = "") -> str:
        """Seed a management group below another one (by name); return its id."""
        above = f"/providers/Microsoft.Management/managementGroups/{parent}" if parent else ""
        properties: Json = {"displayName": display_name or name, "details": {"parent": {"id": above}}}
        return self.seed(f"/providers/Microsoft.Management/managementGroups/{name}", {"properties": properties})

    def add_subscription(self, subscription_id: str, *, name: str = "", management_group: str = "") -> str:
        """Seed a subscription, in a management group (by name) if given; return its id."""
        identity = self.seed(f"/subscriptions/{subscription_id}", {"displayName": name or subscription_id})
        if management_group:
            self.seed(
                f"/providers/Microsoft.Management/managementGroups/{management_group}/subscriptions/{subscription_id}"
            )
        return identity

    def lock(self, scope: str, level: str = "CanNotDelete", name: str = "sandbox") -> str:
        """Lock a scope; `level` is CanNotDelete or ReadOnly."""
        return self.seed(f"{scope}/providers/Microsoft.Authorization/locks/{name}", {"properties": {"level": level}})

    def unlock(self, scope: str, name: str = "sandbox") -> None:
        self.store.remove(f"{scope}/providers/Microsoft.Authorization/locks/{name}".lower())

    def reset(self) -> None:
        """Drop faults, latency, permissions, denials, locks, throttling, api-versions, policy tokens and counts.

        Resources stay.
        """
        for part in (self.faults, self.access, self.throttle, self.log, self.providers, self.policy_tokens):
            part.reset()
        for key in list(self.store.locks):
            self.store.remove(key)
        self.graph.reset()
