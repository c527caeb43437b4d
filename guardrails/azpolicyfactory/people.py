"""Whether AzPolicyFactory takes two names for one person: as the invariant culture compares texts. Pure."""

from guardrails.epac.powershell import alike, trim


def same_person(one: str, other: str) -> bool | None:
    """Return whether two names are one person; None where that depends on rare characters."""
    return alike(trim(one), trim(other))
