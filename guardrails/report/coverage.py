"""The coverage of a scan: who asked, in which tenant, what was to be read and what was, with which versions. Pure.

Keys of subscriptions and management groups are those of ExemptionId.container: an id in lower case, or `mg~name`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions.assess import Finding, Verdict

GROUP: Final = "mg~"

NEVER_SEEN: Final = (
    "exemptions in Defender for Cloud of recommendations without a policy assignment: they are no policy exemptions",
    "policy enrollments that were removed before: a scan has no memory, a sweep has",
)
"""What no scan sees, whoever asks. Of Defender: techcommunity.microsoft.com, microsoftdefendercloud, 4528662."""

_MOST_REASONS: Final = 20
"""Reasons that are counted one by one for a rule; strangers' texts in them must not fill the memory."""
_OTHERS: Final = "other reasons"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asked, by the claims of the token.

    Attributes:
        name: a UPN for people, a display name or client id for applications; "" where the token does not say.
        kind: user, application or managed identity; "" where the token does not say.
        application_id: the client id: an application's own, or that of the program through which a person came.
        object_id: in the tenant's directory.
        found_by: which of azure-identity's credentials gave the token, as AzureCliCredential.
    """

    name: str = ""
    kind: str = ""
    application_id: str = ""
    object_id: str = ""
    found_by: str = ""

    @property
    def shown(self) -> str:
        """The identity for people: `jo@contoso.com (user, object id 1111...)`."""
        about = [self.kind, f"object id {self.object_id}" if self.object_id else ""]
        more = ", ".join(filter(None, about))
        return f"{self.name or 'an identity without a name'}{f' ({more})' if more else ''}"


def identity_of(claims: Mapping[str, Any], found_by: str) -> Identity:
    """Return the identity that the claims of an access token describe (Microsoft Entra, access token claims)."""

    def said(*names: str) -> str:
        return next((value for name in names if isinstance(value := claims.get(name), str) and value), "")

    person = said("upn", "unique_name", "preferred_username")
    application = said("appid", "azp")
    kind = "user" if person or said("idtyp") == "user" else "application" if application else ""
    if kind == "application" and said("xms_mirid"):
        kind = "managed identity"
    name = person or said("app_displayname", "name") or application
    return Identity(name, kind, application, said("oid"), found_by)


@dataclass(slots=True)
class Coverage:
    """What a scan covers.

    Attributes:
        identity: who asked.
        tenant: the tenant's id, "" where unknown; `tenant_name` its display name, "" where it could not be read, for
            `tenant_unnamed`.
        requested: keys of what was asked for; () is all that the identity sees.
        scope, exclude, only: the filters, as they were given.
        version: the product's; `api_versions` those of Azure, by what was read with them.
        started, ended: UTC.
        read: display names of subscriptions and management groups that were read, by key.
        partly: why some of those were read in part only, by key.
        unread: why what was asked for could not be read, by key.
        unjudged: how many exemptions have a finding that is Unknown.
        reasons: how many exemptions a rule could not judge, by its code, its name, and why.
    """

    identity: Identity = Identity()
    tenant: str = ""
    tenant_name: str = ""
    tenant_unnamed: str = ""
    requested: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    version: str = ""
    api_versions: Mapping[str, str] = field(default_factory=dict)
    started: datetime | None = None
    ended: datetime | None = None
    read: Mapping[str, str] = field(default_factory=dict)
    partly: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    unjudged: int = 0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _kept: Counter[str] = field(default_factory=Counter)

    def judged(self, findings: Iterable[Finding]) -> None:
        """Count what is unknown of one exemption."""
        unknown = [finding for finding in findings if finding.status is Verdict.UNKNOWN]
        self.unjudged += bool(unknown)
        for finding in unknown:
            reason = (finding.code, finding.rule, finding.text)
            if reason not in self.reasons:
                self._kept[finding.code] += 1
                if self._kept[finding.code] > _MOST_REASONS:
                    reason = (finding.code, finding.rule, _OTHERS)
            self.reasons[reason] += 1

    def unjudged_yet(self) -> "Coverage":
        """Return the same coverage, of a part of what was judged: nothing is counted yet."""
        return replace(self, unjudged=0, reasons=Counter(), _kept=Counter())

    def by_reason(self) -> list[tuple[str, str, str, int]]:
        """Return code, name, reason and number of exemptions of what was not judged, the most frequent first."""
        rows = [(*reason, count) for reason, count in self.reasons.items()]
        return sorted(rows, key=lambda row: (-row[3], row[:3]))

    def names_of(self, *, groups: bool) -> dict[str, str]:
        """Return the display names of the management groups, or subscriptions, that were read, by key, in order."""
        found = [(name.lower(), key, name) for key, name in self.read.items() if key.startswith(GROUP) is groups]
        return {key: name for _, key, name in sorted(found)}


def words_of(key: str, names: Mapping[str, str] | None = None) -> str:
    """Return what a key means, for people: `subscription 1111... (payments-prod)`; `names` are display names by key."""
    shown, name = key.removeprefix(GROUP), (names or {}).get(key, "")
    kind = "management group" if key.startswith(GROUP) else "subscription"
    return f"{kind} {shown}" + (f" ({name})" if name and name.lower() != shown.lower() else "")
