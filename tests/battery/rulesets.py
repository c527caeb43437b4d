"""Rulesets by chance, of parts that matter to what is done and when."""

import json
from functools import lru_cache
from random import Random
from typing import Any, Final

from guardrails.ruleset import Ruleset, parse_ruleset
from sandbox import tenant

ROUTES: Final[tuple[list[dict[str, Any]], ...]] = (
    [{"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S", "digest": "off"}],
    [
        {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S", "digest": "off"},
        {"route": "team", "channel": "teams", "address_setting": "T", "digest": {"first": 2, "window": "15m"}},
    ],
)
RULES: Final = {
    "expiry-missing": "revert", "expiry-too-far": "revert", "ticket-missing": "tag", "whole-initiative": "revert",
    "owner-missing": "alert",
}  # fmt: skip
GRACE: Final = {
    "expiry-missing": {"response": "revert", "grace": "1d"}, "expiry-too-far": {"response": "revert", "grace": "2d"},
}  # fmt: skip


_SAID: Final[dict[str, dict[str, Any]]] = {}


@lru_cache(maxsize=4096)
def read(text: str) -> Ruleset:
    """Return a ruleset, read once."""
    found = parse_ruleset(text)
    _SAID[found.digest] = json.loads(text)
    return found


def said_by(ruleset: Ruleset) -> dict[str, Any]:
    """Return what a ruleset's file says, as JSON: what the model goes by."""
    return _SAID[ruleset.digest]


def some(chance: Random) -> Ruleset:
    """Return one by chance."""
    said: dict[str, Any] = {"version": 2, "mode": chance.choices(("enforce", "audit"), (6, 1))[0]}
    said["rules"] = {**RULES, **chance.choice(({}, {}, GRACE, {"expiry-extended": "revert"}))}
    said["notices"] = chance.choice(ROUTES)
    said["tagging"] = {"exemption": True, "scope": chance.random() < 0.3}
    said["breaker"] = chance.choice(({"reverts_per_hour": 100}, {"reverts_per_hour": 100}, {"reverts_per_hour": 2}))
    said["durability"] = chance.choice(({"mode": "never"}, {"mode": "collateral", "wait": "15m"}))
    said["reviews"] = {"months": 0}
    if chance.random() < 0.2:
        said["exclusions"] = [{"scope": f"{tenant.REPORTING}/**", "reason": "test", "expires": "2026-12-15T00:00:00Z"}]
    owners = chance.randrange(3)
    if owners:
        entry: dict[str, Any] = {"name": "EPAC", "metadata": {"pacOwnerId": "*"}}
        said["owners"] = [entry | ({"authors": ["5f0e9d1c-1111-4222-8333-444455556666"]} if owners == 2 else {})]
    if chance.random() < 0.2:
        said["expired"] = {"delete_after_days": 5}
    return read(json.dumps(said))
