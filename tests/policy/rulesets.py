"""Rulesets whose policies are compared with their rules: some written for a purpose, and generated ones."""

import random
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import yaml

from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset

FIRST: Final = "/subscriptions/11111111-2222-3333-4444-555555555555"
SECOND: Final = "/subscriptions/aaaaaaaa-0000-1111-2222-333333333333"
CONTOSO: Final = "/providers/Microsoft.Management/managementGroups/contoso"

EVERYTHING: Final[dict[str, Any]] = {
    "expiry-missing": "alert",
    "expiry-too-far": {"options": {"months": 1, "tolerance_days": 0}},
    "expired": {"options": {"keep_days": 30}},
    "review-due": {"options": {"required": True}},
    "ticket-missing": "alert",
    "owner-missing": "alert",
    "justification-missing": "alert",
    "control-missing": "alert",
    "scope-too-broad": {"options": {
        "levels": ["management group", "subscription", "resource group", "resource"],
        "allowed": [
            f"{FIRST.upper()}/resourceGroups/prod", "*/resourceGroups/sandbox*", "/subscriptions/a*-44*/*", SECOND,
        ],
    }},
    "never-exempt": {"options": {
        "definitions": ["require-tls"],
        "assignments": ["audit-logs", "guard*", "*/policyAssignments/STORAGE-*", f"{FIRST}/*/audit", "a?b", "*the*"],
    }},
    "category-forbidden": {"options": {"categories": ["waiver"]}},
    "not-validated": "alert",
    "identity-based": "alert",
}  # fmt: skip

PLACES: Final[dict[str, Any]] = {
    "rules": {
        "expiry-missing": "revert", "expiry-too-far": {"options": {"months": 12}}, "ticket-missing": "tag",
        "scope-too-broad": "revert", "owner-missing": "off",
    },
    "overrides": [
        {"scope": f"{FIRST}/resourceGroups/sandbox", "rules": {"ticket-missing": "off", "expiry-missing": "off"}},
        {"scope": f"{FIRST}/resourceGroups/prod*", "rules": {"expiry-too-far": {"options": {"months": 1}}}},
        {"scope": "*/resourceGroups/prod-data", "rules": {
            "expiry-too-far": {"options": {"tolerance_days": 0}}, "owner-missing": "tag",
        }},
        {"scope": SECOND, "rules": {"owner-missing": "revert", "scope-too-broad": {"options": {"allowed": [SECOND]}}}},
        {"scope": CONTOSO, "rules": {"scope-too-broad": "off", "expired": "tag"}},
        {"scope": "*/resourceGroups/prod-?eb", "rules": {"expiry-missing": "off", "not-validated": "tag"}},
    ],
    "exclusions": [
        {"scope": f"{FIRST}/resourceGroups/data(1)/*", "reason": "x"},
        {"scope": "*/storageAccounts/*/everything", "reason": "x", "expires": "2026-06-30"},
        {"scope": "/subscriptions/[!1]*/resourceGroups/x-prod-[0-9]", "reason": "x", "expires": "2030-01-01T01:02:03"},
    ],
}  # fmt: skip

NEWER: Final[dict[str, Any]] = {
    "rules": {
        **PLACES["rules"], "never-exempt": {"options": {"assignments": [f"{FIRST}/*/audit", "guard*", "**/STORAGE-*"]}},
        "scope-too-broad": {"options": {
            "levels": ["subscription", "resource group"], "allowed": [f"{FIRST}/*/prod", "**/sandbox*"],
        }},
    },
    "overrides": [
        {"scope": "/subscriptions/*/resourceGroups/sandbox", "rules": {"ticket-missing": "off"}},
        {"scope": f"{FIRST}/resourceGroups/prod*", "rules": {"expiry-too-far": {"options": {"months": 1}}}},
        {"scope": "**/resourceGroups/prod-data", "rules": {"owner-missing": "tag", "expiry-missing": "off"}},
        {"scope": f"{SECOND}/**/prod*", "rules": {"owner-missing": "revert"}},
    ],
    "exclusions": [
        {"scope": f"{FIRST}/resourceGroups/*/providers/*/vaults/*", "reason": "x"},
        {"scope": "**/storageAccounts/**/everything", "reason": "x"},
    ],
}  # fmt: skip

NAMES: Final[dict[str, Any]] = {
    "metadata": {
        "ticket": ["ref"], "owner": ["Cost Center", "ü"], "review": ['ap"proval', "reviewDate"],
        "justification": ["note"], "control": ["mitigation"],
    },
    "rules": {**EVERYTHING, "scope-too-broad": "off"},
}  # fmt: skip

_GLOBS: Final = (
    FIRST, f"{FIRST}/*", f"{SECOND}/resourceGroups/prod", CONTOSO, "/subscriptions/*", "*", "/*", "*/prod", "*prod*",
    "*/resourceGroups/prod*/providers/*", "*/resourceGroups/[ps]*", "*sandbox", "/subscriptions/????????-*", "*it's",
    f"{FIRST}/resourceGroups/*/providers/*/drop*", "*/policyExemptions/e", "*/policyExemptions/[[]x]", "*/everything",
    f"{FIRST}*5/", "*/ä", "/subscriptions/a*/resourceGroups/prod*", "/providers/*",
)  # fmt: skip


@cache
def fixed() -> Mapping[str, Ruleset]:
    """Return the rulesets that are written for a purpose, by name."""
    return {
        "shipped": load_ruleset(),
        "everything": ruleset({"rules": EVERYTHING}),
        "places": ruleset(PLACES),
        "places of version 2": ruleset(NEWER, 2),
        "names": ruleset(NAMES),
        "nothing": ruleset({"rules": {"kept-alive": "alert"}}),
    }


def ruleset(said: dict[str, Any], version: int = 1) -> Ruleset:
    """Return a ruleset of the given sections."""
    return parse_ruleset(yaml.safe_dump({"version": version, "mode": "audit", **said}))


def generated(seed: int) -> Ruleset:
    """Return a ruleset with overrides and exclusions of every kind of glob. The same seed gives the same one."""
    pick = random.Random(seed)  # noqa: S311 - nothing secret
    overrides = [
        {"scope": scope, "rules": _some_rules(pick, pick.randrange(1, 4))}
        for scope in pick.sample(_GLOBS, pick.randrange(4))
    ]
    exclusions = [
        {
            "scope": scope,
            "reason": "x",
            **({"expires": f"{pick.randrange(2023, 2031)}-06-30"} if pick.randrange(2) else {}),
        }
        for scope in pick.sample(_GLOBS, pick.randrange(3))
        if scope not in ("*", "/*")
    ]
    sections: dict[str, Any] = {"overrides": overrides, "exclusions": exclusions}
    kept = {name: section for name, section in sections.items() if section}
    return ruleset({"rules": _some_rules(pick, pick.randrange(3, len(EVERYTHING))), **kept})


def by_control(seed: int) -> Ruleset:
    """Return a ruleset with overrides that ask for more than the scope, or that end."""
    pick = random.Random(seed)  # noqa: S311 - nothing secret
    overrides = []
    for _ in range(pick.randrange(1, 4)):
        asked = pick.choice(
            (
                {"policy_category": "Storage"},
                {"severity": "high"},
                {"reference": "a"},
                {"assignment": "audit*"},
                {"initiative": "both"},
                {"exemption_category": pick.choice(("Waiver", "Mitigated"))},
                {"expires": f"{pick.randrange(2023, 2031)}-06-30", "scope": pick.choice(_GLOBS)},
            )
        )
        where = {"scope": pick.choice(_GLOBS)} if pick.randrange(2) else {}
        overrides.append({**where, **asked, "rules": _some_rules(pick, pick.randrange(1, 6))})
    return ruleset({"rules": _some_rules(pick, pick.randrange(3, len(EVERYTHING))), "overrides": overrides})


def _some_rules(pick: random.Random, count: int) -> dict[str, Any]:
    return {name: _setting(name, pick) for name in pick.sample(sorted(EVERYTHING), count)}


def _setting(name: str, pick: random.Random) -> Any:
    options: dict[str, Any] = {
        "expiry-too-far": {"months": pick.choice((1, 6, 12, 24, 1400)), "tolerance_days": pick.choice((0, 1, 40))},
        "expired": {"keep_days": pick.choice((0, 30, 40_000))},
        "review-due": {"required": pick.choice((True, False))},
        "scope-too-broad": {
            "levels": pick.sample(
                ["management group", "subscription", "resource group", "resource"], pick.randrange(1, 4)
            ),
            "allowed": pick.sample(_GLOBS, pick.randrange(3)),
        },
        "never-exempt": {
            "assignments": pick.sample(("audit", "*logs", "/*storage*", "*s*s*", "a*t", "*", FIRST + "/*"), 2)
        },
        "category-forbidden": {"categories": pick.sample(["Waiver", "Mitigated", "Accepted"], pick.randrange(3))},
    }
    return pick.choice(
        ("alert", "off", {"enabled": True, "options": options.get(name, {})}, {"options": options.get(name, {})})
    )
