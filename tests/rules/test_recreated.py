"""EXG405: an exemption whose target is recreated often belongs beside it."""

from typing import Any

import pytest

from guardrails.rules.sample import EXEMPTIONS, RESOURCE
from tests.rules.looks import METADATA, kind, violation

GUID = "5b7d2c5e-1c0a-5f7e-9b2d-6f3f0a4f8f10"


def co_located(name: str = GUID, *, mark: object = True) -> dict[str, Any]:
    """A co-located exemption: its name and the module's key."""
    return {"id": RESOURCE + EXEMPTIONS + name, "properties": {"metadata": {**METADATA, "coLocated": mark}}}


@pytest.mark.parametrize(
    ("times", "recreated", "expected"),
    [(3, 0, "Pass"), (3, 2, "Pass"), (3, 3, "Violation"), (3, 4, "Violation"), (1, 0, "Pass"), (1, 1, "Violation")],
)
def test_it_is_found_from_the_number_on(times: int, recreated: int, expected: str) -> None:
    assert kind("recreated-often", options={"times": times}, facts={"recreated": recreated}) == expected


@pytest.mark.parametrize(
    ("name", "mark", "expected"),
    [
        (GUID, True, "Pass"),
        (GUID.upper(), True, "Pass"),
        (GUID, "true", "Pass"),
        (GUID, "True ", "Pass"),
        (GUID, False, "Violation"),
        (GUID, "false", "Violation"),
        (GUID, "", "Violation"),
        (GUID, 1, "Violation"),
        (GUID, [True], "Violation"),
        (GUID, {"coLocated": True}, "Violation"),
        (GUID, None, "Violation"),
        ("partner-ingestion", True, "Violation"),
        (GUID + "0", True, "Violation"),
        ("x" + GUID, True, "Violation"),
        (GUID.replace("-", ""), True, "Violation"),
        (GUID.replace("5", "\N{ARABIC-INDIC DIGIT FIVE}"), True, "Violation"),
    ],
)
def test_the_module_is_recognised_by_name_and_mark_together(name: str, mark: object, expected: str) -> None:
    assert kind("recreated-often", **co_located(name, mark=mark), facts={"recreated": 9}) == expected


def test_the_evidence_says_how_often() -> None:
    found = violation("recreated-often", facts={"recreated": 7})
    assert found.evidence == {"restored": 7, "name": "partner-ingestion"}
