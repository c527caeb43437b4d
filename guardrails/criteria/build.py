"""Build a table of criteria from a built-in initiative, and compare two tables. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

from guardrails.criteria.model import Source, SourceKind
from guardrails.criteria.table import ByDefinition, Table, guid_of
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Unread
from guardrails.exemption.versions import Definition

_MANUAL: Final = "manual"


def members_to_read(name: str, initiative: Definition) -> list[str]:
    """Return the ids of the definitions that an initiative holds, each once. Raises Misconfigured (no-criteria)."""
    members, grouping = initiative.members, initiative.grouping
    if isinstance(members, Unread):
        raise _none(name, f"the initiative cannot be read: {members.reason}")
    if isinstance(grouping, Unread):
        raise _none(name, grouping.reason)
    if not grouping.groups:
        raise _none(name, "the initiative has no groups, so it has no criteria")
    return sorted({one for one in members.values() if guid_of(one)})


def table_of(name: str, initiative: Definition, effects: Mapping[str, str], made_from: Mapping[str, str]) -> Table:
    """Return the table of a built-in initiative, of whose definitions the effect is known.

    Args:
        name: the initiative's own name, a GUID.
        initiative: its latest version; `members_to_read` has found it whole.
        effects: the effects of its definitions by default, by their ids.
        made_from: what the table says of where it was read.

    A criterion is the name of a group without what all groups begin with: CC6.1 of SOC_2_CC6.1.
    """
    members, grouping = initiative.members, initiative.grouping
    if isinstance(members, Unread) or isinstance(grouping, Unread):
        raise _none(name, "the initiative cannot be read")
    cut = len(_standard(sorted({group for names in grouping.groups.values() for group in names})))
    found: dict[str, dict[str, None]] = {}
    for reference, names in grouping.groups.items():
        if guid := guid_of(members[reference]):
            found.setdefault(guid, {}).update((group[cut:], None) for group in names)
    parts: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]] = {}, {}
    by_guid = {guid_of(one): effect.lower() == _MANUAL for one, effect in effects.items()}
    for guid in sorted(found):
        parts[by_guid[guid]][guid] = tuple(sorted(found[guid]))
    source = Source(SourceKind.TABLE, name.lower(), initiative.name, initiative.version)
    return Table(source, *parts, made_from)


def _standard(groups: Sequence[str]) -> str:
    """Return what all names begin with, to an underscore: names are sorted, so the first and the last say it."""
    pairs = zip(groups[0].split("_")[:-1], groups[-1].split("_")[:-1], strict=False)
    return "".join(f"{one}_" for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def differences(before: Table, after: Table) -> Iterator[str]:
    """Yield what differs between two tables, a line each: the initiative, the counts of each criterion, each policy."""
    for what in ("id", "name", "version"):
        old, new = getattr(before.source, what), getattr(after.source, what)
        if old != new:
            yield f"{what} of the initiative: {old} -> {new}"
    old_totals, new_totals = before.totals, after.totals
    for criterion in sorted(old_totals.keys() | new_totals.keys()):
        if (was := old_totals.get(criterion, 0)) != (now := new_totals.get(criterion, 0)):
            yield f"{criterion}: {was} -> {now} policies"
    for guid in sorted({*before.technical, *before.manual, *after.technical, *after.manual}):
        said, says = _said(before, guid), _said(after, guid)
        if said != says:
            yield f"{guid}: {said} -> {says}"


def _said(table: Table, guid: str) -> str:
    parts: tuple[tuple[str, ByDefinition], ...] = ("", table.technical), ("manual: ", table.manual)
    return next((kind + ", ".join(sorted(part[guid])) for kind, part in parts if guid in part), "not in the table")


def _none(name: str, why: str) -> Misconfigured:
    return Misconfigured(
        why, code="no-criteria", subject=name, remedy="Give --initiative the GUID of a built-in initiative."
    )
