"""Sources of exemptions, and which fields each returns. Pure.

A field that a body lacks is at its default only where its source returns that field: ARM leaves defaults out. Where
the source does not, nobody knows what the field says, and a rule that needs it is Unknown.
"""

import re
from collections.abc import Mapping
from typing import Final

from guardrails.dataclass import dataclass, field
from guardrails.lazy_regex import lazy_regex

BASE: Final = frozenset({
    "policyAssignmentId", "policyDefinitionReferenceIds", "exemptionCategory", "expiresOn", "displayName",
    "description", "metadata",
})  # fmt: skip
"""The properties that every source returns: those of the first api-version, 2020-07-01-preview."""

SYSTEM: Final = "systemData"
SELECTORS: Final = "resourceSelectors"
VALIDATION: Final = "assignmentScopeValidation"
MODE: Final = "exemptionManagementMode"

FIELDS: Final = BASE | {SELECTORS, VALIDATION, MODE, SYSTEM}
"""Every field that says something of an exemption: its ten properties, and systemData."""

_OPTIONAL: Final = (SELECTORS, VALIDATION, MODE)

PRINCIPALS: Final = ("userPrincipalId", "groupPrincipalId")
"""The kinds of resource selectors that pick people. They are younger than the others."""

NEWEST: Final = "2026-01-01-preview"
"""The newest api-version of policyExemptions that is known here."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bodies of exemptions come from.

    Attributes:
        name: for people: "Resource Graph".
        returns: the fields, of FIELDS, that it returns wherever they are not at their default.
        principals: whether it returns the resource selectors of the kinds in PRINCIPALS, too.
        doubt: why it may or may not return the others; "" where it does not.
    """

    name: str
    returns: frozenset[str] = FIELDS
    principals: bool = True
    doubt: str = ""
    _withheld: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        withheld = [name for name in _OPTIONAL if name not in self.returns]
        if SELECTORS in self.returns and not self.principals:
            withheld.append(SELECTORS)
        object.__setattr__(self, "_withheld", tuple(withheld))

    def lacks(self, field: str) -> str:
        """Return the sentence that says that a field is not known; `field` may be a part of one."""
        return f"{self.name} may lack {field}: {self.doubt}" if self.doubt else f"{self.name} does not return {field}"

    def missing_from(self, properties: Mapping[str, object], system: object) -> frozenset[str]:
        """Return the fields that a body does not say and that may yet be something else than their default.

        These are the ones that it lacks, or has as null or a blank, and that the source does not return. Selectors are
        among them where the source leaves out some of their kinds. systemData has no default: where it is absent, it
        is not known, whatever the source.
        """
        if not self._withheld:  # as of ARM
            return _NONE if system else _ONLY_SYSTEM
        missing = [name for name in self._withheld if properties.get(name) in _NOTHING]
        if not system:
            missing.append(SYSTEM)
        return frozenset(missing) if missing else _NONE


_NOTHING: Final = (None, "")
_NONE: Final[frozenset[str]] = frozenset()
_ONLY_SYSTEM: Final = frozenset((SYSTEM,))

_ADDED: Final = {"2022-07-01": frozenset({SELECTORS, VALIDATION}), "2025-12-01": frozenset({MODE})}
"""The day of the first api-version that has a field -> the fields (Azure/azure-rest-api-specs, resources)."""
_PRINCIPALS_SINCE: Final = "2024-12-01"
_DATED: Final = lazy_regex(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?", re.ASCII)


def is_api_version(text: str) -> bool:
    """Whether a text has the form of an api-version: 2026-01-01-preview."""
    return _DATED.fullmatch(text) is not None


def arm(api_version: str) -> Source:
    """Return Azure Resource Manager, read with an api-version; of one that has no date it knows the oldest fields.

    Versions before 2024-12-01-preview may leave out selectors that pick people; what Azure does with them there is not
    documented.
    """
    day = api_version[:10] if is_api_version(api_version) else ""
    added = [fields for since, fields in _ADDED.items() if since <= day]
    return Source(f"api-version {api_version[:60]}", BASE.union({SYSTEM}, *added), principals=day >= _PRINCIPALS_SINCE)


ARM: Final = arm(NEWEST)

RESOURCE_GRAPH: Final = Source("Resource Graph", BASE, principals=False)
"""It reads Azure with an api-version of its own, which nobody documents; newer fields are missing or null there."""

REST: Final = Source("a REST export", FIELDS - {MODE}, doubt="its api-version is unknown")
"""An answer of ARM that somebody saved. Every api-version since 2022 returns all but the newest field."""

AZ: Final = Source("az policy exemption list", FIELDS - {MODE})
"""azure-cli 2.77 and newer: 2.91.0 reads 2026-01-01-preview and prints all that its own model has
(azure/cli/command_modules/resource/aaz/latest/policy/exemption/_list.py)."""

AZ_OLD: Final = Source("az policy exemption list before azure-cli 2.77", BASE | {SYSTEM}, principals=False)
"""azure-cli to 2.76: reads 2020-07-01-preview (azure-cli-core, profiles/_shared.py), prints null for what is absent."""

POWERSHELL_OLD: Final = Source("Get-AzPolicyExemption of Az.Resources before 7", BASE, principals=False)
"""Also of later ones with -BackwardCompatible: the properties of the first api-version, in a bag `Properties`."""


POWERSHELL: Final = "Get-AzPolicyExemption"
"""The name of what `powershell` returns."""


def powershell(shown: frozenset[str]) -> Source:
    """Return Get-AzPolicyExemption of Az.Resources 7 and newer, which writes each field of its model, null or not.

    `shown`: the fields, of FIELDS, that an object has. Its model is of 2022-07-01-preview
    (Azure/azure-powershell, src/Resources/Policy.Autorest/README.md); later ones may have more.
    """
    return Source(POWERSHELL, BASE | shown, principals=MODE in shown)


EVERY: Final[tuple[tuple[Source, str], ...]] = (
    (arm("2020-07-01-preview"), ""),
    (arm("2022-07-01-preview"), ""),
    (arm("2024-12-01-preview"), ""),
    (arm("2025-12-01-preview"), "and newer"),
    (REST, "a saved answer of ARM, without `--api-version`"),
    (AZ, "azure-cli 2.77 and newer; seen in 2.91.0"),
    (AZ_OLD, "seen in 2.76.0"),
    (
        powershell(frozenset({SELECTORS, VALIDATION, SYSTEM})),
        "Az.Resources 7 and newer, with the model of 2022-07-01-preview",
    ),
    (POWERSHELL_OLD, "and newer with -BackwardCompatible"),
    (RESOURCE_GRAPH, ""),
)
"""The sources that are known, and what more to say of each."""
