"""What an Azure Policy exemption is: its id, its scope, its dates and what its metadata says. Pure.

Shapes follow the REST reference of Microsoft.Authorization/policyExemptions (2020-07-01-preview to
2026-01-01-preview) and what the portal, the CLI, PowerShell and Resource Graph make of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.exemption.body import (
    KNOWN,
    MARKER_FIELDS,
    MARKER_KEY,
    canonical,
    canonical_json,
    fingerprint,
    marker_of,
    put_body,
    spelling,
    takes_marker,
    with_marker,
)
from guardrails.exemption.exemption_id import TYPE, ExemptionId, ScopeKind, scope_container, scope_kind
from guardrails.exemption.json_values import NOTHING, kind_of, metadata_of, objects_of, refuse, text_of, texts_of
from guardrails.exemption.names import DEFAULT_NAMES, ROLES, Names
from guardrails.exemption.sources import ARM, MODE, SELECTORS, SYSTEM, VALIDATION, Source
from guardrails.exemption.times import parse_time, spell_time, time_or_none

__all__ = [
    "DEFAULT_NAMES", "MARKER_FIELDS", "MARKER_KEY", "ROLES", "TYPE", "Exemption", "ExemptionId", "Names", "NotReturned",
    "ScopeKind", "canonical", "canonical_json", "fingerprint", "marker_of", "parse_time", "put_body", "refuse",
    "scope_container", "scope_kind", "spell_time", "spelling", "takes_marker", "with_marker",
]  # fmt: skip


class NotReturned(Exception):
    """A field was asked for that the exemption's source does not return: nobody knows what it says."""


@dataclass(slots=True)
class Exemption:
    """One policy exemption as read, never changed. (To make a frozen one of so many fields takes three times as long.)

    Attributes:
        body: the JSON as it was given; unknown fields live here and survive `put_body`.
        source: where it was read, which says what an absent field means.
        not_returned: the fields that are not known, for the body lacks them and the source does not return them. To
            ask for `selectors`, `scope_validation` or `management_mode` then raises NotReturned, so that no rule can
            take them for empty; what is read of systemData is "" or None.
        expires_on: UTC, or None where it has no expiry or the text could not be read (see `expiry_problem`).
        expiry_problem: why `expiresOn` could not be read; None where it is absent or fine.
        reference_ids: policyDefinitionReferenceIds; empty means the whole assignment.
        said: role -> text, from metadata: owner, ticket, approver, review, control, justification.
    """

    id: ExemptionId
    body: Mapping[str, Any]
    assignment_id: str
    reference_ids: tuple[str, ...]
    category: str
    expires_on: datetime | None
    expiry_problem: str | None
    metadata: Mapping[str, Any]
    said: Mapping[str, str]
    source: Source
    not_returned: frozenset[str]
    _selectors: tuple[Mapping[str, Any], ...]
    _properties: Mapping[str, Any]
    _system: Mapping[str, Any]

    @property
    def selectors(self) -> tuple[Mapping[str, Any], ...]:
        """Its resource selectors. Raises NotReturned."""
        if self.not_returned:
            self._ask(SELECTORS)
        return self._selectors

    @property
    def scope_validation(self) -> str:
        """Its assignmentScopeValidation; "" is the default. Raises NotReturned."""
        if self.not_returned:
            self._ask(VALIDATION)
        return text_of(self._properties.get("assignmentScopeValidation"))

    @property
    def management_mode(self) -> str:
        """Its exemptionManagementMode; "" is the default. Raises NotReturned."""
        if self.not_returned:
            self._ask(MODE)
        return text_of(self._properties.get("exemptionManagementMode"))

    def _ask(self, field: str) -> None:
        if field in self.not_returned:
            raise NotReturned(self.source.lacks(field))

    def as_of(self, source: Source) -> "Exemption":
        """Return what would be known of it, had this body come from another source."""
        if source is self.source:
            return self
        missing = source.missing_from(self._properties, SYSTEM not in self.not_returned)
        return replace(self, source=source, not_returned=missing)

    def as_written(self, by: str, by_type: str, at: datetime | None) -> "Exemption":
        """Return what it would be, had somebody else written it last, or at another time (UTC)."""
        written = {"lastModifiedBy": by, "lastModifiedByType": by_type, "lastModifiedAt": at}
        return replace(self, _system={**self._system, **written})

    @property
    def display_name(self) -> str:
        """Its display name; "" where it has none."""
        return text_of(self._properties.get("displayName"))

    @property
    def description(self) -> str:
        """Its description; "" where it has none."""
        return text_of(self._properties.get("description"))

    @property
    def created_by(self) -> str:
        """Who created it: a UPN for people, a GUID for applications; "" where unknown."""
        return text_of(self._system.get("createdBy"))

    @property
    def created_by_type(self) -> str:
        """What `created_by` is, such as User or Application; "" where unknown."""
        return text_of(self._system.get("createdByType"))

    @property
    def created_at(self) -> datetime | None:
        """When it was created, UTC; None where unknown."""
        return time_or_none(self._system.get("createdAt"))

    @property
    def modified_by(self) -> str:
        """Who last wrote it, as in `created_by`."""
        return text_of(self._system.get("lastModifiedBy"))

    @property
    def modified_by_type(self) -> str:
        """What `modified_by` is, as in `created_by_type`."""
        return text_of(self._system.get("lastModifiedByType"))

    @property
    def modified_at(self) -> datetime | None:
        """When it was last written, UTC; None where unknown."""
        return time_or_none(self._system.get("lastModifiedAt"))

    @property
    def owner(self) -> str:
        """The owner named in metadata; "" where none is."""
        return self.said.get("owner", "")

    @property
    def ticket(self) -> str:
        """The approval ticket named in metadata; "" where none is."""
        return self.said.get("ticket", "")

    @classmethod
    def from_arm(
        cls, body: object, names: Names = DEFAULT_NAMES, source: Source = ARM, known: ExemptionId | None = None
    ) -> "Exemption":
        """Read an exemption from ARM JSON, or from what the CLI, PowerShell or Resource Graph make of it.

        `source`: who returned the body, and so what a field means that it lacks. `known`: its id, where that was read
        before.

        Raises Permanent (not-an-exemption), naming what is wrong.
        """
        if type(body) is not dict and not isinstance(body, Mapping):
            raise refuse(f"an exemption is a JSON object, not {kind_of(body)}")
        read = body
        properties = body.get("properties")
        if type(properties) is not dict or "id" not in body or not KNOWN.issuperset(properties):
            read = canonical(body)
            properties = read["properties"]
        exemption_id = known or ExemptionId.parse(read.get("id"))
        get = properties.get
        assignment = get("policyAssignmentId")
        if not isinstance(assignment, str) or not assignment:
            raise refuse("the exemption names no policyAssignmentId", exemption_id.text)
        try:
            expires_on, problem = parse_time(get("expiresOn")), None
        except ValueError as error:
            expires_on, problem = None, str(error)
        metadata = metadata_of(get("metadata"), exemption_id.text)
        category = get("exemptionCategory")
        if category not in _SPELLED_CATEGORIES:
            category = _CATEGORIES.get(text_of(category).lower(), text_of(category))
        system = read.get("systemData") or NOTHING
        if type(system) is not dict and not isinstance(system, Mapping):
            raise refuse("systemData is not a JSON object", exemption_id.text)
        return cls(
            exemption_id,
            body,
            assignment,
            texts_of(get("policyDefinitionReferenceIds"), "policyDefinitionReferenceIds", exemption_id.text),
            category,
            expires_on,
            problem,
            metadata,
            names.read(metadata) if metadata else NOTHING,
            source,
            source.missing_from(properties, system),
            objects_of(get("resourceSelectors"), exemption_id.text),
            properties,
            system,
        )


_CATEGORIES: Final = {"waiver": "Waiver", "mitigated": "Mitigated"}

_SPELLED_CATEGORIES: Final = tuple(_CATEGORIES.values())
