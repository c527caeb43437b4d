"""One exemption as EPAC makes it of an entry: names, metadata, reference ids. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.epac.entries import Entry
from guardrails.epac.plan import Action, Item, Said
from guardrails.epac.powershell import blank, collides, json_text, length
from guardrails.epac.rows import Row, Wanted
from guardrails.epac.targets import IN_SAME_RUN, Meant, Target
from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import Environment
from guardrails.evaluation.values import Unknown

WRITES: Final = frozenset(("pacOwnerId", "epacMetadata", "deployedBy"))
"""The metadata that EPAC writes by itself."""
_EXEMPTIONS: Final = "/providers/Microsoft.Authorization/policyExemptions/"


def nothing_known(entry: Entry, why: str) -> Item:
    """Return an exemption of which nothing is known."""
    unknown = Unknown(why, entry.place)
    return Item(
        entry, None, unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown,
        unknown, unknown, reason=why,
    )  # fmt: skip


def item_of(row: Row, scope: str | Unknown | None, action: Action | None, reason: str) -> Item:
    """Return what an entry says of its exemption by itself. `scope`: None where none was looked at."""
    where = scope if scope is not None else (row.scopes[0].scope if len(row.scopes) == 1 else Unknown(reason))
    identity = f"{where}{_EXEMPTIONS}{row.name}" if isinstance(where, str) else where
    expires = Unknown(row.expires_doubt, row.entry.place) if row.expires_doubt else row.expires and str(row.expires)
    return Item(
        row.entry, action, identity, row.name, where, row.display_name,
        None if blank(row.description) else row.description, row.category, expires,
        row.targets.get("policyAssignmentId"), row.references, row.selectors, row.validation, row.metadata,
        end=row.expires, reason=reason,
    )  # fmt: skip


def name_item(item: Item, row: Row, postfix: str, target: Target, meant: Meant) -> list[Said]:
    """Put what EPAC adds to name, display name and description; return what is too long then."""
    if not (target.per_policy or postfix):
        return []
    name, display, described = row.name, row.display_name, "" if blank(row.description) else row.description or ""
    added = f" - {postfix}" if postfix else ""
    display += added
    described += added if described else ""
    if target.per_policy:
        name = f"{name}-{meant.name}{meant.ordinal}"
        display = f"{display} - {meant.name}{meant.ordinal}"
        described += f" - {meant.name}{meant.ordinal}" if described else ""
    item.name, item.display_name, item.description = name, display, described or None
    item.id = f"{item.scope}{_EXEMPTIONS}{name}"
    limits = (
        (name, 64, Said.NAME_MADE_LONG),
        (display, 128, Said.DISPLAY_MADE_LONG),
        (described, 512, Said.DESCRIPTION_MADE_LONG),
    )
    return [said for text, most, said in limits if length(text) > most]


def references_of(row: Row, target: Target, meant: Meant) -> tuple[list[Any], str | None, list[Said]]:
    """Return the reference ids that are sent, the text that EPAC keeps of them, and what is wrong with them."""
    if not meant.chooses:
        return [*meant.references], None, []
    said = row.references
    if said is None or said == []:
        return [], None, []
    listed = isinstance(said, list) and all([isinstance(one, str) for one in said])  # noqa: C419 - the quickest
    if not listed and not isinstance(said, str):
        raise Uncertain("what EPAC makes of reference ids that are no texts is not known")
    if target.unchecked:
        return ([] if isinstance(said, str) else [*said]), None, []
    faults = [
        _unknown(one, meant) for one in ([said] if isinstance(said, str) else said) if one.lower() not in meant.known
    ]
    return [said] if isinstance(said, str) else [*said], json_text(said), faults


def _unknown(reference: str, meant: Meant) -> Said:
    """Return what is wrong with a reference id that EPAC does not know. Raises Uncertain."""
    if reference.startswith("policyDefinitions/"):
        return Said.REFERENCE_FORM
    if meant.open:
        raise Uncertain(IN_SAME_RUN)
    return Said.REFERENCE_UNREAD if reference.lower() in meant.unread else Said.REFERENCE_UNKNOWN


def metadata_of(
    row: Row, target: Target, meant: Meant, settings: Environment, *, postfix: str, references: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the metadata that EPAC compares, and that which it sends: of keys that differ in letter case the last."""
    by = target.by or ("", "")
    own: dict[str, Any] = {"ordinalString": meant.ordinal} if meant.ordinal else {}  # a null would be sent as nothing
    if row.description is not None:
        own["originalDescription"] = row.description
    own |= {
        "originalDisplayName": row.display_name,
        "originalName": row.name,
        "pacSelector": settings.selector,
        "policyAssignmentName": meant.name,
        "scopePostfix": postfix,
        by[0]: by[1],
    }
    if references is not None:
        own["policyDefinitionReferenceIds"] = references
    compared = {**row.metadata, "pacOwnerId": settings.owner, "epacMetadata": own}
    compared.setdefault("deployedBy", settings.deployed_by)
    if "Keys" not in compared and not collides(tuple(compared)):
        return compared, compared
    names = _key_names(compared)
    if not collides(tuple(names)):
        return compared, {name: compared.get(name) for name in names}
    written: dict[str, Any] = {}
    for name in names:
        for key in [key for key in written if key.lower() == name.lower()]:
            del written[key]
        written[name] = compared.get(name)
    return compared, written


def _key_names(metadata: Mapping[str, Any]) -> list[str]:
    """Return the keys that EPAC writes: where one is called Keys, EPAC takes its value for all of them."""
    if "Keys" not in metadata:
        return [*metadata]
    said = metadata["Keys"]
    names = said if isinstance(said, list) else [said]
    if not names or not all(isinstance(one, str) and one for one in names):
        raise Uncertain("EPAC takes the value of a metadata key called Keys for all keys")
    return [*names]


def partly_known(row: Row, scope: str | Unknown, wanted: Wanted, target: Target, why: str) -> Item:
    """Return what is known of an exemption of which EPAC's answer is not."""
    item = item_of(row, scope, None, why)
    unknown = Unknown(why, row.entry.place)
    if target.per_policy or target.by is None or "Assignment" not in target.by[0]:
        item.assignment_id = item.references = unknown
        if target.per_policy:
            item.name = item.display_name = unknown
            item.description = None if blank(row.description) else unknown
            item.id = unknown
            return item
    else:
        item.assignment_id = target.by[1]
        item.references = [] if not row.references else unknown
    if wanted.postfix:
        item.display_name = f"{item.display_name} - {wanted.postfix}"
        if not blank(row.description):
            item.description = f"{row.description} - {wanted.postfix}"
    known = {**row.metadata} if "Keys" not in row.metadata else unknown
    item.metadata = known
    return item
