"""A reader of bypasses, from the rows of assignments, of tagged resources and of enrollments. Pure.

Rows are as ARM or Resource Graph give them and as strangers wrote them: keys in any case, values of any type. What has
an id gives a Bypass, unreadable at worst; what has none raises Permanent.

Shapes: REST reference of Microsoft.Authorization/policyAssignments, 2025-11-01 and later; of policyEnrollments see
`enrolled`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from guardrails.bypasses.enrolled import REMOVED, Enrolled, Mode
from guardrails.bypasses.model import Bypass, BypassKind, container_of
from guardrails.criteria.model import Weakened
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.dataclass import replace
from guardrails.errors import Permanent
from guardrails.exemption.body import canonical_json
from guardrails.exemption.facts import Assignment, Unread
from guardrails.exemption.names import fold_name
from guardrails.exemption.times import parse_time
from guardrails.lazy_regex import lazy_regex
from guardrails.rules.selection import REFERENCE
from guardrails.ruleset.model import Ruleset

ENDS: Final = ("expiresOn", "exceptionExpiry")
"""Keys of an assignment's metadata that say when it ends, besides the ruleset's tag of that meaning."""

ENROLL: Final = "Enroll: only where a scope is enrolled"
"""The detail of an assignment with that mode; where it is known how many scopes are enrolled, that follows."""

_ID: Final = lazy_regex(r"(/.+)/providers/Microsoft\.Authorization/policyAssignments/([^/]+)", re.I | re.A | re.S)
_ENROLLMENT: Final = lazy_regex(
    r"(/.+)/providers/Microsoft\.Authorization/policyEnrollments/([^/]+)", re.I | re.A | re.S
)
_MOST_POLICIES: Final = 1000
"""Policies that an initiative may hold (Microsoft Learn, Azure Policy limits): no enrollment needs to name more."""
_NO_ASSIGNMENT: Final = Weakened("the tags name no assignment")
_NOT_SHOWN: Final = Unread("its definition or initiative is not visible")
_LONGEST: Final = 1000
_LONGEST_KEY: Final = 64


class _Undocumented(Exception):
    """A value that is not what Azure documents, so that something in it may not be seen; says how."""


def bypasses_of(
    row: Mapping[str, Any], ruleset: Ruleset, assignment: Assignment | None = None, criteria: Criteria | None = None
) -> list[Bypass]:
    """Return the bypasses that an assignment opens, not judged yet.

    row: id, properties, systemData. `assignment`: what it assigns, in the version that Azure evaluates, where that is
    known: then a bypass that names policies of the initiative says how many of them it is about. `criteria`: says which
    criteria each weakens; None: that by the table that is shipped. Raises Permanent (not-an-assignment) where its id is
    none, or its scope is not one of the four kinds.
    """
    said = _lower(row)
    identity = _identity(said.get("id"))
    found = _ID.fullmatch(identity)
    if found is None or not container_of(found[1]):
        raise Permanent("the id is not that of a policy assignment", code="not-an-assignment", subject=identity[:300])
    said_of = "the assignment cannot be read"
    base = Bypass(BypassKind.UNREAD, found[1], identity, found[2], said_of, weakened=Weakened(said_of))
    try:
        properties = _object(said.get("properties"), "properties")
        metadata = _object(properties.get("metadata"), "metadata")
        system = _object(said.get("systemdata"), "systemData")
    except _Undocumented as error:
        return [replace(base, unreadable=str(error))]
    if not properties:
        return [replace(base, unreadable="the row has no properties")]
    base = replace(base, name=_text(properties.get("displayname")) or base.name)
    base = _signed(_with_metadata(base, metadata, ruleset), system, metadata)
    bypasses: dict[bytes, Bypass] = {}
    for reader in _READERS:
        for made in _tried(reader, base, properties, assignment, criteria or own_criteria()):
            bypasses.setdefault(made.key, made)
    return list(bypasses.values())


def tagged_of(row: Mapping[str, Any], ruleset: Ruleset) -> Bypass | None:
    """Return the tag-driven exception of a resource, group or subscription, not judged yet; None without such tags.

    row: id, name, tags, changedBy, changedAt. Raises Permanent (not-tagged) where its id is none of the three kinds.
    """
    said = _lower(row)
    identity = _identity(said.get("id"))
    if not container_of(identity):
        raise Permanent("the id is not that of a resource, group or subscription", code="not-tagged", subject=identity)
    name = _text(said.get("name")) or identity.rpartition("/")[2]
    base = Bypass(BypassKind.TAG, identity, "", name, "", weakened=_NO_ASSIGNMENT)
    try:
        tags = _object(said.get("tags"), "tags")
    except _Undocumented as error:
        return replace(base, detail="the tags cannot be read", unreadable=str(error))
    names = ruleset.bypasses.tags
    there = {name: tags[name.lower()] for name in names if name.lower() in tags}
    if not there:
        return None
    ends, problem = _time(tags.get(names.expiry.lower()))
    since, _ = _time(said.get("changedat"))
    return replace(
        base,
        subject=_exception(tags.get(names.id.lower())),
        detail=_brief("; ".join(f"{name}={_text(value)}" for name, value in there.items())),
        who=_text(said.get("changedby")), since=since, owner=_text(tags.get("owner")),
        ticket=_text(tags.get(names.ticket.lower())), ends=ends, ends_problem=problem,
    )  # fmt: skip


def enrolled_of(row: Mapping[str, Any]) -> list[Enrolled]:
    """Return what an enrollment enrolls, part by part.

    row: id, properties. Raises Permanent where its id is none, or at no scope that we know (not-an-enrollment), and
    where it is not as Azure documents it (enrollment-unreadable).
    """
    said = _lower(row)
    identity = _identity(said.get("id"))
    found = _ENROLLMENT.fullmatch(identity)
    if found is None or not container_of(found[1]):
        raise Permanent("the id is not that of a policy enrollment", code="not-an-enrollment", subject=identity[:300])
    try:
        properties = _object(said.get("properties"), "properties")
        policies = [_text(one) for one in _list(properties.get("policydefinitionreferenceids"), "its reference ids")]
        selectors = _list(properties.get("resourceselectors"), "resourceSelectors")
        where = " or ".join(sorted(_conditions(_object(one, "a resource selector")) for one in selectors))
    except _Undocumented as error:
        raise Permanent(str(error), code="enrollment-unreadable", subject=identity[:300]) from None
    assignment = _identity(properties.get("policyassignmentid"))
    if not assignment:
        raise Permanent("policyAssignmentId names none", code="enrollment-unreadable", subject=identity[:300])
    if len(policies) > _MOST_POLICIES:  # a row of the register each
        why = f"it names {len(policies)} policies, and an initiative holds {_MOST_POLICIES} at most"
        raise Permanent(why, code="enrollment-unreadable", subject=identity[:300])
    instance = _text(properties.get("policyassignmentinstanceid"))
    detail = _brief(f"{REMOVED} where {where}") if where else REMOVED
    return [Enrolled(found[1], assignment, one, detail, instance) for one in dict.fromkeys(policies) or ("",)]


def mode_of(row: Mapping[str, Any]) -> tuple[str, Mode]:
    """Return the id of an assignment, in lower case, and what decides whether enrollments in it count.

    `bypasses_of` judges its shape: what is not documented counts as absent here.
    """
    said = _lower(row)
    try:
        stated = _object(said.get("properties"), "properties")
    except _Undocumented:
        stated = {}
    identity = _identity(said.get("id"))
    name = _text(stated.get("displayname")) or identity.rpartition("/")[2]
    enroll = _text(stated.get("enforcementmode")).lower() == "enroll"
    return identity.lower(), Mode(name, enroll, _text(stated.get("instanceid")))


class _Removed(Enum):
    """Which policies of the assignment do not apply, or are not enforced, where a bypass is open."""

    NAMED = "those that are named, all where none is"
    MAYBE_NAMED = "the same, but whether they surely do not is unknown"
    MAYBE_ANY = "any may be, named or not"
    NONE = "none: they have another effect"
    BY_PARAMETER = "those that take a parameter"


class _Seen(NamedTuple):
    """A bypass that a property of an assignment opens. `scope`: "" for the assignment's own; `named`: none for all."""

    detail: str
    scope: str = ""
    unreadable: str = ""
    named: "tuple[_Named, ...]" = ()
    removed: _Removed = _Removed.NAMED


class _Named(NamedTuple):
    """Policies that one part of a bypass names, by reference ids in lower case. All that match count."""

    within: frozenset[str] | None
    without: frozenset[str]


class _Reader(NamedTuple):
    """Reads one property of an assignment. Where it raises _Undocumented, that property may hide bypasses."""

    kind: BypassKind
    property: str
    read: Callable[[Any], Iterator[_Seen]]


def _tried(
    reader: _Reader, base: Bypass, properties: Mapping[str, Any], assignment: Assignment | None, criteria: Criteria
) -> Iterator[Bypass]:
    try:
        for seen in reader.read(properties.get(reader.property.lower())):
            yield replace(
                base, kind=reader.kind, scope=seen.scope or base.scope, detail=_brief(seen.detail),
                unreadable=seen.unreadable, covers=_covers(seen.named, assignment),
                weakened=_weakened(seen, assignment, criteria),
            )  # fmt: skip
    except _Undocumented as error:
        yield replace(base, kind=BypassKind.UNREAD, detail=f"{reader.property} cannot be read", unreadable=str(error))


def _not_scopes(value: Any) -> Iterator[_Seen]:
    for scope in _list(value, "notScopes"):
        identity = _identity(scope) or _text(scope)
        if identity:
            unreadable = "" if container_of(identity) else "notScopes contains a text that is not a scope"
            yield _Seen("excluded from the assignment", identity, unreadable)


def _selectors(value: Any) -> Iterator[_Seen]:
    selectors = [_object(one, "a resource selector") for one in _list(value, "resourceSelectors")]
    if selectors:
        named = (f"{_text(one.get('name')) or 'unnamed'}: {_conditions(one)}" for one in selectors)
        detail = "applies only where " + "; or ".join(named)
        yield _Seen(detail, named=_named(selectors), removed=_Removed.MAYBE_ANY)


def _overrides(value: Any) -> Iterator[_Seen]:
    for item in _list(value, "overrides"):
        one = _object(item, "an override")
        kind, given = _text(one.get("kind")), _text(one.get("value"))
        if kind.lower() != "definitionversion":
            unknown_kind = f"an override is of kind '{kind}', which is not known"
            unreadable = "" if kind.lower() == "policyeffect" else unknown_kind
            removed = _Removed.NAMED if given.lower() == "disabled" else _Removed.NONE
            removed = _Removed.MAYBE_NAMED if given.startswith("[") or not given else removed  # an expression
            yield _Seen(f"effect {given or 'unnamed'} where {_conditions(one)}", "", unreadable, _named([one]), removed)


def _enforcement(value: Any) -> Iterator[_Seen]:
    mode = _text(value)
    if mode.lower() in ("donotenforce", "enroll"):
        yield _Seen("DoNotEnforce" if mode.lower() == "donotenforce" else ENROLL, removed=_Removed.MAYBE_NAMED)
    elif mode.lower() not in ("", "default"):
        yield _Seen(mode, "", f"enforcementMode is '{mode}', which is not known")


def _self_serve(value: Any) -> Iterator[_Seen]:
    settings = _object(value, "selfServeExemptionSettings")
    enabled = _text(settings.get("enabled")).lower()
    if enabled not in ("", "false"):
        some = [_text(one) for one in _list(settings.get("policydefinitionreferenceids"), "its reference ids")]
        not_boolean = f"selfServeExemptionSettings.enabled is '{enabled}', not true or false"
        unreadable = "" if enabled == "true" else not_boolean
        named = (_Named(frozenset(map(str.lower, some)), frozenset()),) if some else ()
        detail = f"users may exempt themselves from {', '.join(some) or 'all of it'}"
        yield _Seen(detail, "", unreadable, named, _Removed.MAYBE_NAMED)


def _disabled(value: Any) -> Iterator[_Seen]:
    off = []
    for name, given in _object(value, "parameters", fold=False).items():
        setting = _lower(given).get("value") if isinstance(given, Mapping) else given
        if "effect" in name.lower() and isinstance(setting, str) and setting.strip().lower() == "disabled":
            off.append(name)
    if off:
        yield _Seen(f"Disabled for {', '.join(sorted(off, key=str.lower))}", removed=_Removed.BY_PARAMETER)


_READERS: Final = (
    _Reader(BypassKind.NOT_SCOPE, "notScopes", _not_scopes),
    _Reader(BypassKind.SELECTOR, "resourceSelectors", _selectors),
    _Reader(BypassKind.OVERRIDE, "overrides", _overrides),
    _Reader(BypassKind.NOT_ENFORCED, "enforcementMode", _enforcement),
    _Reader(BypassKind.SELF_SERVE, "selfServeExemptionSettings", _self_serve),
    _Reader(BypassKind.DISABLED, "parameters", _disabled),
)


def _conditions(holder: Mapping[str, Any]) -> str:
    """Return what the selectors of a resource selector or an override say, for people."""
    words = []
    for item in _list(holder.get("selectors"), "selectors"):
        one = _object(item, "a selector")
        for key, verb in (("in", "in"), ("notin", "not in")):
            if values := [_text(value) for value in _list(one.get(key), f"a selector's {verb}")]:
                words.append(f"{_text(one.get('kind')) or 'anything'} {verb} {', '.join(values)}")
    return " and ".join(words) or "no condition"


def _named(holders: Sequence[Mapping[str, Any]]) -> tuple[_Named, ...]:
    """Return the policies that selectors name, for each holder of them; none where one of them names none."""
    found = []
    for holder in holders:
        within: frozenset[str] | None = None
        without: frozenset[str] = frozenset()
        for item in _list(holder.get("selectors"), "selectors"):
            one = _object(item, "a selector")
            if _text(one.get("kind")).lower() == REFERENCE:
                given, left = (frozenset(_text(v).lower() for v in _list(one.get(key), key)) for key in ("in", "notin"))
                if given:
                    within = given if within is None else within & given
                without |= left
        if within is None and not without:
            return ()
        found.append(_Named(within, without))
    return tuple(found)


def _covers(named: Sequence[_Named], assignment: Assignment | None) -> str:
    """Return how many policies of the initiative are named, in the version that Azure evaluates; "" for no names."""
    if not named or assignment is None or not assignment.is_initiative:
        return ""
    members = assignment.members
    if isinstance(members, Unread):
        return f"policies that are unknown: {members.reason}"
    wanted = _wanted(named, members)
    lacking = sorted({one for part in named for one in (part.within or frozenset()) | part.without} - members.keys())
    version = f"version {assignment.version} ({assignment.version_found})" if assignment.version else "the initiative"
    count = f"{len(wanted)} of {len(members)} policies of {version}"
    return _brief(f"{count}, which has no {', '.join(lacking)}" if lacking else count)


def _wanted(named: Sequence[_Named], members: Mapping[str, str]) -> set[str]:
    """Return the reference ids of the policies that are named."""
    return {
        one
        for part in named
        for one in members
        if (part.within is None or one in part.within) and one not in part.without
    }


def _weakened(seen: _Seen, assignment: Assignment | None, criteria: Criteria) -> Weakened:
    """Return the criteria that a bypass weakens; where policies are evaluated and not enforced, may weaken."""
    removed = seen.removed
    if seen.unreadable:
        return Weakened(seen.unreadable)
    if removed is _Removed.NONE:
        return Weakened()
    if assignment is None:
        return criteria.by_policies(_NOT_SHOWN, None, certain=False)
    if removed is _Removed.BY_PARAMETER and assignment.is_initiative:
        return Weakened("the policies that use the parameter are unknown")
    references = None
    if seen.named and removed is not _Removed.MAYBE_ANY and not isinstance(assignment.members, Unread):
        references = _wanted(seen.named, assignment.members)
    return criteria.by_policies(assignment, references, certain=removed in (_Removed.NAMED, _Removed.BY_PARAMETER))


def _with_metadata(base: Bypass, metadata: Mapping[str, Any], ruleset: Ruleset) -> Bypass:
    """Return it with what the assignment's metadata says: its ticket, owner, review and end."""
    said = ruleset.names.read(metadata)
    folded = {fold_name(key): value for key, value in metadata.items() if len(key) <= _LONGEST_KEY}
    given = (folded.get(fold_name(name)) for name in (ruleset.bypasses.tags.expiry, *ENDS))
    ends, problem = _time(next(filter(_text, given), None))
    owner, ticket, review = (_brief(said.get(role, "")) for role in ("owner", "ticket", "review"))
    return replace(base, ends=ends, ends_problem=problem, owner=owner, ticket=ticket, review=review)


def _signed(base: Bypass, system: Mapping[str, Any], metadata: Mapping[str, Any]) -> Bypass:
    """Return it with who wrote it last, and when: by systemData, else by what Azure notes in the metadata.

    Where nobody is named, it is when it was written, by whomever.
    """
    noted = _lower(metadata)
    written = [
        (_text(source.get(who)), _time(source.get(when))[0])
        for source, who, when in (
            (system, "lastmodifiedby", "lastmodifiedat"), (system, "createdby", "createdat"),
            (noted, "updatedby", "updatedon"), (noted, "createdby", "createdon"),
        )
    ]  # fmt: skip
    named = (one for one in written if one[0])
    timed = (one for one in written if one[1])
    who, since = next(named, None) or next(timed, ("", None))
    return replace(base, who=who, since=since)


def _identity(value: object) -> str:
    """Return an id with one slash in front and none behind; "" for what is no text."""
    text = value.strip().strip("/") if isinstance(value, str) else ""
    return "/" + text if text else ""


def _lower(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key).lower(): item for key, item in value.items()}


def _object(value: object, name: str, *, fold: bool = True) -> dict[str, Any]:
    """Return an object, keys in lower case; {} for null and "". JSON in a text is read. Raises _Undocumented."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except (ValueError, RecursionError):  # not JSON, or nested deeper than anybody nests
            raise _Undocumented(f"{name} is a text, not an object") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _Undocumented(f"{name} is {_kind_of(value)}, not an object")
    return _lower(value) if fold else {str(key): item for key, item in value.items()}


def _list(value: object, name: str) -> list[Any]:
    """Return a list; [] for null and "", and a single text or object as the list of it. Raises _Undocumented."""
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str | Mapping):
        return [value]
    raise _Undocumented(f"{name} is {_kind_of(value)}, not a list")


def _kind_of(value: object) -> str:
    return {str: "a text", list: "a list", bool: "true or false"}.get(type(value), "a number")


def _text(value: object) -> str:
    """Return a value for people: texts as they are, the rest as JSON; "" for null."""
    if value is None:
        return ""
    return _brief(value.strip() if isinstance(value, str) else canonical_json(value))


def _exception(value: object) -> str:
    """Return an exception id with its blanks, for Azure Policy compares them; "" for nothing but blanks."""
    return _brief(value) if isinstance(value, str) and value.strip() else _text(value)


def _time(value: object) -> tuple[datetime | None, str]:
    """Return a point in time, UTC, or why there is none."""
    try:
        return parse_time(value), ""
    except ValueError as error:
        return None, str(error)


def _brief(text: str, most: int = _LONGEST) -> str:
    """Return a text in valid Unicode that is not too long, for the register takes no other.

    Half a character becomes its escape. Of a text cut off, the end names the whole, so that a change of it is seen.
    """
    raw = text.encode("utf-8", "backslashreplace")
    text = raw.decode()
    if len(text) <= most:
        return text
    name = hashlib.sha256(raw).hexdigest()[:8]
    return f"{text[: most - 20]}… ({len(text)}, {name})"
