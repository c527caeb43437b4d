"""Rulesets by chance, of parts that matter to what is done and when.

There are no more than NUMBER of them, each in two modes: whoever runs thousands of histories reads each text once.
"""

import json
from collections.abc import Collection, Mapping
from functools import cache
from random import Random
from typing import Any, Final

from guardrails.ruleset.model import Ruleset, parse_ruleset
from sandbox import tenant
from tests.battery.actors import EPAC_ID, PIPELINE_ID

NUMBER: Final = 120
"""How many there are, in each mode."""

CLAIM: Final = "pacOwnerId"
"""The metadata key by which an exemption claims to be of the protected owner."""

RULES: Final = {
    "expiry-missing": "revert", "expiry-too-far": "revert", "ticket-missing": "tag", "whole-initiative": "revert",
    "owner-missing": "alert",
}  # fmt: skip


def _grace(length: str) -> dict[str, str]:
    return {"response": "revert", "grace": length}


_MORE: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (5, {}),
    (4, {"expiry-missing": _grace("1d"), "expiry-too-far": _grace("2d")}),
    (2, {"expiry-missing": _grace("1d"), "whole-initiative": _grace("1d")}),
    (3, {"expiry-extended": "revert"}),
    (1, {"expiry-extended": _grace("1d")}),
    (1, {"never-exempt": {"response": "revert", "options": {"definitions": ["require-tls"]}}}),
    (2, {
        "duplicate": "alert", "assignment-not-applicable": "alert", "kept-alive": "alert", "recreated-often": "alert",
        "expired": "alert", "expiry-lost": "alert", "reference-unknown": "alert", "assignment-gone": "alert",
    }),
)  # fmt: skip
_WEBHOOK: Final = {"route": "audit", "channel": "webhook", "address_setting": "A", "secret_setting": "S"}
_TEAM: Final = {"route": "team", "channel": "teams", "address_setting": "T"}
ROUTES: Final[tuple[list[dict[str, Any]], ...]] = (
    [{**_WEBHOOK, "digest": "off"}],
    [{**_WEBHOOK, "digest": "off"}, {**_TEAM, "digest": {"first": 2, "window": "15m"}}],
    [{**_WEBHOOK, "digest": "off"}, {**_TEAM, "digest": {"first": 0, "window": "1h"}}],
    [
        {**_WEBHOOK, "digest": "off", "default": True, "kinds": ["cannot-act"]},
        {**_TEAM, "digest": {"first": 1, "window": "15m"}, "kinds": ["reverted", "restored", "lost", "deleted"]},
    ],
    [{**_WEBHOOK, "digest": "off", "default": True}, {**_TEAM, "digest": "off", "min_severity": "high"}],
)
_BUDGETS: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (6, {"reverts_per_hour": 100}),
    (2, {"reverts_per_hour": 2}),
    (2, {"reverts_per_hour": 100, "reverts": {"exemption": 1}}),
    (2, {"reverts_per_hour": 100, "reverts": {"author": 1, "subscription": 2}}),
    (2, {"reverts_per_hour": 100, "fights": {"times": 2, "window": "1d"}}),
    (1, {"reverts_per_hour": 100, "restores_per_hour": 1}),
    (1, {"reverts_per_hour": 100, "restores": {"exemption": 1, "author": 1, "subscription": 1}}),
)
_DURABILITY: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (2, {"mode": "never"}),
    (4, {"mode": "collateral", "wait": "15m"}),
    (1, {"mode": "collateral", "wait": "15m", "verify": "5m", "fights": {"times": 1, "window": "1d"}}),
    (2, {"mode": "always", "wait": "5m"}),
    (1, {"mode": "collateral", "wait": "15m", "scopes": [{"scope": "/providers/**", "mode": "never"}]}),
)
_OWNERS: Final[tuple[tuple[int, list[dict[str, Any]]], ...]] = (
    (3, []),
    (3, [{"name": "EPAC", "metadata": {CLAIM: "*"}}]),
    (3, [{"name": "EPAC", "metadata": {CLAIM: "*"}, "authors": [EPAC_ID]}]),
    (1, [{"name": "EPAC", "authors": [EPAC_ID]}]),
    (1, [{"name": "EPAC", "metadata": {CLAIM: "*"}, "restore": True}]),
)
_LOOSENED: Final = {"reference": "requireTls", "rules": {"expiry-missing": "alert"}}

_SAID: Final[dict[str, Mapping[str, Any]]] = {}


def some(chance: Random) -> Ruleset:
    """Return one by chance: mostly in enforce mode."""
    return numbered(chance.randrange(NUMBER), audit=chance.random() < 0.14)


@cache
def numbered(number: int, *, audit: bool = False) -> Ruleset:
    """Return the ruleset with this number, from 0."""
    return _parsed(json.dumps(_composed(Random(f"ruleset {number}"), audit=audit)))  # noqa: S311


def composed(said: Mapping[str, Any]) -> Ruleset:
    """Return the ruleset of a story: what is `said` in the place of what most have; of rules, those that differ."""
    usual = {"version": 2, "mode": "enforce", "breaker": {"reverts_per_hour": 100}, "notices": ROUTES[0]}
    return _parsed(json.dumps({**usual, **said, "rules": {**RULES, **said.get("rules", {})}}))


@cache
def _parsed(text: str) -> Ruleset:
    ruleset = parse_ruleset(text)
    _SAID[ruleset.digest] = json.loads(text)
    return ruleset


def said_by(ruleset: Ruleset) -> Mapping[str, Any]:
    """Return the file of a ruleset of ours, as data."""
    return _SAID[ruleset.digest]


def _composed(chance: Random, *, audit: bool) -> dict[str, Any]:
    def pick(options: Collection[tuple[int, Any]]) -> Any:
        return chance.choices([one for _, one in options], [weight for weight, _ in options])[0]

    said: dict[str, Any] = {"version": 2, "mode": "audit" if audit else "enforce"}
    said["rules"] = {**RULES, **pick(_MORE)}
    said["notices"] = chance.choice(ROUTES)
    said["tagging"] = {"exemption": chance.random() < 0.9, "scope": chance.random() < 0.3}
    said["breaker"], said["durability"] = pick(_BUDGETS), pick(_DURABILITY)
    said["reviews"] = {"months": chance.choice((0, 0, 1))}
    said["owners"] = pick(_OWNERS)
    if chance.random() < 0.2:
        said["overrides"] = [_LOOSENED]
    if chance.random() < 0.3:
        expires = chance.choice(("2026-11-04T00:00:00Z", "2026-11-20T00:00:00Z", "2026-12-15T00:00:00Z", ""))
        one = {"scope": f"{tenant.REPORTING}/**", "reason": "test"}
        said["exclusions"] = [one | ({"expires": expires} if expires else {})]
    if chance.random() < 0.3:
        said["approved"] = [PIPELINE_ID]
    if chance.random() < 0.2:
        said["expired"] = {"delete_after_days": chance.choice((0, 5))}
    if chance.random() < 0.2:
        said["adoption"] = {"until": "2026-11-12"}
    if chance.random() < 0.3:
        said["reminders"] = {"days": chance.choice(([30, 7, 1], [2]))}
    return said
