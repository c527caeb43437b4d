"""Nobody may approve their own exemption.

What it does: compares the approver in the metadata with the last writer and the creator in systemData. The ruleset can
list the metadata keys for the approver; by default, they are `approver`, `approvedBy`, `approvedByEmail` and
`exemptionApprover`. Letter case does not matter. The rule recognizes other spellings of a person: "Name <address>", a
guest account, and an address without its domain. If there are several approvers, the exemption passes if one of them is
somebody else. A missing approver passes unless `required` is `true`. The rule cannot check whether the named approver
approved.

Why: separation of duties: nobody approves their own request.

Example: Jane writes an exemption with `approvedBy: Jane Doe <JANE@contoso.com>`.

Instead: ask that person to approve the ticket too.

References:
- https://learn.microsoft.com/azure/governance/policy/concepts/exemption-structure
"""

from functools import lru_cache
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.exemption.facts import Author, Facts, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import SYSTEM
from guardrails.lazy_regex import lazy_regex
from guardrails.rules.base import METADATA, PASS, Case, Change, Outcome, Rule, Unknown, Violation, never, option
from guardrails.rules.sample import metadata
from guardrails.rules.words import clip, says_nothing

_BETWEEN: Final = lazy_regex(r"[,;\n]")
_READ: Final = 2000


@dataclass(frozen=True, slots=True)
class Options:
    """Whether an approver must be there."""

    required: bool = option(False, "whether a missing approver is a violation", stricter="more")  # noqa: FBT003


def check(exemption: Exemption, facts: Facts, options: Options) -> Outcome:
    """Violation where only its writers approve it; Unknown where one of them is not known."""
    approver = exemption.said.get("approver")
    if approver is None or (options.required and says_nothing(approver)):
        said = clip(approver or "")
        return Violation("it names no approver", {"approver": said}, _change(said)) if options.required else PASS
    author = facts.author
    known = isinstance(author, Author) and author.name != ""
    if not _is_among(approver, author.name if isinstance(author, Author) else "", exemption.created_by):
        if known and SYSTEM in exemption.not_returned:
            return Unknown("the creator is unknown: the body has no systemData")
        if known:
            return PASS
        return Unknown(
            f"the author is unknown: {author.reason if isinstance(author, Unread) else 'systemData names nobody'}"
        )
    return Violation(
        "its author, or its creator, approved it",
        {
            "approver": clip(approver),
            "author": clip(author.name) if isinstance(author, Author) else None,
            "createdBy": clip(exemption.created_by) or None,
        },
        _change(clip(approver)),
    )


def _change(said: str) -> Change:
    allowed = "a person who is neither its author nor its creator"
    return Change(f"{METADATA}approver", said or None, allowed, "<approver>")


def _is_among(approver: str, author: str, creator: str) -> bool:
    """Return whether everybody named as approver is the author or the creator."""
    low = approver.lower()
    if not _may_name(low, author) and (creator == author or not _may_name(low, creator)):
        return False
    writers = tuple(_address(name) for name in (author, creator) if name)
    return all(_is_one_of(name, writers) for name in _names(approver))


def _may_name(low: str, writer: str) -> bool:
    """Return whether a closer look is due: the text holds the writer's name, or a guest's name is rewritten."""
    return writer != "" and (_account(writer) in low or "#" in writer or "#" in low)


@lru_cache(maxsize=1024)  # few write exemptions
def _account(writer: str) -> str:
    return writer.lower().partition("@")[0].strip()


def _names(approver: str) -> list[str]:
    """Return the approvers named in a text, folded. "Doe, Jane <j@x>" is one: an address settles who it is."""
    approver = approver[:_READ]
    if "," not in approver and ";" not in approver and "\n" not in approver:
        return [_address(approver)]
    parts = [part for part in _BETWEEN.split(approver) if part.strip()]
    addresses = [part for part in parts if "@" in part]
    return [_address(part) for part in addresses or parts] or [""]


def _address(text: str) -> str:
    """Return a mailbox or account name in one form: lower case, bare address, guests as their home address."""
    text = text.strip().lower()
    if text.endswith(">"):
        text = text[text.rfind("<") + 1 : -1].strip()
    text = text.removeprefix("mailto:")
    if "#" in text:
        home, guest, _ = text.partition("#ext#")
        if guest:  # jane_fabrikam.com#EXT#@contoso.onmicrosoft.com is jane@fabrikam.com
            return "@".join(home.rsplit("_", 1))
        return text.rpartition("#")[2]  # live.com#jane@outlook.com
    return text


def _is_one_of(approver: str, writers: tuple[str, ...]) -> bool:
    if approver in writers:
        return True
    return "@" not in approver and any(writer.startswith(approver + "@") for writer in writers)


_JANE: Final = Author("jane@contoso.com", "User")
_APPROVED: Final = frozenset({"jane@contoso.com"})


def _approved_by(approver: str) -> dict[str, object]:
    return metadata(approver=None, approvedBy=approver)


RULE = Rule(
    code="EXG207",
    name="approver-is-author",
    severity=Severity.HIGH,
    soc2=("CC5.1", "CC8.1"),
    remediation="Have somebody else approve it, and name that person as approver.",
    check=check,
    next_change=never,
    control="A policy sees the writer's object id, but not the approver in the metadata.",
    options=Options,
    good=(
        Case("somebody else approved"),
        Case("no approver named", properties=metadata(approver=None)),
        Case("one of two approvers is another person", properties=_approved_by("jane@contoso.com; ciso@contoso.com"),
            facts={
            "author": _JANE, "approved": _APPROVED,
        }),
    ),
    bad=(
        Case("the approver is the author", properties=_approved_by("Jane Doe <JANE@contoso.com>"), facts={
            "author": _JANE, "approved": _APPROVED,
        }),
        Case("the approver is the creator", properties=_approved_by("bob@contoso.com"),
            system={"createdBy": "Bob@contoso.com"}),
        Case("no approver, and `required` is on", properties={"metadata": None}, options={"required": True}),
    ),
    unclear=(
        Case("the author is unknown", facts={"author": Unread("the body has no systemData")}),
        Case("the creator is unknown", system=None),
    ),
    needs=(SYSTEM,),
)  # fmt: skip
