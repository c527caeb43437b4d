"""The state of a deployed exemption in each row of EPAC's lifecycle: its owner, its end, its assignment."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sandbox import tenant
from tests.peers import Environment, epac_run, epac_wants
from tests.reconcile.world import ABOVE

NOW: Final = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
OWNER: Final = "8f2a3c1d-0000-4000-8000-0000000000ac"
RETIRED: Final = f"{tenant.SUBSCRIPTION}{tenant.AUTHORIZATION}/policyAssignments/retired"
STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "not expired": {},
    "expired": {"expiresOn": "2020-01-01T00:00:00Z"},
    "gone": {"policyAssignmentId": RETIRED},
    "outside": {"policyAssignmentId": ABOVE},
}
"""Words for its state -> what its entry says then: its assignment is gone, or outside the root scope."""
ZONES: Final = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a lifecycle: strategy, owner, the exemption's state, whether it is in the files, and what
    a run does."""
    return list(json.loads(path.read_text(encoding="utf-8"))["rows"])


def state_of(row: Mapping[str, Any]) -> str:
    """Return the state of a row's exemption, in the words of STATES."""
    return next(state for state in STATES if state in row["deployed"])


def environment(row: Mapping[str, Any]) -> Environment:
    """Return the environment of a row. The assignment that goes is not in it."""
    known = frozenset({tenant.ASSIGNMENT.lower(), tenant.SINGLE.lower()})
    return Environment(OWNER, "prod", known, frozenset({ABOVE.lower()}), row["strategy"])


def entry_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the entry that EPAC's files have, or had, for a row's exemption."""
    return {
        "name": name,
        "displayName": "Partner drop",
        "exemptionCategory": "Waiver",
        "scope": tenant.RESOURCE,
        "policyAssignmentId": tenant.ASSIGNMENT,
        "description": "Exemption documented in SEC-1234",
        "expiresOn": "2098-06-30T22:00:00Z",
        "metadata": dict(tenant.APPROVAL),
        **STATES[state_of(row)],
    }


def deployed_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the properties that are deployed: what the entry asks for, but for the owner."""
    said = epac_wants(entry_of(row, name), environment(row))
    metadata = dict(said["metadata"])
    if row["owner"] == "another pacOwnerId":
        metadata["pacOwnerId"] = "00000000-0000-4000-8000-0000000000ff"
    elif row["owner"] == "metadata without pacOwnerId":
        del metadata["pacOwnerId"]
    elif row["owner"] == "no metadata":
        return {key: value for key, value in said.items() if key != "metadata"}
    return {**said, "metadata": metadata}


def runs(row: Mapping[str, Any], properties: Mapping[str, Any] | None = None, name: str = "drop") -> list[Any]:
    """Return what a run does with the exemption of a row: the action, how many count as unchanged, and why."""
    where = environment(row)
    wanted = epac_wants(entry_of(row, name), where) if row["in_file"] else None
    found = epac_run({"properties": properties or deployed_of(row, name)}, wanted, where, NOW)
    because = {"owner" if one == "pacOwnerId" else one for one in found.because}
    return [found.action, int(found.unchanged), because]
