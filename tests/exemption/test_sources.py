"""Sources of exemptions: which fields each returns, and what a body of it leaves unknown."""

import pytest

from guardrails.exemption.model import Exemption, NotReturned
from guardrails.exemption.sources import (
    ARM,
    AZ,
    AZ_OLD,
    BASE,
    FIELDS,
    MODE,
    NEWEST,
    POWERSHELL_OLD,
    RESOURCE_GRAPH,
    REST,
    SELECTORS,
    SYSTEM,
    VALIDATION,
    Source,
    arm,
    is_api_version,
    powershell,
)
from guardrails.rules.sample import BODY

LOCATION = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]


def _with(source: Source, **properties: object) -> Exemption:
    return Exemption.from_arm({**BODY, "properties": {**BODY["properties"], **properties}}, source=source)


@pytest.mark.parametrize(
    ("version", "beyond", "principals"),
    [
        ("2020-07-01-preview", set(), False),
        ("2021-07-01", set(), False),
        ("2022-07-01-preview", {SELECTORS, VALIDATION}, False),
        ("2024-12-01-preview", {SELECTORS, VALIDATION}, True),
        ("2025-12-01-preview", {SELECTORS, VALIDATION, MODE}, True),
        ("2026-01-01-preview", {SELECTORS, VALIDATION, MODE}, True),
        ("2031-01-01", {SELECTORS, VALIDATION, MODE}, True),
        ("latest", set(), False),
    ],
)
def test_what_arm_returns_with_an_api_version(version: str, beyond: set[str], *, principals: bool) -> None:
    source = arm(version)
    assert source.returns == BASE | {SYSTEM} | beyond
    assert source.principals is principals
    assert version in source.lacks(MODE)


def test_the_newest_api_version_returns_everything() -> None:
    assert arm(NEWEST) == ARM
    assert ARM.returns == FIELDS
    assert len(FIELDS) == 11


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("2026-01-01-preview", True),
        ("2026-01-01", True),
        ("latest", False),
        ("2026-1-1", False),
        ("", False),
        ("2026-01-01-preview&x=1", False),
    ],
)
def test_form_of_an_api_version(text: str, *, yes: bool) -> None:
    assert is_api_version(text) is yes


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (ARM, set()),
        (arm("2022-07-01-preview"), {SELECTORS, MODE}),
        (RESOURCE_GRAPH, {SELECTORS, VALIDATION, MODE}),
        (REST, {MODE}),
        (AZ, {MODE}),
        (AZ_OLD, {SELECTORS, VALIDATION, MODE}),
        (POWERSHELL_OLD, {SELECTORS, VALIDATION, MODE}),
        (powershell(frozenset({SELECTORS, VALIDATION, MODE})), set()),
        (powershell(frozenset({SELECTORS, VALIDATION})), {SELECTORS, MODE}),
    ],
    ids=lambda value: value.name if isinstance(value, Source) else None,
)
def test_what_an_absent_field_leaves_unknown(source: Source, missing: set[str]) -> None:
    assert _with(source).not_returned == missing
    assert _with(source, resourceSelectors=None, assignmentScopeValidation=None).not_returned == missing
    shown = _with(source, resourceSelectors=[], assignmentScopeValidation="Default", exemptionManagementMode="Admin")
    assert shown.not_returned == set()


def test_system_data_has_no_default() -> None:
    body = {key: value for key, value in BODY.items() if key != "systemData"}
    assert Exemption.from_arm(body).not_returned == {SYSTEM}
    assert Exemption.from_arm({**body, "systemData": None}).not_returned == {SYSTEM}


def test_a_field_that_is_not_known_cannot_be_taken_for_empty() -> None:
    shown = _with(RESOURCE_GRAPH)
    for ask, field in (("selectors", SELECTORS), ("scope_validation", VALIDATION), ("management_mode", MODE)):
        with pytest.raises(NotReturned, match=f"Resource Graph does not return {field}"):
            getattr(shown, ask)
        assert not getattr(_with(ARM), ask)


def test_a_field_that_is_there_is_read_wherever_it_comes_from() -> None:
    shown = _with(RESOURCE_GRAPH, resourceSelectors=LOCATION, assignmentScopeValidation="DoNotValidate")
    assert shown.selectors == tuple(LOCATION)
    assert shown.scope_validation == "DoNotValidate"


def test_one_body_as_another_source_would_have_it() -> None:
    read = _with(ARM, assignmentScopeValidation="DoNotValidate")
    assert read.as_of(ARM) is read
    assert read.as_of(RESOURCE_GRAPH).not_returned == {SELECTORS, MODE}
    assert read.as_of(RESOURCE_GRAPH).as_of(ARM) == read


def test_doubt_is_told_as_doubt() -> None:
    assert REST.lacks(MODE) == "a REST export may lack exemptionManagementMode: its api-version is not known"
