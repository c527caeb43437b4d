"""EPAC's plan: what becomes of each exemption, and of the run as a whole. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from guardrails.dataclass import dataclass, field
from guardrails.epac.entries import Entry
from guardrails.epac.instants import NetDate
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Place, Value


class Action(StrEnum):
    """What EPAC does with one exemption."""

    NEW = "new"
    UPDATE = "update"
    REPLACE = "replace"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left-out"
    REFUSED = "refused"


WRITTEN = (Action.NEW, Action.UPDATE, Action.REPLACE)
"""The actions that send the exemption to Azure."""


class Owner(StrEnum):
    """Whose an exemption is, for EPAC."""

    OURS = "ours"
    OTHER = "other"
    NOBODY = "nobody"


class Said(StrEnum):
    """What EPAC says of an entry; the value is the sentence for it."""

    ONE_TARGET = "an entry names exactly one target: an assignment, or a policy or initiative by name or id"
    ONE_CELL = "a row fills exactly one of the columns policyAssignmentId and assignmentReferenceId"
    REFERENCE_KIND = "assignmentReferenceId is none of the forms that EPAC reads; letter case counts in them"
    ONE_SCOPE = "an entry has exactly one of scope and scopes"
    SCOPES_LIST = "scopes is a list of texts"
    SCOPE_TEXT = "scope is a text"
    EMPTY_PREFIX = "of several scopes, one has nothing before its colon"
    COLONS = "a scope has more than one colon"
    NAME_MISSING = "it has no name"
    NAME_INVALID = "its name has one of % & \\ ? / < > : # * + or a control character, or ends with a blank"
    NAME_LONG = "its name is longer than 64 characters"
    DISPLAY_MISSING = "it has no displayName"
    DISPLAY_LONG = "its displayName is longer than 128 characters"
    CATEGORY_MISSING = "it has no exemptionCategory"
    CATEGORY = "its exemptionCategory is neither Waiver nor Mitigated"
    DESCRIPTION_LONG = "its description is longer than 512 characters"
    NAME_MADE_LONG = "its name with that of the assignment is longer than 64 characters"
    DISPLAY_MADE_LONG = "its displayName with what EPAC adds is longer than 128 characters"
    DESCRIPTION_MADE_LONG = "its description with what EPAC adds is longer than 512 characters"
    VALIDATION = "its assignmentScopeValidation is neither Default nor DoNotValidate"
    VALIDATION_TARGET = "DoNotValidate needs the target to be a policyAssignmentId"
    METADATA = "its metadata is no object"
    METADATA_CELL = "its metadata cell is no JSON object"
    SELECTORS_CELL = "its resourceSelectors cell begins like a JSON list and is none"
    DATE = "its expiresOn is no date for .NET in the culture of the runner"
    TWICE = "another entry makes an exemption with the same id"
    REFERENCE_FORM = (
        "a reference id of the form policyDefinitions/NAME is never found, even if the initiative has the policy"
    )
    REFERENCE_UNKNOWN = "a reference id is not in the initiative"
    REFERENCE_UNREAD = (
        "EPAC does not know a reference id: the initiative or the policy is neither at the root scope nor Microsoft's"
    )
    NO_ASSIGNMENT = "its assignment is not known under the root scope"
    NO_DEFINITION = "its policy or initiative is not known under the root scope"
    NOT_ASSIGNED = "no assignment of its policy or initiative is known"
    NOT_IN_TREE = "its scope is not in the tree under the root scope"
    NOT_CHECKED = "its scope is not in the tree under the root scope, which DoNotValidate does not check"
    NOT_APPLICABLE = "no assignment applies at its scope"
    NO_RESOURCE = "its resource does not exist"
    ORDINALS = "assignments of one name apply, so numbers are put behind the names"
    EXPIRED = "it has expired"
    EXPIRED_NEW = "it has expired and is not deployed"
    SKIPPED = "the deployed exemption stays as it is, for the entry has expired or its resource does not exist"
    NOT_FOUND = "a policy or initiative is not found"
    STOPPED = "PowerShell has an error, and the error preference is Stop"
    NO_FILES = "no file of exemptions is found, so all that EPAC owns is to be deleted"
    BROKEN = "the file cannot be read"
    OTHER_OWNER = "the deployed exemption has another owner"


@dataclass(frozen=True, slots=True)
class Message:
    """What EPAC says, of which file and entry; `number`: None where it is about the run. `detail`: about what."""

    said: Said
    place: Place
    number: int | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """The sentence, without a full stop."""
        return f"{self.said}: {self.detail[:200]}" if self.detail else str(self.said)


@dataclass(slots=True)
class Item:
    """One exemption that comes of an entry, or an entry that none comes of.

    Attributes:
        action: None where it is not known, or where nothing is done because the run is refused.
        because: of an update or replacement, what differs.
        skipped: of one that is unchanged, what differs and is not deployed.
        expires_on: the text that is sent; None for none; Unknown. `end`: the date that it is made of.
        reason: why it is left out, refused, or not known; "" otherwise.
    """

    entry: Entry
    action: Action | None
    id: Value
    name: Value
    scope: Value
    display_name: Value
    description: Value
    category: Value
    expires_on: Value
    assignment_id: Value
    references: Value
    selectors: Value
    validation: Value
    metadata: Value
    end: NetDate | None = None
    because: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reason: str = ""

    def undecided(self) -> "Item":
        """Return the same exemption, of which nothing is decided yet."""
        return Item(
            self.entry, None, self.id, self.name, self.scope, self.display_name, self.description, self.category,
            self.expires_on, self.assignment_id, self.references, self.selectors, self.validation, self.metadata,
            self.end,
        )  # fmt: skip


@dataclass(slots=True)
class SecondRun:
    """What a second run plans after the first one was deployed: settled where all is unchanged.

    Attributes:
        unchanged: None where it is not known.
        because: id in lower case of an update or replacement -> what differs.
    """

    outcome: Outcome
    unchanged: int | None = None
    new: list[str] = field(default_factory=list)
    update: list[str] = field(default_factory=list)
    replace: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    because: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "outcome": str(self.outcome), "unchanged": self.unchanged, "new": self.new, "update": self.update,
            "replace": self.replace, "delete": self.delete,
        }  # fmt: skip

    @property
    def settles(self) -> bool:
        """Whether nothing is left to do."""
        return self.outcome is Outcome.DEPLOYS and not (self.new or self.update or self.replace or self.delete)


@dataclass(slots=True)
class EpacPlan:
    """What a run of EPAC plans.

    Attributes:
        taken: of a run that is refused, the ids that it had already taken.
        deletes: ids, as deployed; None where they are not known.
        unchanged, orphans, expired: counts; None where they are not known.
        unreadable: the ids of exemptions by which EPAC's deploy step cannot read the plan; nothing of it is deployed.
        owners: id in lower case of what is deleted -> whose it is.
        uncertain: why the outcome is not known; "" where it is.
        second: None where the first run plans nothing, or what a second one plans is not known.
        apart: the ids, in lower case, that its entries come to, where what becomes of them depends on no entry that
            comes to others; None where it may.
    """

    outcome: Outcome
    items: list[Item] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    deletes: list[str] | None = None
    unchanged: int | None = None
    orphans: int | None = None
    expired: int | None = None
    errors: list[Message] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    uncertain: str = ""
    owners: Mapping[str, Owner] = field(default_factory=dict)
    second: SecondRun | None = None
    apart: frozenset[str] | None = None

    def written(self) -> Sequence[Item]:
        """Return what is sent to Azure."""
        return [one for one in self.items if one.action in WRITTEN]


def sent(value: Any) -> Any:
    """Return a value as EPAC sends it: without what is null in objects."""
    if isinstance(value, dict):
        return {key: one if type(one) is str else sent(one) for key, one in value.items() if one is not None}
    return [sent(one) for one in value] if isinstance(value, list) else value
