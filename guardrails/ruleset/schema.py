"""The JSON Schema of a ruleset file: what it may say. Pure.

The schema is made of the rules' own declarations; it is published in docs/ruleset.schema.json for editors, and it is
what the loader checks with, so the two cannot differ.
"""

import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args, get_origin, get_type_hints

from guardrails.exemption.model import ROLES
from guardrails.exemption.names import TagNames
from guardrails.exemption.severity import Severity
from guardrails.notices.routing import CHATS
from guardrails.rules import all_rules
from guardrails.rules.base import Rule
from guardrails.ruleset.budgets import REMEMBERED
from guardrails.ruleset.bypass_rules import FORMER, BypassRule, bypass_rules

RETIRED: Mapping[str, str] = types.MappingProxyType({"exceptions": "bypasses"})
"""A section's old name, which works until 1.0 -> its name of today."""

JSON_TYPES = {bool: "boolean", int: "integer", str: "string"}

_TEXT = {"type": "string", "minLength": 1}

_TEXTS = {"type": "array", "items": _TEXT}

_KEYS: Mapping[str, Any] = types.MappingProxyType({**_TEXTS, "minItems": 1})

_DURATION = {"type": "string", "pattern": r"^\d{1,4}[mhd]$", "examples": ["30m", "12h", "7d"]}

_DATE = {
    "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ].*)?$", "format": "iso-8601", "examples": ["2027-06-30"],
}  # fmt: skip

_PLACE = {**_TEXT, "glob": "scope"}


def _some(item: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Return the schema of one text, or of a list of them."""
    return {**item, "type": ["string", "array"], "items": item, "minItems": 1, "description": description}


_POLICY = {**_TEXT, "glob": "policy", "narrow": True}

_WORD = {**_TEXT, "glob": "text", "narrow": True}

_OF_CONTROLS = {
    "initiative": _some(_POLICY, "Patterns on the id or the name of the assigned initiative."),
    "definition": _some(_POLICY, "Patterns on the id or the name of the policy definition."),
    "reference": _some(_WORD, "Patterns on the policy's reference id in its initiative."),
}

MATCHERS: Mapping[str, Any] = {
    "scope": _PLACE,
    "assignment": _some({**_POLICY, "glob": "assignment"}, "Patterns on the id or the name of the assignment."),
    **_OF_CONTROLS,
    "policy_category": _some(_WORD, "Patterns on metadata.category of the policy, such as Storage."),
    "severity": _some(_WORD, "Patterns on the policy's severity: by `severities`, else by its metadata.severity."),
    "exemption_category": _some({"type": "string", "enum": ["Waiver", "Mitigated"]}, "Of the exemption."),
}
"""What an override may ask for; all of it must hold."""

_SCOPE = {
    "type": "string", "pattern": r"^[/*?\[].*$", "glob": "scope",
    "examples": ["/subscriptions/*/resourceGroups/prod-*", "/providers/Microsoft.Management/managementGroups/corp"],
}  # fmt: skip

_OWNERS = {"type": "array", "items": {**_TEXT, "glob": "owner"}, "minItems": 1}

_OURS = frozenset({"because", "enum_scalar", "glob", "narrow", "renamed"})
"""Our extensions of JSON Schema, as `published` leaves them out."""

_GUID = {
    "type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "examples": ["66666666-7777-8888-9999-000000000000"],
}  # fmt: skip

_USER = {
    "type": "string", "pattern": r"^([\w.%+'#-]+@[\w.-]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
    "examples": ["jo@contoso.com", "66666666-7777-8888-9999-000000000000"],
}  # fmt: skip

_WINDOW = {"type": "string", "pattern": r"^([1-9]\d{0,3}m|[1-9]\d?h|[1-7]d)$", "examples": ["15m", "1h", "1d"]}

_ID = {"type": "string", "pattern": r"^[^\s\[].*$", "examples": ["EXC-0001"]}

_TAG = {"type": "string", "pattern": r"^[^<>%&\\?/'\x00-\x1f]{1,512}$", "examples": ["policyExceptionId"]}

_KEEP = {"type": "string", "enum": ["never", "collateral", "always"]}

_COUNT = {"type": "integer", "minimum": 0, "maximum": 3650}

_DAYS = {"type": "array", "items": _COUNT}

_HOUR = {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$", "examples": ["06:00"]}

_GLOBS = {"scope": "target", "assignment": "assignment"}
"""What a rule's option says that its patterns are on -> the kind of pattern; see guardrails.ruleset.patterns."""

RESPONSES = ("alert", "tag", "revert")

CHANNELS = (*CHATS, "webhook", "eventgrid")


def schema(kinds: Iterable[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a ruleset file. `kinds` are the notices that a route may ask for."""
    kind = {"type": "string", "enum": names} if (names := [str(kind) for kind in kinds]) else _TEXT
    rules = {
        **_object(
            {name: _rule_schema(rule) for name, rule in all_rules().items()}
            | {name: _bypass_rule_schema(rule) for name, rule in bypass_rules().items()},
            "Rules by name; what is not named is off, and an alert where its name begins with `bypass-`.",
        ),
        "renamed": FORMER,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ruleset of the exemption guardrails",
        **_object(
            {
                "version": {"type": "integer", "enum": [1, 2], "description": "Version of its form; 2 is the newest."},
                "mode": {
                    "type": "string",
                    "enum": ["audit", "enforce"],
                    "description": "audit: judge and report, change nothing in Azure. enforce: tag and revert too.",
                },
                "rules": {**rules, "minProperties": 1},
                "overrides": _list(
                    {**MATCHERS, "reason": _TEXT, "expires": _DATE, "rules": {**rules, "minProperties": 1}},
                    ("rules",),
                    "Other settings for exemptions, or for controls, that match; for one control the last match wins,"
                    " field by field, and an exemption from several gets the strictest.",
                    anyOf=[{"required": [name]} for name in MATCHERS],
                ),
                "severities": _list(
                    {**_OF_CONTROLS, "severity": _TEXT},
                    ("severity",),
                    "The severities of policies, for overrides by severity; the last match wins, before the metadata.",
                    anyOf=[{"required": [name]} for name in _OF_CONTROLS],
                ),
                "exclusions": _list(
                    {"scope": {**_PLACE, "narrow": True}, "reason": _TEXT, "expires": _DATE},
                    ("scope", "reason"),
                    "Exemptions (by a glob on the id) that are recorded and otherwise left alone, until a day.",
                ),
                "approved": {**_TEXTS, "description": "Identities that may write exemptions: UPN, object or app id."},
                "owners": _list(
                    {
                        "name": _TEXT,
                        "metadata": {
                            "type": "object", "additionalProperties": {**_TEXT, "glob": "metadata"}, "minProperties": 1,
                        },
                        "authors": _TEXTS,
                        "restore": {"type": "boolean", "description": "Put theirs back too; else left to their tool."},
                    },
                    ("name",),
                    "Protected owners: their exemptions are reported, not tagged or reverted.",
                    anyOf=[
                        {"required": ["metadata"]},
                        {"required": ["authors"], "properties": {"authors": {"minItems": 1}}},
                    ],
                ),
                "metadata": _object(dict.fromkeys(ROLES, _KEYS), "Metadata keys, preferred first."),
                "tagging": _object(
                    {
                        "exemption": {"type": "boolean", "description": "Write a `guardrails` key into the metadata."},
                        "scope": {"type": "boolean", "description": "Write a tag on the target scope."},
                        "protected": {"type": "boolean", "description": "Tag exemptions of protected owners too."},
                    },
                    "Where the answer `tag` writes.",
                ),
                "breaker": _breaker(),
                "holds": _object(
                    {"longest_days": {**_COUNT, "minimum": 1, "description": "90 if left out."}},
                    "How long an operator may hold an exemption.",
                ),
                **_over_time(),
                "bypasses": _bypasses(),
                "notices": _list(
                    _route_fields(kind),
                    ("route", "channel", "address_setting"),
                    "Who is notified. A notice must pass all filters of a route; one that is left out lets all pass.",
                    **{"if": {"properties": {"channel": {"const": "webhook"}}, "required": ["channel"]}},
                    then={"required": ["secret_setting"]},
                ),
                "people": {
                    "type": "object",
                    "propertyNames": {"glob": "owner"},
                    "additionalProperties": _object({"teams": _USER, "name": _TEXT}, "", ("teams", "name")),
                    "description": "Who can be addressed: a glob on an exemption's owner -> the Teams user to mention.",
                },
            },
            "",
            required=("version", "mode", "rules"),
        ),
    }  # fmt: skip


def _breaker() -> dict[str, Any]:
    """Return the section about how much an hour may see."""
    total = {"type": "integer", "minimum": 0}
    few = {"type": "integer", "minimum": 1, "maximum": REMEMBERED}
    narrow = {
        "author": {**total, "minimum": 1, "description": "Of what one author wrote. Half of all if left out."},
        "subscription": {**total, "minimum": 1, "description": "Of one of them. Three quarters of all if left out."},
    }
    reverts = {"exemption": {**few, "description": "Of one exemption. 3 if left out."}, **narrow}
    restores = {"exemption": {**few, "description": "Of one exemption. 10 if left out."}, **narrow}
    return _object(
        {
            "reverts_per_hour": {**total, "description": "In all; more open the breaker. 20 if left out."},
            "reverts": _object(reverts, "Reverts in an hour; what is beyond waits."),
            "restores_per_hour": {**total, "description": "In all; more wait. 1000 if left out."},
            "restores": _object(restores, "Exemptions put back in an hour; the author is who deleted them."),
            "fights": _object(
                {"times": few, "window": _DURATION},
                "So many reverts of one exemption are a fight: one notice, then one revert an hour. 5, 1d.",
            ),
        },
        "The limits on reverts and restores.",
    )


def _bypasses() -> dict[str, Any]:
    """Return the section about bypasses of policies."""
    tags = {role: {**_TAG, "description": f"{name} if left out."} for role, name in TagNames()._asdict().items()}
    return _object(
        {
            "tags": _object(tags, "The tags that a tag-driven exception carries together."),
            "approved": {"type": "array", "items": _ID, "description": "Exception ids that tags may name."},
            "accepted": _list(
                {"scope": {**_SCOPE, "narrow": True}, "reason": _TEXT, "expires": _DATE},
                ("scope", "reason"),
                "What is known, by a glob on its scope or on its assignment's id: listed, and not found fault with.",
            ),
        },
        "Bypasses of policies: reported, never changed.",
    )


def _over_time() -> dict[str, Any]:
    """Return the sections about what happens with time: sweeps look after these."""
    return {
        "adoption": _object(
            {"until": {**_DATE, "description": "From then on they are answered like any other; without it never."}},
            "Exemptions that were there before the guardrails: reported, not tagged or reverted, until edited.",
        ),
        "reminders": _object(
            {
                "days": {
                    **_DAYS,
                    "description": "Days before the end; the end itself is always notified. [30, 14, 7, 1]",
                },
                "at": {**_HOUR, "description": "When a day's digest of reminders goes, UTC. 06:00 if left out."},
            },
            "When owners are notified that an exemption ends.",
        ),
        "reviews": _object(
            {
                "months": {
                    **_COUNT,
                    "description": "Months from one review to the next where none is named. 3 if left out; 0: off.",
                },
                "days": {**_DAYS, "description": "Days before a review is due; 0: when it is. [7, 0] if left out."},
            },
            "When owners are notified that a review is due.",
        ),
        "durability": _object(
            {
                "mode": {**_KEEP, "description": "collateral: all but what was deleted by who may. never if left out."},
                "scopes": _list({"scope": _SCOPE, "mode": _KEEP}, ("scope", "mode"), "Another mode for a glob on ids."),
                "wait": {**_DURATION, "description": "Before a deleted one is put back. 15m if left out."},
                "verify": {**_DURATION, "description": "Before an event is believed who deleted it. 20m if left out."},
                "fights": _object(
                    {"times": {**_COUNT, "minimum": 1}, "window": _DURATION}, "So many restores end in an alert. 3, 1d."
                ),
            },
            "Approved exemptions that are deleted, or go with their target: whether they are put back.",
        ),
        "expired": _object(
            {"delete_after_days": {**_COUNT, "description": "Without it they are kept."}},
            "Exemptions that have ended: whether sweeps delete them, so many days later.",
        ),
    }


def _route_fields(kind: Mapping[str, Any]) -> dict[str, Any]:
    setting = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    digest = _object(
        {"first": {"type": "integer", "minimum": 0}, "window": _WINDOW},
        "The first notices of a window go at once, the others as one at its end. Without it: 5 and 15m for teams and"
        " slack, off for the others.",
    )
    return {
        "route": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$", "description": "Its name."},
        "channel": {"type": "string", "enum": list(CHANNELS)},
        "address_setting": {**setting, "description": "The app setting with the address, or the topic's endpoint."},
        "secret_setting": {**setting, "description": "The app setting with a webhook's signing secret."},
        "kinds": {"type": "array", "items": kind, "description": "Kinds of notices."},
        "min_severity": {"type": "string", "enum": [str(s) for s in Severity], "description": "The mildest."},
        "scopes": {**_KEYS, "items": _SCOPE, "description": "Globs on the exemption's id; all below counts."},
        "subscriptions": {**_KEYS, "items": _GUID, "description": "Subscription ids."},
        "owners": {**_OWNERS, "description": "Globs on the exemption's owner; case does not matter."},
        "default": {"type": "boolean", "description": "Also gets what no route wants. None so: the first route does."},
        "digest": {**digest, "type": ["object", "string", "boolean"], "enum_scalar": [False, "off"]},
    }


def _object(properties: Mapping[str, Any], description: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        out["required"] = list(required)
    if description:
        out["description"] = description
    return out


def _list(
    properties: Mapping[str, Any], required: tuple[str, ...], description: str, **conditions: Any
) -> dict[str, Any]:
    """Return the schema of a list of objects. `conditions` are for editors; `contradictions` checks them here."""
    return {"type": "array", "items": _object(properties, "", required) | conditions, "description": description}


def _rule_schema(rule: Rule) -> dict[str, Any]:
    hints = get_type_hints(rule.options)
    options = {}
    for item in fields(rule.options):
        kind: dict[str, Any]
        if get_origin(hints[item.name]) is tuple and get_args(hints[item.name]) == (str, ...):
            kind = dict(_TEXTS)
        else:
            kind = {"type": JSON_TYPES[hints[item.name]]}
        limits = {k: v for k, v in item.metadata.items() if k == "minimum"}
        if item.metadata.get("pattern"):
            limits["format"] = "regex"
        if item.metadata.get("glob"):
            glob = _GLOBS[item.metadata["glob"]]
            kind["items"] = {**_TEXT, "glob": glob, "narrow": True}
        default = None if item.default is MISSING else item.default
        options[item.name] = {
            **kind, **limits, "description": item.metadata["doc"],
            "default": list(default) if isinstance(default, tuple) else default,
        }  # fmt: skip
    because = {"because": f"because {rule.no_revert}"} if rule.no_revert else {}
    responses = [one for one in RESPONSES if one != "revert" or not because]
    grace = {"grace": {**_DURATION, "description": "Time to fix it before a revert."}}
    whole = _object(
        {
            "enabled": {"type": "boolean"},
            "response": {"type": "string", "enum": responses, **because},
            **({} if because else grace),
            "severity": {"type": "string", "enum": [str(s) for s in Severity]},
            "options": _object(options, ""),
        },
        f"{rule.code}: {rule.remediation}",
    )
    return {**whole, **because, "type": ["object", "string", "boolean"], "enum_scalar": [False, "off", *responses]}


def _bypass_rule_schema(rule: BypassRule) -> dict[str, Any]:
    because = {"because": "because the service reports bypasses and never changes them"}
    whole = _object(
        {
            "enabled": {"type": "boolean"},
            "response": {"type": "string", "enum": ["alert"], **because},
            "severity": {"type": "string", "enum": [str(s) for s in Severity]},
        },
        f"{rule.code}: {rule.remediation}",
    )
    return {**whole, **because, "type": ["object", "string", "boolean"], "enum_scalar": [False, "off", "alert"]}


def published(kinds: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema in plain JSON Schema, for editors: `enum_scalar` as anyOf, the rest of ours left out.

    Old names of sections are in it, marked as deprecated.
    """
    made = dict(_plain(schema(kinds)))
    sections = made["properties"]
    for old, new in RETIRED.items():
        sections[old] = {**sections[new], "description": f"The old name of {new}; gone in 1.0.", "deprecated": True}
    return made | {"not": {"anyOf": [{"required": [old, new]} for old, new in RETIRED.items()]}}


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    out = {key: _plain(value) for key, value in node.items() if key not in _OURS}
    if "enum_scalar" in node:
        description = out.pop("description", "")
        return {"description": description, "anyOf": [{**out, "type": "object"}, {"enum": list(node["enum_scalar"])}]}
    return out
