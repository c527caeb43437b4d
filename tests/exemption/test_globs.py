"""Globs of version 1: case does not matter, `*` crosses slashes, and a scope covers all below it, but no neighbour."""

import pytest

from guardrails.exemption.patterns import glob, modern

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
ONE = f"{SUB}/resourcegroups/web/providers/microsoft.authorization/policyexemptions/x"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (SUB, True),
        (SUB + "/", True),
        (SUB.upper(), True),
        (f"{SUB}/resourceGroups/web", True),
        (f"{SUB}/resourceGroups/we", False),
        (f"{SUB}/resourceGroups/w*", True),
        (f"{SUB}/resourceGroups/web2", False),
        ("/subscriptions/*/resourceGroups/web", True),
        ("/subscriptions/*/resourceGroups/we?", True),
        ("/subscriptions/*/resourceGroups/we??", False),
        ("*/policyExemptions/x", True),
        ("*/policyExemptions/y", False),
        ("*", True),
        ("subscriptions/*", False),
        (f"{SUB}/resourceGroups/[uvw]eb", True),
        (f"{SUB}/resourceGroups/[!w]eb", False),
        (f"{SUB}/resourceGroups/(web|api)", False),
        (".*", False),
    ],
)
def test_what_a_glob_covers(pattern: str, matches: bool) -> None:
    assert glob(modern(pattern)).matches(ONE) is matches


def test_a_neighbour_with_a_longer_name_is_not_covered() -> None:
    longer = ONE.replace("/web/", "/web-prod/")
    assert glob(f"{SUB}/resourceGroups/web").matches(longer) is False


def test_a_line_break_in_an_id_cannot_escape_a_glob() -> None:
    assert glob(f"{SUB}/*").matches(ONE + "\n")
    assert glob(f"{SUB}/resourceGroups/web").matches(ONE.replace("/web/", "/web\n/")) is False
