"""Pinned versions of initiatives in files: what Azure evaluates, or Unknown; never the latest instead."""

from typing import Any

import pytest

from guardrails.exemption.facts import Assignment, Unread
from guardrails.files.assignments import Assignments

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
ONE = f"{SUB}/providers/Microsoft.Authorization/policyAssignments/Benchmark"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/benchmark"
OWN = f"{SUB}{SET}"


def assignment(pin: object = None, definition: str = SET, **more: Any) -> dict[str, Any]:
    pinned = {} if pin is None else {"definitionVersion": pin}
    return {"id": ONE, "properties": {"policyDefinitionId": definition, **pinned, **more}}


def initiative(version: str, *references: str, identity: str = SET, **more: Any) -> dict[str, Any]:
    members = [{"policyDefinitionReferenceId": one, "policyDefinitionId": f"/x/{one}"} for one in references]
    return {"id": identity, "properties": {"version": version, "policyDefinitions": members, **more}}


LATEST = initiative("2.0.0", "public", "keys", versions=["2.0.0", "1.1.0", "1.0.0"])
OLDER = initiative("1.1.0", "public", "tls", "keys", identity=f"{SET}/versions/1.1.0")
OLDEST = initiative("1.0.0", "public", identity=f"{SET}/versions/1.0.0")


def found(*bodies: dict[str, Any]) -> Assignment:
    read = Assignments(bodies).find(ONE)
    assert isinstance(read, Assignment)
    return read


@pytest.mark.parametrize(
    ("bodies", "version", "members"),
    [
        ((assignment(), LATEST, OLDER), "2.0.0", {"public", "keys"}),
        ((assignment("2.*.*"), LATEST, OLDER), "2.0.0", {"public", "keys"}),
        ((assignment("1.*.*"), LATEST, OLDEST, OLDER), "1.1.0", {"public", "tls", "keys"}),
        ((OLDER, LATEST, assignment("1.1.0")), "1.1.0", {"public", "tls", "keys"}),
        ((OLDER, assignment("1.1.0")), "1.1.0", {"public", "tls", "keys"}),
        ((OLDER, OLDEST, assignment("1.*.*", effectiveDefinitionVersion="1.0.0")), "1.0.0", {"public"}),
        ((assignment(None, f"{SET}/versions/1.0.0"), LATEST, OLDEST), "1.0.0", {"public"}),
        ((assignment("1.*.*", OWN), initiative("1.0.0", "a", identity=OWN)), "1.0.0", {"a"}),
        ((assignment("4.*.*", OWN), initiative("1.0.0", "a", identity=OWN)), "1.0.0", {"a"}),
        (
            ({"Id": ONE, "PolicyDefinitionId": SET, "DefinitionVersion": "1.*.*"},
             {"Id": SET, "Version": "2.0.0", "Versions": ["2.0.0", "1.0.0"], "PolicyType": "BuiltIn",
              "PolicyDefinition": LATEST["properties"]["policyDefinitions"]}, OLDEST),
            "1.0.0", {"public"},
        ),
        (
            ({"Id": ONE, "PolicyDefinitionId": SET, "DefinitionVersion": None}, LATEST), "2.0.0", {"public", "keys"},
        ),
    ],
    ids=[
        "no pin", "a pin at the latest", "a pin at an older one", "a number", "only the version is in the file",
        "what Azure said of it", "the assignment names the version", "custom", "custom, whatever the pin",
        "as PowerShell writes it", "PowerShell's null is no pin",
    ],
)  # fmt: skip
def test_what_azure_evaluates_is_found_in_the_files(
    bodies: tuple[dict[str, Any], ...], version: str, members: set[str]
) -> None:
    read = found(*bodies)
    assert not isinstance(read.members, Unread)
    assert (set(read.members), read.version) == (members, version)


@pytest.mark.parametrize(
    "bodies",
    [
        (assignment("1.*.*"), LATEST),
        (assignment("1.*.*"), LATEST, OLDEST),
        (assignment("1.*.*"), initiative("2.0.0", "public")),
        (assignment("7.*.*"), LATEST, OLDER, OLDEST),
        (assignment("1.*.*", effectiveDefinitionVersion="1.2.0"), LATEST, OLDER),
        (assignment("latest"), LATEST, OLDER),
        (
            {"id": ONE, "tenantId": "t", "properties": {"policyDefinitionId": SET, "definitionVersion": None}},
            LATEST,
        ),
    ],
    ids=[
        "the version is not there", "a newer one is not there", "nobody says which versions there are",
        "no version matches", "Azure evaluates one that is not there", "no version at all", "Resource Graph cut it out",
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_unread_never_the_latest(bodies: tuple[dict[str, Any], ...]) -> None:
    assert isinstance(found(*bodies).members, Unread)
