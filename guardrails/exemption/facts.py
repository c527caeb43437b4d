"""What a rule may know beyond the exemption itself. Pure values; adapters fill them in.

Every fact that had to be fetched can also be `Unread`: it could not be had, and a rule that needs it says Unknown.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from guardrails.dataclass import dataclass, field
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import SYSTEM


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read, and why (one phrase for people)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A thing that Azure says does not exist."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which groups an initiative has its policies in: the controls or criteria of a standard, as it names them.

    Attributes:
        groups: reference id (lower case) -> names of groups, each once; a policy that is in none is left out.
        titles: name of a group -> its display name, where it has one that says something else.
    """

    groups: Mapping[str, tuple[str, ...]]
    titles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NO_GROUPING: Final = Unread("the groups of its policies were not read")


@dataclass(frozen=True, slots=True)
class Assignment:
    """A policy assignment.

    Attributes:
        id: its resource id.
        definition_id: the policy definition or initiative that it assigns.
        members: reference id (lower case) -> definition id (lower case) of the initiative's policies, in the version
            that Azure evaluates; empty for an assignment of a single policy; Unread where they could not be read.
        version: the number of that version; "" where it is not known, and for a single policy.
        version_found: how that version was found, a phrase.
        not_scopes: the scopes that it leaves out (`notScopes`), as it spells them.
        grouping: the groups of the initiative, in that version; of no meaning for a single policy.
        initiative: the initiative's display name, a stranger's text; "" where it has none or is not shown.
    """

    id: str
    definition_id: str
    members: Mapping[str, str] | Unread
    version: str = ""
    version_found: str = ""
    not_scopes: tuple[str, ...] = ()
    grouping: Grouping | Unread = field(default=NO_GROUPING, compare=False)
    initiative: str = field(default="", compare=False)

    @property
    def is_initiative(self) -> bool:
        """Whether it assigns an initiative (policy set definition)."""
        return "/policysetdefinitions/" in self.definition_id.lower()

    @property
    def evidence(self) -> Mapping[str, str]:
        """The version of the initiative that was judged by, for the evidence of a finding; {} where none is known."""
        return {"initiativeVersion": f"{self.version} ({self.version_found})"} if self.version else {}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy definition's metadata says of it, by its latest version.

    Attributes:
        category, severity: as they are spelled there; "" where it does not say one.
    """

    category: str = ""
    severity: str = ""


type PoliciesById = Mapping[str, Policy | Gone | Unread]
"""Policies by the id of their definition: in lower case, with one slash in front, without a version."""

NO_POLICIES: Final[PoliciesById] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote the exemption, by systemData; our own tagging is seen through.

    Attributes:
        name: a UPN for people, a GUID for applications and managed identities; "" where unknown.
        kind: User, Application, ManagedIdentity or Key; "" where unknown.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Before:
    """What the register knows of the exemption's last compliant state.

    Attributes:
        expires_on: the expiry that was accepted, UTC; None where it had none. Small steps since have not moved it.
        ticket: the ticket that it named then; "" where none.
        seen_at: when we recorded it, UTC.
        latest: the latest expiry that was let pass since, UTC; None where that is not known.
        tickets: marks of all tickets that it named before; see guardrails.decisions.baseline.
    """

    expires_on: datetime | None
    seen_at: datetime
    ticket: str = ""
    latest: datetime | None = None
    tickets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An exemption that was written before another one.

    Attributes:
        written: when, by others than us, UTC; None where unknown.
        place: the file and line that says it, where it is in code and not in Azure; "" elsewhere.
    """

    id: str
    written: datetime | None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What an exemption repeats, or completes: others of its assignment that had not ended and were written before it.

    Attributes:
        others: the first of them, oldest first.
        count: how many they are.
        controls: reference ids that they switch off, lower case, the first in their order; of an assignment of a single
            policy, the definition's id.
        policies: how many controls these are.
        whole: whether they and it cover the whole initiative together; else each says the same as it does.
    """

    others: tuple[Earlier, ...]
    count: int
    controls: tuple[str, ...]
    policies: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """An assignment that does not apply at an exemption's scope.

    Attributes:
        scope: the assignment's scope.
        not_scope: the entry of its notScopes that leaves the exemption's scope out; "" where it is not below `scope`.
        groups: names of the management groups that the exemption's scope is in, lower case, the nearest first.
    """

    scope: str
    not_scope: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Together:
    """What only a look at all exemptions, and at the tree, can find of one: found by the last sweep, or by a scan.

    None: nothing was found, or nobody has looked yet.
    """

    overlap: Overlap | Unread | None = None
    outside: Outside | Unread | None = None


NOBODY_LOOKED: Final = Together()


@dataclass(frozen=True, slots=True)
class Risk:
    """What a deployer silently does other than its file says.

    Attributes:
        rule: the name of the rule that reports it.
        text: what happens, one sentence without a full stop.
        deployer: which deployer does it, with the version that it was seen in.
        correction: what to write instead, a phrase.
        evidence: the values that show it; strangers' texts, unescaped.
    """

    rule: str
    text: str
    deployer: str
    correction: str
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Planned:
    """What a check of code found of an exemption that the code would deploy: how its values come about.

    Attributes:
        end_by: the functions that its end depends on and that give something else in each run, as `utcNow()`.
        name_by: the same for its name.
        shifted: the properties, as `expiresOn`, whose time dateTimeAdd() was given with an offset, which it dropped.
        strange: names of properties that exemptions do not have -> the one that may be meant, "" for none.
        absent: names of properties that must be there and are not.
        next_run: until when the code is deployed again, UTC; None where nobody said.
        risks: what its deployer silently does.
    """

    end_by: tuple[str, ...] = ()
    name_by: tuple[str, ...] = ()
    shifted: tuple[str, ...] = ()
    strange: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    absent: tuple[str, ...] = ()
    next_run: datetime | None = None
    risks: tuple[Risk, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that rules may look at besides the exemption.

    Attributes:
        now: the present, UTC.
        written_at: when the exemption was last written by somebody else than us, UTC; None where that is not known.
        assignment: the exempted assignment, Gone, or Unread.
        author: the last writer who was not us; Unread where systemData is absent (a file).
        before: the last compliant state; None where the register has none.
        dates: when it was seen with which expiry, oldest first: pairs of (seen at, expires on), UTC; () where unknown.
        approved: identities (lower case: UPN, object id, application id) that may write exemptions.
        recreated: how often we put it back because its target went and came again; 0 where that is not known.
        policies: at least those that the exemption may switch off, where the ruleset asks for them. One that is not
            among them was not looked up, or is not shown: nothing is known of it.
        accepted: what was accepted where there is no compliant state: of an exemption that never was compliant and was
            tolerated, or that was deleted and made anew; None elsewhere.
        together: what the last sweep found of it, or this scan.
        planned: what a check of code found of it; None for an exemption that is in Azure.
    """

    now: datetime
    written_at: datetime | None
    assignment: Assignment | Gone | Unread = field(default_factory=lambda: Unread("the assignment was not looked up"))
    author: Author | Unread = field(default_factory=lambda: Unread("the body has no systemData"))
    before: Before | None = None
    dates: tuple[tuple[datetime, datetime | None], ...] = ()
    approved: frozenset[str] = frozenset()
    recreated: int = 0
    policies: PoliciesById = NO_POLICIES
    accepted: Before | None = None
    together: Together = NOBODY_LOOKED
    planned: Planned | None = None


def last_write(exemption: Exemption, now: datetime) -> tuple[Author | Unread, datetime | None]:
    """Return who last wrote an exemption and when (UTC, not after `now`), by its own systemData.

    Unread and None where it has no time of a write: then our own writes are not known from others' either.
    """
    if exemption.modified_at is None:
        source, absent = exemption.source, SYSTEM in exemption.not_returned
        if absent and SYSTEM not in source.returns:
            return Unread(source.lacks(SYSTEM)), None
        return Unread("the body has no systemData" if absent else "systemData does not say when it was written"), None
    return Author(exemption.modified_by, exemption.modified_by_type), min(exemption.modified_at, now)
