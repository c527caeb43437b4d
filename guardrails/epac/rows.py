"""One entry as EPAC reads it: its fields, and what is wrong with them whatever Azure has. Pure."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.epac.entries import Entry
from guardrails.epac.instants import AT_EDGE, NetDate, NoDate, Runner, text_date
from guardrails.epac.plan import Said
from guardrails.epac.powershell import blank, length, same_text, trim
from guardrails.epac.uncertain import Uncertain

TARGETS: Final = (
    "policyAssignmentId", "policyDefinitionName", "policyDefinitionId", "policySetDefinitionName",
    "policySetDefinitionId",
)  # fmt: skip
FIELDS: Final = (
    "name", "displayName", "description", "exemptionCategory", "expiresOn", "scope", "scopes", *TARGETS,
    "policyDefinitionReferenceIds", "resourceSelectors", "metadata", "assignmentScopeValidation",
)  # fmt: skip
"""The keys of an entry of JSON, in their letter case."""
COLUMNS: Final = (*(one for one in FIELDS if one not in TARGETS), "policyAssignmentId", "assignmentReferenceId")
"""The columns of a table, in any letter case."""

_SPELLED: Final = {name.lower(): name for name in (*FIELDS, *COLUMNS)}
DEFAULT: Final = "Default"
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f\x7f-\x9f%&\\?/<>:#*+]")
_PROVIDER: Final = "/providers/Microsoft.Authorization/"


@dataclass(slots=True)
class Wanted:
    """A scope as an entry writes it, and what EPAC puts behind the display name for it."""

    scope: str
    postfix: str


@dataclass(slots=True)
class Row:
    """One entry, read.

    Attributes:
        targets: name of a target field -> its text; None where the entry lacks it.
        references: a list, or the single text in its place.
        validated: its scope and assignment are checked; False with DoNotValidate.
        expires: None for none.
        expires_doubt: why its end is not known; "" where it is.
        faults: what is wrong, each with the field it is about.
    """

    entry: Entry
    name: str = ""
    display_name: str = ""
    category: str = ""
    description: str | None = None
    scopes: list[Wanted] = field(default_factory=list)
    targets: dict[str, str | None] = field(default_factory=dict)
    references: Any = None
    selectors: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    validation: str = DEFAULT
    validated: bool = True
    expires: NetDate | None = None
    expires_doubt: str = ""
    faults: list[tuple[Said, str]] = field(default_factory=list)

    def fault(self, said: Said, about: str = "") -> None:
        """Note what is wrong, and with which field."""
        self.faults.append((said, about))


class Cells(ABC):
    """Reads what a cell of a table holds as JSON. Given by whoever reads files."""

    @abstractmethod
    def read(self, text: str) -> Any:
        """Return the value. Raises ValueError for what is no JSON, Uncertain."""


def read_row(entry: Entry, runner: Runner, cells: Cells) -> Row:
    """Return an entry as EPAC reads it. Raises Uncertain for a field whose kind of value is not known to work."""
    row = Row(entry)
    fields = entry.fields or {}
    if entry.is_table:
        fields = {_SPELLED.get(name, name): value for name, value in fields.items()}
    get = fields.get
    _targets(row, get)
    _scopes(row, get)
    if entry.is_table:
        _cells(row, get, cells)
    else:
        row.references, row.selectors = get("policyDefinitionReferenceIds"), get("resourceSelectors")
        metadata = get("metadata")
        if isinstance(metadata, dict):
            row.metadata = metadata
        elif metadata is not None:
            row.fault(Said.METADATA, "metadata")
    _validation(row, get("assignmentScopeValidation"))
    _texts(row, get)
    _expires(row, get("expiresOn"), runner)
    return row


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Uncertain(f"what EPAC makes of a {name} that is no text is not known")


def _targets(row: Row, get: Any) -> None:
    targets: dict[str, Any] = {name: get(name) for name in TARGETS}
    row.targets = targets
    said = [name for name, value in targets.items() if value is not None]
    for name in said:
        _text(targets[name], name)
    if not row.entry.is_table:
        if len(said) != 1:
            row.fault(Said.ONE_TARGET)
        return
    assignment, reference = row.targets["policyAssignmentId"], get("assignmentReferenceId")
    if blank(assignment) == blank(reference):
        row.fault(Said.ONE_CELL, "assignmentReferenceId")
    elif not blank(reference):
        _reference(row, reference)


def _reference(row: Row, reference: str) -> None:
    """Read the forms of assignmentReferenceId. Letter case counts in them."""
    for kind, name in (("policyDefinition", "policyDefinitions"), ("policySetDefinition", "policySetDefinitions")):
        if reference.startswith(f"{name}/"):
            row.targets[f"{kind}Name"] = reference.split("/")[1]
            return
        if f"{_PROVIDER}{name}/" in reference:
            row.targets[f"{kind}Id"] = reference
            return
    if f"{_PROVIDER}policyAssignments/" in reference:
        row.targets["policyAssignmentId"] = reference
    else:
        row.fault(Said.REFERENCE_KIND, "assignmentReferenceId")


def _scopes(row: Row, get: Any) -> None:
    scope, scopes = get("scope"), get("scopes")
    if scopes is None and isinstance(scope, str) and not row.entry.is_table and (text := trim(scope)):
        row.scopes = [Wanted(text, "")]  # as most have it
        return
    if blank(scope) == blank(scopes):
        row.fault(Said.ONE_SCOPE, "scopes" if scope is None else "scope")
    elif row.entry.is_table:
        scopes = scopes.split("&") if blank(scope) else scopes
    elif not blank(scope):
        if not isinstance(scope, str):
            row.fault(Said.SCOPE_TEXT, "scope")
            return
    elif not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        row.fault(Said.SCOPES_LIST, "scopes")
    if not blank(scope):
        row.scopes = [Wanted(trim(scope), "")] if isinstance(scope, str) else []
    elif not blank(scopes):  # of a text, .NET counts the characters
        several = isinstance(scopes, list | str) and len(scopes) > 1
        for one in scopes if isinstance(scopes, list) else [scopes]:
            _scope_of_list(row, one, several=several)


def _scope_of_list(row: Row, said: Any, *, several: bool) -> None:
    if not isinstance(said, str):
        return
    parts = trim(said).split(":")
    if len(parts) > 2:
        row.fault(Said.COLONS, "scopes")
    elif len(parts) == 2:
        if several and not parts[0]:
            row.fault(Said.EMPTY_PREFIX, "scopes")
        row.scopes.append(Wanted(trim(parts[1]), parts[0]))
    else:
        row.scopes.append(Wanted(parts[0], parts[0].split("/")[-1]))


def _cells(row: Row, get: Any, cells: Cells) -> None:
    references = get("policyDefinitionReferenceIds") or ""
    row.references = [said for one in references.split("&") if (said := trim(one))]
    selectors = trim(get("resourceSelectors") or "")
    if selectors.startswith("["):
        try:
            said = cells.read(selectors)
        except ValueError:
            row.fault(Said.SELECTORS_CELL, "resourceSelectors")
        else:
            if isinstance(said, list) and len(said) == 1 and not isinstance(said[0], dict):
                raise Uncertain("what EPAC makes of this resourceSelectors cell is not known")
            row.selectors = said or None
    metadata = trim(get("metadata") or "")
    if not metadata:
        return
    if not (metadata.startswith("{") and metadata.endswith("}")):
        row.fault(Said.METADATA_CELL, "metadata")
    elif trim(metadata.replace("{", "").replace("}", "")):
        try:
            row.metadata = cells.read(metadata)
        except ValueError:
            row.fault(Said.METADATA_CELL, "metadata")


def _validation(row: Row, said: Any) -> None:
    if blank(said):
        return
    row.validation = _text(said, "assignmentScopeValidation") or ""
    row.validated = same_text(row.validation, DEFAULT)
    if not row.validated and not same_text(row.validation, "DoNotValidate"):
        row.fault(Said.VALIDATION, "assignmentScopeValidation")
    if not row.validated and row.targets["policyAssignmentId"] is None:
        row.fault(Said.VALIDATION_TARGET, "assignmentScopeValidation")


def _texts(row: Row, get: Any) -> None:
    name, display, category = get("name"), get("displayName"), get("exemptionCategory")
    if blank(name):
        row.fault(Said.NAME_MISSING, "name")
    else:
        row.name = _text(name, "name") or ""
        if not valid_name(row.name):
            row.fault(Said.NAME_INVALID, "name")
        elif length(row.name) > 64:
            row.fault(Said.NAME_LONG, "name")
    if blank(display):
        row.fault(Said.DISPLAY_MISSING, "displayName")
    else:
        row.display_name = _text(display, "displayName") or ""
        if length(row.display_name) > 128:
            row.fault(Said.DISPLAY_LONG, "displayName")
    if blank(category):
        row.fault(Said.CATEGORY_MISSING, "exemptionCategory")
    else:
        row.category = _text(category, "exemptionCategory") or ""
        if not (same_text(row.category, "Waiver") or same_text(row.category, "Mitigated")):
            row.fault(Said.CATEGORY, "exemptionCategory")
    row.description = _text(get("description"), "description")
    if length(row.description or "") > 512 and not blank(row.description):
        row.fault(Said.DESCRIPTION_LONG, "description")


def valid_name(name: str) -> bool:
    """Whether EPAC takes a name."""
    return not (_NOT_IN_NAMES.search(name) or name.endswith(" "))


def _expires(row: Row, said: Any, runner: Runner) -> None:
    if blank(said):
        return
    if isinstance(said, NetDate):
        row.expires, row.expires_doubt = (None, AT_EDGE) if said.at_edge else (said, "")
    elif isinstance(said, str) and said.startswith("/Date(") and not row.entry.is_table:
        row.expires_doubt = "whether the reader of JSON takes this text for a date is not known"
    elif isinstance(said, str):
        try:
            row.expires = text_date(said, runner)
        except NoDate:
            row.fault(Said.DATE, "expiresOn")
        except Uncertain as doubt:
            row.expires_doubt = str(doubt)
    else:
        row.fault(Said.DATE, "expiresOn")
