"""Sources of exemptions: which fields each returns, and what a body of it leaves unknown."""

import pytest

from guardrails.exemption import sources
from guardrails.exemption.model import Exemption, NotReturned
from guardrails.rules.sample import BODY

LOCATION = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]


def _with(source: sources.Source, **properties: object) -> Exemption:
    return Exemption.from_arm({**BODY, "properties": {**BODY["properties"], **properties}}, source=source)


@pytest.mark.parametrize(
    ("version", "beyond", "principals"),
    [
        ("2020-07-01-preview", set(), False),
        ("2021-07-01", set(), False),
        ("2022-07-01-preview", {sources.SELECTORS, sources.VALIDATION}, False),
        ("2024-12-01-preview", {sources.SELECTORS, sources.VALIDATION}, True),
        ("2025-12-01-preview", {sources.SELECTORS, sources.VALIDATION, sources.MODE}, True),
        ("2026-01-01-preview", {sources.SELECTORS, sources.VALIDATION, sources.MODE}, True),
        ("2031-01-01", {sources.SELECTORS, sources.VALIDATION, sources.MODE}, True),
        ("latest", set(), False),
    ],
)
def test_what_arm_returns_with_an_api_version(version: str, beyond: set[str], *, principals: bool) -> None:
    source = sources.arm(version)
    assert source.returns == sources.BASE | {sources.SYSTEM} | beyond
    assert source.principals is principals
    assert version in source.lacks(sources.MODE)


def test_the_newest_api_version_returns_everything() -> None:
    assert sources.arm(sources.NEWEST) == sources.ARM
    assert sources.ARM.returns == sources.FIELDS
    assert len(sources.FIELDS) == 11


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
    assert sources.is_api_version(text) is yes


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (sources.ARM, set()),
        (sources.arm("2022-07-01-preview"), {sources.SELECTORS, sources.MODE}),
        (sources.RESOURCE_GRAPH, {sources.SELECTORS, sources.VALIDATION, sources.MODE}),
        (sources.REST, {sources.MODE}),
        (sources.AZ, {sources.MODE}),
        (sources.AZ_OLD, {sources.SELECTORS, sources.VALIDATION, sources.MODE}),
        (sources.POWERSHELL_OLD, {sources.SELECTORS, sources.VALIDATION, sources.MODE}),
        (sources.powershell(frozenset({sources.SELECTORS, sources.VALIDATION, sources.MODE})), set()),
        (sources.powershell(frozenset({sources.SELECTORS, sources.VALIDATION})), {sources.SELECTORS, sources.MODE}),
    ],
    ids=lambda value: value.name if isinstance(value, sources.Source) else None,
)
def test_what_an_absent_field_leaves_unknown(source: sources.Source, missing: set[str]) -> None:
    assert _with(source).not_returned == missing
    assert _with(source, resourceSelectors=None, assignmentScopeValidation=None).not_returned == missing
    shown = _with(source, resourceSelectors=[], assignmentScopeValidation="Default", exemptionManagementMode="Admin")
    assert shown.not_returned == set()


def test_system_data_has_no_default() -> None:
    body = {key: value for key, value in BODY.items() if key != "systemData"}
    assert Exemption.from_arm(body).not_returned == {sources.SYSTEM}
    assert Exemption.from_arm({**body, "systemData": None}).not_returned == {sources.SYSTEM}


def test_a_field_that_is_not_known_cannot_be_taken_for_empty() -> None:
    shown = _with(sources.RESOURCE_GRAPH)
    for ask, field in (
        ("selectors", sources.SELECTORS),
        ("scope_validation", sources.VALIDATION),
        ("management_mode", sources.MODE),
    ):
        with pytest.raises(NotReturned, match=f"Resource Graph does not return {field}"):
            getattr(shown, ask)
        assert not getattr(_with(sources.ARM), ask)


def test_a_field_that_is_there_is_read_wherever_it_comes_from() -> None:
    shown = _with(sources.RESOURCE_GRAPH, resourceSelectors=LOCATION, assignmentScopeValidation="DoNotValidate")
    assert shown.selectors == tuple(LOCATION)
    assert shown.scope_validation == "DoNotValidate"


def test_one_body_as_another_source_would_have_it() -> None:
    read = _with(sources.ARM, assignmentScopeValidation="DoNotValidate")
    assert read.as_of(sources.ARM) is read
    assert read.as_of(sources.RESOURCE_GRAPH).not_returned == {sources.SELECTORS, sources.MODE}
    assert read.as_of(sources.RESOURCE_GRAPH).as_of(sources.ARM) == read


def test_doubt_is_shown_as_doubt() -> None:
    assert (
        sources.REST.lacks(sources.MODE) == "a REST export may lack exemptionManagementMode: its api-version is unknown"
    )
