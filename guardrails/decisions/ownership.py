"""Ownership: whose an exemption is, and who may delete it. Pure.

What an exemption's metadata say of its owner is a claim of who wrote them. Authority comes from elsewhere: from
systemData, from the ruleset, and from metadata that the register had seen before the last edit by somebody else.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass
from guardrails.exemption.body import MARKER_KEY
from guardrails.exemption.model import Exemption
from guardrails.lazy_regex import lazy_regex
from guardrails.ruleset.model import Owner, Ruleset

if TYPE_CHECKING:
    from guardrails.decisions.row import Row

_GUID: Final = lazy_regex(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST: Final = 20
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Written:
    """An exemption as somebody wrote it.

    Attributes:
        author: the last writer who was not us; "" where unknown.
        content: its fingerprint.
        row: what the register knows of this same exemption; None for a new one.
        before: the protected owners that it claimed before this edit, where that had to be read; see `unseen_claims`.
    """

    exemption: Exemption
    author: str
    content: str
    row: "Row | None"
    before: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose an exemption is.

    Attributes:
        owner: the protected owner whose it is; None where it is nobody's.
        claim: whether nothing but its own metadata says so, and the register had not seen them before.
        violated: the owner whose it is, where somebody edited it who is not known to write for it; else None.
        kept: then the history entry that keeps what that owner wrote last; None where none does.
        pretended: the name of the owner that its metadata name and whose it is not; "" where there is none.
        added: whether this very write made that claim.
    """

    owner: Owner | None = None
    claim: bool = False
    violated: Owner | None = None
    kept: int | None = None
    pretended: str = ""
    added: bool = False

    @property
    def name(self) -> str:
        """The name of the owner whose it is; "" where it is nobody's."""
        return self.owner.name if self.owner else ""


def ownership_of(it: Written, ruleset: Ruleset) -> Ownership:
    """Return whose an exemption is: the first of the ruleset's owners decides whose it is, or was until this edit."""
    found = Ownership()
    for owner in ruleset.owners:
        one = _ownership_by(owner, it)
        if one.owner or one.violated:
            return one
        found = found if found.pretended else one
    return found


def _ownership_by(owner: Owner, it: Written) -> Ownership:
    """Return what one owner has to do with an exemption."""
    claims, author, row = owner.is_claimed_by(it.exemption), it.author.lower(), it.row
    if owner.metadata and not claims:
        if owner.authors or row is None or row.theirs != owner.name or _is_among(author, row.theirs_by):
            return Ownership()
        return Ownership(violated=owner, kept=row.theirs_at)  # nobody else gives away what is theirs
    if owner.authors:
        if author in owner.authors or (claims and not author):  # who wrote it is not known: no reason to revert
            return Ownership(owner)
        known = row is not None and (it.content == row.content or owner.name in (row.theirs, row.claimed))
        return Ownership(pretended=owner.name, added=not known) if claims else Ownership()
    if row is None or not (row.content or row.theirs or row.claimed):  # a new one
        return Ownership(owner, claim=row is None or row.adopted is None)
    if row.theirs == owner.name:
        theirs = it.content == row.theirs_content or _is_among(author, row.theirs_by)
        return Ownership(owner) if theirs else Ownership(violated=owner, kept=row.theirs_at)
    if row.claimed == owner.name:
        return Ownership(pretended=owner.name)
    if it.content == row.content:  # the ruleset names the owner since then, or the row is of an older version
        return Ownership(owner)
    if it.before is not None and owner.name in it.before:
        theirs = _is_among(author, _writers(row.author, it.exemption))
        return Ownership(owner) if theirs else Ownership(violated=owner, kept=row.snapshot)
    return Ownership(pretended=owner.name, added=True)


def _is_among(author: str, writers: tuple[str, ...]) -> bool:
    """Whether an author is one of these writers, or that is unknown: then nobody is accused."""
    return not author or not writers or author in writers


def _writers(author: str, exemption: Exemption) -> tuple[str, ...]:
    """Return who is known to write an exemption, lower case: its author and, by systemData, its creator."""
    return tuple(dict.fromkeys(name.lower() for name in (author, exemption.created_by) if name))


def unseen_claims(it: Written, ruleset: Ruleset) -> bool:
    """Whether an edit claims an owner of whom the register does not know whether it was claimed before."""
    if it.row is None or not it.row.content or it.row.content == it.content:
        return False
    known = (it.row.theirs, it.row.claimed)
    owners = (one for one in ruleset.owners if one.metadata and not one.authors and one.name not in known)
    return any(owner.is_claimed_by(it.exemption) for owner in owners)


def claimed_by(exemption: Exemption, ruleset: Ruleset) -> frozenset[str]:
    """Return the names of the owners that an exemption's metadata claim."""
    return frozenset(owner.name for owner in ruleset.owners if owner.is_claimed_by(exemption))


def owner_after(found: Ownership, base: "Row", it: Written, at: int) -> dict[str, Any]:
    """Return what a row is to hold of whose the exemption is. `at`: the history entry that keeps what it says now."""
    whose = found.owner or found.violated
    if found.pretended:
        return {"claimed": found.pretended}
    if whose is None and base.theirs and base.content != it.content:  # its owner gave it away
        return {"theirs": "", "theirs_by": (), "theirs_at": None, "theirs_content": ""}
    if whose is None:
        return {}
    cleared = {"claimed": ""} if found.owner else {}
    if whose.authors:
        return cleared
    known: dict[str, Any] = {"theirs": whose.name, **cleared}
    if base.theirs != whose.name:
        author = base.author if base.content else ""  # who wrote the one that had its name before is nobody here
        writers = _writers(author or it.author, it.exemption)
        known |= {"theirs_by": writers, "theirs_at": base.snapshot, "theirs_content": base.content}
    return known | ({"theirs_at": at, "theirs_content": it.content} if found.owner else {})


def names(owner: str) -> tuple[str, ...]:
    """Return the owners that a text names, lower case; several are separated by commas or semicolons."""
    parts = (part.strip()[:_LONGEST] for part in re.split("[,;]", owner.lower()))
    return tuple(dict.fromkeys(filter(None, parts)))[:_MOST]


def wanted_of(exemption: Exemption) -> str:
    """What its metadata say of putting it back: `guardrails: {restore: true}` or `guardrails.restore`."""
    ours = exemption.metadata.get(MARKER_KEY)
    said = ours.get("restore") if isinstance(ours, dict) else exemption.metadata.get(f"{MARKER_KEY}.restore")
    return {"true": "yes", "false": "no"}.get(str(said).lower(), "")


def rights_after(base: "Row", it: Written, ruleset: Ruleset, *, own: bool) -> dict[str, Any]:
    """Return what a row is to hold of who may delete it, and whether it is to be put back.

    A new exemption has them from its creator: where somebody else has edited it before it was first seen, what it says
    is that one's claim. What was there before the guardrails counts as seen, whoever edited it. An edit changes them if
    its author may delete it already: what anybody else writes is a claim, also where a later edit by who may leaves it
    there, as each does that sends the whole exemption back. One that came again while it was lost is not
    new, unless it exempts from another assignment: who made it may be who deleted it.
    `own`: whether we wrote it.
    """
    said = {"owners": names(it.exemption.owner), "wanted": wanted_of(it.exemption)}
    creator = it.exemption.created_by.lower()
    moved = base.assignment.lower().strip("/") != it.exemption.assignment_id.lower().strip("/")
    if not base.content and not own and (moved or not base.wanted_back):
        theirs = base.adopted or not it.author or _may(it.author, (), creator, ruleset)
        return {"vouched": True, "creator": creator, **(said if theirs else {"owners": (), "wanted": ""})}
    known: dict[str, Any] = {}
    if not base.vouched:  # what an older version saw counts as seen
        known = {"vouched": True, "creator": creator, "owners": names(base.owner)}
    may = _may(it.author, known.get("owners", base.owners), known.get("creator", base.creator), ruleset)
    if not may or own or it.content == base.content:
        return known
    unchanged = said["owners"] == names(base.owner)
    return known | ({"wanted": said["wanted"]} if unchanged else said)


def may_delete(actor: str, row: "Row", exemption: Exemption, ruleset: Ruleset) -> bool:
    """Whether somebody may delete an exemption, and change who may.

    These may: identities that the ruleset approves, the authors of its owners, who created it, and who is its owner by
    what the register had seen before somebody else edited it. A group, a mailbox or a team's name is nobody: an owner
    counts only where it is the very identity that deletes. `exemption`: as it was last approved.
    """
    if not row.vouched:
        return _may(actor, names(exemption.owner), exemption.created_by.lower(), ruleset)
    return _may(actor, row.owners, row.creator, ruleset)


def _may(actor: str, owners: tuple[str, ...], creator: str, ruleset: Ruleset) -> bool:
    name = actor.strip().lower()
    return name != "" and (name == creator or name in ruleset.trusted or name in _identities(owners))


def _identities(owners: tuple[str, ...]) -> Iterator[str]:
    return (name for name in owners if "@" in name or _GUID.fullmatch(name))


def is_claim(row: "Row") -> bool:
    """Whether the owner that a row names is no more than a claim of who wrote it."""
    return bool(row.owner) and row.vouched and not set(names(row.owner)) <= set(row.owners)
