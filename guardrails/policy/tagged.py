"""Tag-driven exceptions: given policy definitions that leave out what carries an approved exception id. Pure.

A definition gets one more condition: the tag of its resource names no approved id. An initiative holds all of them
with the tag's name and the approved ids as shared parameters, and a companion that reports incomplete tags.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.errors import Misconfigured
from guardrails.exemption.names import TagNames
from guardrails.policy import given, inheritance
from guardrails.policy.bicep import created
from guardrails.policy.definition import effect
from guardrails.policy.given import SUFFIX, Given, reference
from guardrails.policy.tag_parameters import (
    APPROVED,
    CATEGORY,
    EXPIRY_TAG,
    ID_TAG,
    TICKET_TAG,
    check_parameters,
    tag_field,
    tag_parameters,
)
from guardrails.ruleset.model import KnownBypasses

COMPANION: Final = "audit-exception-tags"
INITIATIVE: Final = "tag-exceptions"

MOST_INITIATIVE_PARAMETERS: Final = 300
"""Parameters of an initiative: azure-docs, includes/azure-policy-limits.md."""
_BY_ARM: Final = ("createdBy", "createdOn", "updatedBy", "updatedOn")
"""What ARM writes into the metadata: of a given definition, it is not true of what is made."""
_LONGEST_TITLE, _LONGEST_DESCRIPTION = 128, 512


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tag-driven layer.

    Attributes:
        files: path under `definitions/` or `initiatives/` -> JSON object `{name, properties}`, sorted by path.
            An initiative refers to a definition of ours by `policyDefinitionName`.
        bicep: parameters, resources and outputs for a file with `targetScope = 'managementGroup'` by those folders.
            Its parameters are `inheritTags` (bool) and `location` (string); every name in it starts with `tag` or
            `inherit`, but for `location`.
        notes: sentences in Markdown for the README, one for each definition and what a reader must know.
    """

    files: Mapping[str, Any]
    bicep: str
    notes: tuple[str, ...]


def build(definitions: Mapping[str, object], exceptions: KnownBypasses) -> Tagged:
    """Return the layer over `definitions`, a file name -> JSON value (`guardrails.policy.given.read`).

    The same input gives the same output, whatever the order. Raises Misconfigured, code `definition-unfit`, with every
    definition that cannot take the check, or `bypasses-unfit` for a tag or an id that no policy can compare.
    """
    approved = _checked(exceptions)
    sources = given.definitions(definitions, exceptions.tags.id)
    made = [*(_guarded(one, exceptions.tags, approved) for one in sources), companion(exceptions.tags)]
    initiative = _initiative(sources, made, exceptions.tags, approved)
    inherited = inheritance.initiative(exceptions.tags)
    files = {f"definitions/{one['name']}.json": one for one in made}
    files |= {f"initiatives/{one['name']}.json": one for one in (initiative, inherited)}
    return Tagged(
        dict(sorted(files.items())),
        _bicep(sorted(one["name"] for one in made)),
        tuple(_notes(sources, made, exceptions.tags, approved)),
    )


def companion(tags: TagNames) -> dict[str, Any]:
    """Return the definition that reports a resource, a group or a subscription with some of the three tags only.

    A tag without a value counts as missing.
    """
    names = tag_parameters(tags)
    fields = [tag_field(parameter) for parameter in names]
    there = [{"allOf": [{"field": one, "exists": "true"}, {"field": one, "notEquals": ""}]} for one in fields]
    missing = [
        condition for one in fields for condition in ({"field": one, "exists": "false"}, {"field": one, "equals": ""})
    ]
    return {
        "name": COMPANION,
        "properties": {
            "displayName": "A policy exception carries its id, its ticket and its end",
            "description": "Reports what carries some of the three tags of a policy exception and not all of them: the"
            " exception's id, the ticket in which it was approved, and when it ends.",
            "policyType": "Custom",
            "mode": "All",
            "metadata": {"category": CATEGORY, "version": "1.0.0"},
            "parameters": {"effect": effect("Audit"), **names},
            "policyRule": {
                "if": {"allOf": [{"anyOf": there}, {"anyOf": missing}]},
                "then": {"effect": "[parameters('effect')]"},
            },
        },
    }


def _checked(exceptions: KnownBypasses) -> list[str]:
    """Return the approved ids, each once: Azure compares without case. Raises Misconfigured."""
    problems = [
        f"bypasses.tags: {tag!r} has a bracket, which a policy's field cannot hold"
        for tag in exceptions.tags
        if "[" in tag or "]" in tag
    ]
    if len({tag.lower() for tag in exceptions.tags}) < len(exceptions.tags):
        problems.append(f"bypasses.tags: {', '.join(exceptions.tags)} are not three different tags; case is the same")
    for one in exceptions.approved:
        if not one.strip():
            problems.append("bypasses.approved: an id is blank; it would let past what has an empty tag")
        elif one.startswith("["):
            problems.append(f"bypasses.approved: {one!r} starts with `[`; Azure would read an expression")
    if problems:
        raise Misconfigured(
            "the ruleset's exceptions cannot be written as policies, so nothing was written",
            code="bypasses-unfit",
            subject="bypasses",
            remedy="Fix the lines below in the ruleset.",
            problems=tuple(problems),
        )
    first: dict[str, str] = {}
    for one in exceptions.approved:
        first.setdefault(one.lower(), one)
    return list(first.values())


def _guarded(source: Given, tags: TagNames, approved: Sequence[str]) -> dict[str, Any]:
    """Return a definition with the check; all else is as given."""
    properties: dict[str, Any] = dict(source.properties)
    rule = properties["policyRule"]
    metadata = {key: said for key, said in (properties.get("metadata") or {}).items() if key not in _BY_ARM}
    # Only built-in definitions have versions of their own; in one of ours, ARM wants it in the metadata.
    version = metadata.get("version") or properties.pop("version", None) or "1.0.0"
    for name in ("version", "versions"):
        properties.pop(name, None)
    return {
        "name": source.name + SUFFIX,
        "properties": {
            **properties,
            "displayName": _with(properties.get("displayName") or source.name, " (unless excepted)", _LONGEST_TITLE),
            "description": _with(
                properties.get("description") or "",
                f" Does not apply where the tag named by {ID_TAG} holds one of {APPROVED}.",
                _LONGEST_DESCRIPTION,
            ).strip(),
            "policyType": "Custom",
            # ARM reads a definition without a mode as Indexed; say so.
            "mode": properties.get("mode") or "Indexed",
            "metadata": {**metadata, "version": f"{version}+unless-excepted"},
            "parameters": {**source.parameters, **check_parameters(tags, approved)},
            "policyRule": {**rule, "if": {"allOf": [*_parts_of(rule["if"]), _CHECK]}},
        },
    }


_TAG: Final = tag_field(ID_TAG)
_CHECK: Final = {
    "anyOf": [
        {"field": _TAG, "notIn": f"[parameters('{APPROVED}')]"},
        # An absent tag compares as a blank text: a blank among the approved ids would let past what has no tag.
        {"value": f"[trim(string(coalesce(field({_TAG[1:-1]}),'')))]", "equals": ""},
    ]
}


def _parts_of(condition: Mapping[str, Any]) -> Sequence[Any]:
    """Return the conditions that all must hold: those of an allOf, or the condition."""
    said = {key.lower(): value for key, value in condition.items()}
    parts = said.get("allof")
    return parts if len(said) == 1 and isinstance(parts, list) and parts else (condition,)


def _with(text: str, more: str, longest: int) -> str:
    """Return a text with more behind it, the text cut where both are too long."""
    room = longest - len(more)
    return (text if len(text) <= room else text[: room - 1].rstrip() + "…") + more


def _own(source: Given) -> dict[str, str]:
    """Return a definition's parameter -> its name in the initiative.

    No two are the same: a reference has no `_`, so the text before the first one is the definition. Names of the
    initiative's own have none.
    """
    return {name: f"{reference(source.name)}_{name}" for name in source.parameters}


def _initiative(
    sources: Sequence[Given], made: Sequence[Mapping[str, Any]], tags: TagNames, approved: Sequence[str]
) -> dict[str, Any]:
    """Return the initiative over the definitions and the companion, which is the last of `made`."""
    shared = {**check_parameters(tags, approved), **tag_parameters(tags)}
    audits = "exceptionTagsEffect"
    parameters = {**shared, audits: _titled(made[-1]["properties"]["parameters"]["effect"], "effect", COMPANION)}
    members = []
    for source, definition in zip(sources, made, strict=False):
        own = _own(source)
        parameters |= {own[name]: _titled(said, name, source.name) for name, said in source.parameters.items()}
        members.append(_member(definition["name"], {**own, ID_TAG: ID_TAG, APPROVED: APPROVED}))
    members.append(
        _member(COMPANION, {"effect": audits, ID_TAG: ID_TAG, TICKET_TAG: TICKET_TAG, EXPIRY_TAG: EXPIRY_TAG})
    )
    if len(parameters) > MOST_INITIATIVE_PARAMETERS:
        given.refuse([f"{INITIATIVE}: all together have {len(parameters)} parameters; Azure takes 300. Give fewer"])
    return {
        "name": INITIATIVE,
        "properties": {
            "displayName": "Policies that an approved exception id in a tag lets past",
            "description": "Policies that do not apply where the tag holds an approved exception id, and one that"
            " reports incomplete tags. Azure does not read the end: an id lets past until it is taken out.",
            "policyType": "Custom",
            "metadata": {"category": CATEGORY, "version": "1.0.0"},
            "parameters": parameters,
            "policyDefinitions": members,
        },
    }


def _member(name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "policyDefinitionReferenceId": reference(name),
        "policyDefinitionName": name,
        "parameters": {key: {"value": f"[parameters('{theirs}')]"} for key, theirs in parameters.items()},
    }


def _titled(parameter: Mapping[str, Any], name: str, definition: str) -> dict[str, Any]:
    """Return a definition's parameter for the initiative, where its title must say whose it is."""
    metadata = parameter.get("metadata") or {}
    title = _with(str(metadata.get("displayName") or name), f" ({definition})", _LONGEST_TITLE)
    return {**parameter, "metadata": {**metadata, "displayName": title}}


def _notes(
    sources: Sequence[Given], made: Sequence[Mapping[str, Any]], tags: TagNames, approved: Sequence[str]
) -> list[str]:
    """Return what a reader of the README must know."""
    notes = []
    for source, definition in zip(sources, made, strict=False):
        asked = [own for name, own in _own(source).items() if "defaultValue" not in source.parameters[name]]
        needs = f" An assignment must set {', '.join(f'`{one}`' for one in asked)}." if asked else ""
        literal = source.properties["policyRule"]["then"]["effect"].lower() == "deny"
        at_once = " It has no parameter for its effect, so it denies as soon as you assign it." if literal else ""
        made_from = f"From your file `{source.file}`, `exg policy build` makes the definition `{definition['name']}`."
        notes.append(f"{made_from}{at_once}{needs}")
    lets = f"{len(approved)} id{'s' if len(approved) > 1 else ''}" if approved else "no id yet"
    three = f"`{tags.id}`, `{tags.ticket}` and `{tags.expiry}`"
    notes.append(
        f"The definitions `…-unless-excepted` skip resources with an approved id in the tag `{tags.id}`. The ruleset"
        f" approves {lets}."
    )
    notes.append(f"`{COMPANION}` reports resources with some of {three} but not all.")
    notes.append(
        f"Azure does not read `{tags.expiry}`. An id works until you remove it from `bypasses.approved` and deploy the"
        " policies again."
    )
    notes.append(
        f"`{inheritance.INITIATIVE}` copies the three tags from a resource group to resources without them. If a group"
        " has an approved id, the policies then skip every resource in the group."
    )
    return notes


def _bicep(names: Sequence[str]) -> str:
    """Return the definitions, their initiative and the inheritance of tags as Bicep."""
    what = "of the policies that an approved tag lets past"
    return created("tag", "tagExceptions", names, INITIATIVE, what) + "\n" + inheritance.bicep()
