"""The JSON Schema of a ruleset file: what it may say. Pure.

The schema is made of the rules' own declarations; it is published in docs/ruleset.schema.json for editors, and it is
what the loader checks with, so the two cannot differ.
"""

import types
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, get_args, get_origin, get_type_hints

from guardrails.dataclass import MISSING, fields
from guardrails.exemption.model import ROLES
from guardrails.exemption.names import TagNames
from guardrails.exemption.severity import Severity
from guardrails.notices.routing import CHATS
from guardrails.rules import all_rules, rule_of, stages
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

_OFF = (False, "off")

_OURS = frozenset({"all_take", "because", "enum_scalar", "glob", "narrow", "renamed"})
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
        **_object({}, "Rules by name. Without an entry, a rule about bypasses alerts, and any other is off."),
        "properties": _RuleSchemas(),
        "all_take": (*_OFF, "alert"),
        "renamed": FORMER,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ruleset of the exemption guardrails",
        **_object(
            {
                "version": {"type": "integer", "enum": [1, 2], "description": "Format version; 2 is the newest."},
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
                    "Exemptions, by a pattern on the id, that the service records and otherwise ignores, until a day.",
                ),
                "approved": {**_TEXTS, "description": "Identities that may write exemptions: UPN, object or app id."},
                "owners": _list(
                    {
                        "name": _TEXT,
                        "metadata": {
                            "type": "object", "additionalProperties": {**_TEXT, "glob": "metadata"}, "minProperties": 1,
                        },
                        "authors": _TEXTS,
                        "restore": {"type": "boolean", "description": "Restore their exemptions too."},
                    },
                    ("name",),
                    "Protected owners: the service only reports their exemptions.",
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
                    "Where the response `tag` writes.",
                ),
                "breaker": _breaker(),
                "holds": _object(
                    {"longest_days": {**_COUNT, "minimum": 1, "description": "Default: 90."}},
                    "How long an operator may hold an exemption.",
                ),
                **_over_time(),
                "bypasses": _bypasses(),
                "notices": _list(
                    _route_fields(kind),
                    ("route", "channel", "address_setting"),
                    "Who is notified. A notice must match all filters of a route. A route without a filter gets all.",
                    **{"if": {"properties": {"channel": {"const": "webhook"}}, "required": ["channel"]}},
                    then={"required": ["secret_setting"]},
                ),
                "people": {
                    "type": "object",
                    "propertyNames": {"glob": "owner"},
                    "additionalProperties": _object({"teams": _USER, "name": _TEXT}, "", ("teams", "name")),
                    "description": "Teams users to mention, by a pattern on the exemption's owner.",
                },
            },
            "",
            required=("version", "mode", "rules"),
        ),
    }  # fmt: skip


class _RuleSchemas(Mapping[str, Any]):
    """Name of a rule -> the schema of what a ruleset says of it. It is made, and the rule imported, when asked for."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._made:
            bypass = bypass_rules().get(name)
            self._made[name] = _bypass_rule_schema(bypass) if bypass else _rule_schema(rule_of(name))
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in stages() or name in bypass_rules()

    def __iter__(self) -> Iterator[str]:
        return chain(all_rules(), bypass_rules())

    def __len__(self) -> int:
        return len(stages()) + len(bypass_rules())


def _breaker() -> dict[str, Any]:
    """Return the section about how much an hour may see."""
    total = {"type": "integer", "minimum": 0}
    few = {"type": "integer", "minimum": 1, "maximum": REMEMBERED}
    narrow = {
        "author": {**total, "minimum": 1, "description": "For one author. Default: half of all."},
        "subscription": {**total, "minimum": 1, "description": "For one subscription. Default: three quarters of all."},
    }
    reverts = {"exemption": {**few, "description": "For one exemption. Default: 3."}, **narrow}
    restores = {"exemption": {**few, "description": "For one exemption. Default: 10."}, **narrow}
    return _object(
        {
            "reverts_per_hour": {**total, "description": "In all. More reverts open the breaker. Default: 20."},
            "reverts": _object(reverts, "Reverts in an hour. Further reverts wait."),
            "restores_per_hour": {**total, "description": "In all. Further restores wait. Default: 1,000."},
            "restores": _object(restores, "Restores in an hour. The author is the person who deleted the exemptions."),
            "fights": _object(
                {"times": few, "window": _DURATION},
                "A fight: so many reverts of one exemption. One notice, then one revert an hour. Default: 5, 1d.",
            ),
        },
        "The limits on reverts and restores.",
    )


def _bypasses() -> dict[str, Any]:
    """Return the section about bypasses of policies."""
    tags = {role: {**_TAG, "description": f"Default: {name}."} for role, name in TagNames()._asdict().items()}
    return _object(
        {
            "tags": _object(tags, "The three tags of a tag-driven exception."),
            "approved": {"type": "array", "items": _ID, "description": "Exception ids that tags may name."},
            "accepted": _list(
                {"scope": {**_SCOPE, "narrow": True}, "reason": _TEXT, "expires": _DATE},
                ("scope", "reason"),
                "Accepted bypasses, by a pattern on the scope or the assignment's id: never a violation.",
            ),
        },
        "Bypasses of policies. The service reports them and never changes them.",
    )


def _over_time() -> dict[str, Any]:
    """Return the sections about what happens with time: sweeps look after these."""
    return {
        "adoption": _object(
            {
                "until": {
                    **_DATE,
                    "description": "From this date on, they get the same responses as others. Without a date, never.",
                }
            },
            "Exemptions older than the guardrails: the service only reports them until an edit.",
        ),
        "reminders": _object(
            {
                "days": {
                    **_DAYS,
                    "description": "Days before the expiry, which always has a notice. Default: [30, 14, 7, 1].",
                },
                "at": {**_HOUR, "description": "Time of the daily digest of reminders, in UTC. Default: 06:00."},
            },
            "Reminders before the expiry of an exemption.",
        ),
        "reviews": _object(
            {
                "months": {**_COUNT, "description": "Months between reviews, if no date is named. Default: 3. 0: off."},
                "days": {**_DAYS, "description": "Days before a review. 0: on the day. Default: [7, 0]."},
            },
            "Reminders before a review.",
        ),
        "durability": _object(
            {
                "mode": {
                    **_KEEP,
                    "description": "collateral: restore unless somebody deleted it who may. Default: never.",
                },
                "scopes": _list(
                    {"scope": _SCOPE, "mode": _KEEP}, ("scope", "mode"), "Another mode for a pattern on ids."
                ),
                "wait": {**_DURATION, "description": "Wait before the restore of a deleted exemption. Default: 15m."},
                "verify": {
                    **_DURATION,
                    "description": "Wait for the activity log before an event decides who deleted it. Default: 20m.",
                },
                "fights": _object(
                    {"times": {**_COUNT, "minimum": 1}, "window": _DURATION},
                    "A fight: after so many restores, the service only alerts. Default: 3, 1d.",
                ),
            },
            "Restores of approved exemptions that are deleted or lost.",
        ),
        "expired": _object(
            {
                "delete_after_days": {
                    **_COUNT,
                    "description": "Days after the expiry. Without it, the service keeps them.",
                }
            },
            "Deletes of expired exemptions by sweeps.",
        ),
    }


def _route_fields(kind: Mapping[str, Any]) -> dict[str, Any]:
    setting = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    digest = _object(
        {"first": {"type": "integer", "minimum": 0}, "window": _WINDOW},
        "The first notices of a window are sent at once, the others as one digest at its end. Default: 5 and 15m for"
        " teams and slack, off for the others.",
    )
    return {
        "route": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$", "description": "Name of the route."},
        "channel": {"type": "string", "enum": list(CHANNELS)},
        "address_setting": {**setting, "description": "The app setting with the address, or the topic's endpoint."},
        "secret_setting": {**setting, "description": "The app setting with a webhook's signing secret."},
        "kinds": {"type": "array", "items": kind, "description": "Only these kinds of notices."},
        "min_severity": {"type": "string", "enum": [str(s) for s in Severity], "description": "The lowest severity."},
        "scopes": {
            **_KEYS,
            "items": _SCOPE,
            "description": "Patterns on the exemption's id. They include all scopes below.",
        },
        "subscriptions": {**_KEYS, "items": _GUID, "description": "Subscription ids."},
        "owners": {**_OWNERS, "description": "Patterns on the exemption's owner, in any letter case."},
        "default": {
            "type": "boolean",
            "description": "This route also gets notices that match no route. Default: the first route.",
        },
        "digest": {**digest, "type": ["object", "string", "boolean"], "enum_scalar": [*_OFF]},
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
    grace = {"grace": {**_DURATION, "description": "Grace period before a revert."}}
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
    return {**whole, **because, "type": ["object", "string", "boolean"], "enum_scalar": [*_OFF, *responses]}


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
    return {**whole, **because, "type": ["object", "string", "boolean"], "enum_scalar": [*_OFF, "alert"]}


def published(kinds: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema in plain JSON Schema, for editors: `enum_scalar` as anyOf, the rest of ours left out.

    Old names of sections are in it, marked as deprecated.
    """
    made = dict(_plain(schema(kinds)))
    sections = made["properties"]
    for old, new in RETIRED.items():
        sections[old] = {
            **sections[new],
            "description": f"Old name of {new}; release 1.0 removes it.",
            "deprecated": True,
        }
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
