"""Which version of an initiative an assignment evaluates. Pure.

Azure keeps several versions of a built-in initiative, and an assignment may pin one: `definitionVersion: 1.*.*`. Azure
then evaluates the newest version that the pattern matches, while a read of the initiative shows the latest of all.
Sources: Microsoft Learn, assignment structure (policy definition ID and version) and initiative definition structure
(version); azure-rest-api-specs, policyAssignments and policySetDefinitionVersions, 2023-04-01 and later.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field
from guardrails.exemption.facts import NO_GROUPING, Assignment, Grouping, Unread
from guardrails.exemption.initiatives import base_of, grouping_of, members_of, version_in
from guardrails.lazy_regex import lazy_regex

PINS_SINCE: Final = "2023-04-01"
"""The first api-version of assignments and initiatives that knows versions; an older one cannot say what is pinned."""

_TYPE: Final = "/providers/microsoft.authorization/policysetdefinitions/"
_VERSION: Final = lazy_regex(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-[\w.]+)?", re.ASCII)
_PATTERN: Final = lazy_regex(r"(\d{1,9})(?:\.(\d{1,9}|\*))?(?:\.(\d{1,9}|\*))?(?:-[\w.]+)?", re.ASCII)


class Pin(NamedTuple):
    """What an assignment says of the version that it evaluates.

    Attributes:
        pattern: `definitionVersion`, such as `1.*.*`; "" where it pins none.
        effective: `effectiveDefinitionVersion`, which Azure adds where it is asked to expand it; "" where it does not.
        shown: whether the source would show a pin; an older api-version does not know them.
    """

    pattern: str = ""
    effective: str = ""
    shown: bool = True


class Choice(NamedTuple):
    """The version that Azure evaluates, "" where its number is not known, and how it was found."""

    version: str
    found: str


@dataclass(frozen=True, slots=True)
class Definition:
    """An initiative as a read of it shows it: its latest version.

    Attributes:
        members: as in facts.Assignment.
        version: the number of the latest version; "" where it is not shown.
        versions: the numbers of all versions; () where they are not shown.
        single: whether it has this version only. Every custom initiative has.
        name: its display name, a stranger's text; "" where it has none.
        grouping: as in facts.Assignment.
    """

    members: Mapping[str, str] | Unread
    version: str = ""
    versions: tuple[str, ...] = ()
    single: bool = False
    name: str = field(default="", compare=False)
    grouping: Grouping | Unread = field(default=NO_GROUPING, compare=False)

    def is_meant(self, choice: Choice) -> bool:
        """Whether this, the latest version, is the one that was chosen."""
        return self.single or not choice.version or self.version.lower() == choice.version.lower()

    def pick(self, version: str, known: "Mapping[str, Definition]") -> "Definition | None":
        """Return a version of this initiative among some of them, by number or by the name of its resource.

        A resource may be named without a label such as -preview: 1.2.0 for 1.2.0-preview, unless 1.2.0 is another one.
        """
        alike = {name.lower(): one for name, one in known.items() if same(name, version)}
        others = {listed.lower() for listed in self.versions}
        return alike.get(version.lower()) or next((one for name, one in alike.items() if name not in others), None)


def pin_of(body: Mapping[str, Any], *, shown: bool = True) -> Pin:
    """Return the pin in an assignment's properties, or in an assignment whose properties were lifted; keys in any case.

    A `definitionVersion` that is there and is no text, such as null, was cut out by the source: then no pin is shown.
    Every api-version shows a version that the id of the definition names.
    """
    said = _lower(body)
    given, effective = said.get("definitionversion", ""), said.get("effectivedefinitionversion")
    pattern = _text(given) or version_in(str(said.get("policydefinitionid") or ""))
    return Pin(pattern, _text(effective), bool(pattern) or (shown and isinstance(given, str)))


def definition_of(identity: str, body: Mapping[str, Any]) -> Definition:
    """Return what the properties of an initiative, or of one version of it, say; keys in any case."""
    said = _lower(body)
    listed, kind = said.get("versions"), _text(said.get("policytype")).lower()
    versions = tuple(map(_text, listed)) if isinstance(listed, list | tuple) else ()
    custom = kind == "custom" if kind else not key_of(identity).startswith(_TYPE)
    held = said.get("policydefinitions") or said.get("policydefinition")
    return Definition(
        members_of(held),
        _text(said.get("version")),
        versions,
        single=custom and len(versions) <= 1,
        name=_text(said.get("displayname")),
        grouping=grouping_of(held, said.get("policydefinitiongroups") or said.get("policydefinitiongroup")),
    )


def assigned(
    assignment_id: str, definition_id: str, found: Definition | Unread, choice: Choice, not_scopes: tuple[str, ...]
) -> Assignment:
    """Return an assignment of an initiative. `found`: the version that Azure evaluates, `choice` which that is."""
    if isinstance(found, Unread):
        found = Definition(found, grouping=found)
    members = found.members if isinstance(found.members, Mapping) else Unread(found.members.reason)
    return Assignment(
        assignment_id, definition_id, members, choice.version, choice.found, not_scopes, found.grouping, found.name
    )


def key_of(definition_id: str) -> str:
    """Return `base_of` in lower case."""
    return base_of(definition_id).lower()


def choose(pin: Pin, definition: Definition) -> Choice | Unread | None:
    """Return the version that Azure evaluates; Unread where that cannot be known; None where all versions are needed.

    What Azure itself says goes first. It is never guessed: a pattern that nothing matches is not the latest version.
    """
    if definition.single:
        return _choice(definition.version, "a custom initiative has one version")
    if pin.effective:
        return Choice(pin.effective, "effectiveDefinitionVersion")
    if not pin.shown:
        if len(definition.versions) == 1:
            return Choice(definition.versions[0], "its only version")
        return Unread("its source does not show the version that the assignment evaluates")
    if not pin.pattern:
        return _choice(definition.version, "the latest; the assignment pins none")
    if _VERSION.fullmatch(pin.pattern):
        return Choice(pin.pattern, "definitionVersion")
    if definition.versions:
        return pinned(pin.pattern, definition.versions)
    latest = (definition.version,)  # nothing is newer: where the pattern takes it, no other version counts
    return pinned(pin.pattern, latest) if newest(pin.pattern, latest) in latest else None


def _choice(version: str, found: str) -> Choice:
    return Choice(version, found if version else "")


def pinned(pattern: str, versions: Iterable[str]) -> Choice | Unread:
    """Return the version that a pin means among all there are; Unread where none is it."""
    found = newest(pattern, versions)
    if isinstance(found, Unread):
        return found
    return Choice(found, f"the newest that definitionVersion {pattern} matches")


def newest(pattern: str, versions: Iterable[str]) -> str | Unread:
    """Return the newest version that a pattern matches; parts that it leaves out are wildcards.

    A pattern with `-preview` takes previews and nothing else, one without a label takes none: a pin stays at
    1.3.0-preview where 1.4.0 is out (Azure/Azure-Landing-Zones 4190), and `1.*.*` finds nothing where there is just a
    preview (Azure/Enterprise-Scale 2038). Unread, too, where what is listed cannot be read: it may be the newest.
    """
    wanted = _PATTERN.fullmatch(pattern)
    if wanted is None:
        return Unread(f"definitionVersion '{pattern[:40]}' is not a version")
    parts = [None if part in (None, "*") else int(part) for part in wanted.groups()]
    matching: dict[str, tuple[int, ...]] = {}
    for version in versions:
        read = _VERSION.fullmatch(version)
        if read is None:
            return Unread(f"the versions of the initiative cannot be read: one is '{version[:40]}'")
        numbers = tuple(map(int, read.groups()))
        alike = _is_preview(version) == _is_preview(pattern)
        if alike and all(part in (None, number) for part, number in zip(parts, numbers, strict=True)):
            matching[version] = numbers
    if not matching:
        return Unread(f"no version of the initiative matches definitionVersion {pattern}")
    return max(matching, key=matching.__getitem__)


def same(one: str, other: str) -> bool:
    """Whether two numbers name the same version: `1.2.0` is the resource name of `1.2.0-preview`, too."""
    (number, _, label), (number_2, _, label_2) = one.lower().partition("-"), other.lower().partition("-")
    return number == number_2 != "" and (not label or not label_2 or label == label_2)


def _is_preview(version: str) -> bool:
    return version.lower().partition("-")[2].startswith("preview")


def _lower(body: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in body.items()}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
