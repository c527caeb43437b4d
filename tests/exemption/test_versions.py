"""Which version of an initiative an assignment evaluates."""

import pytest

from guardrails.exemption.facts import Unread
from guardrails.exemption.versions import Choice, Definition, Pin, choose, definition_of, key_of, newest, pin_of, same

BUILT_IN = "/providers/Microsoft.Authorization/policySetDefinitions/benchmark"
OWN = "/providers/Microsoft.Management/managementGroups/corp" + BUILT_IN
ALL = ("1.0.0", "1.2.0", "1.10.1", "2.0.0", "2.1.0-preview")
MEMBERS = [{"policyDefinitionReferenceId": "Tls", "policyDefinitionId": "/x/TLS"}]


@pytest.mark.parametrize(
    ("pattern", "version"),
    [
        ("1.*.*", "1.10.1"),
        ("1.*", "1.10.1"),
        ("1", "1.10.1"),
        ("1.2.*", "1.2.0"),
        ("1.2", "1.2.0"),
        ("1.0.0", "1.0.0"),
        ("2.*.*", "2.0.0"),
        ("2.*.*-preview", "2.1.0-preview"),
        ("2.*.*-PREVIEW", "2.1.0-preview"),
    ],
)
def test_the_newest_that_matches(pattern: str, version: str) -> None:
    assert newest(pattern, ALL) == version
    assert newest(pattern, reversed(ALL)) == version


@pytest.mark.parametrize(
    "pattern", ["3.*.*", "1.3.*", "2.1.*", "1.*.*-preview", "*.*.*", "latest", "1.*.*-beta ", "", "1.2.3.4"]
)
def test_what_nothing_matches_is_unknown_never_the_latest(pattern: str) -> None:
    assert isinstance(newest(pattern, ALL), Unread)


def test_a_preview_stays_a_preview_though_a_release_came_after_it() -> None:
    assert newest("2.*.*-preview", ("2.0.0-preview", "2.1.0")) == "2.0.0-preview"


def test_a_deprecated_version_is_a_version() -> None:
    assert newest("1.*.*", ("1.0.0", "1.1.0-deprecated")) == "1.1.0-deprecated"


@pytest.mark.parametrize(
    ("pin", "definition", "version"),
    [
        (Pin(), {"version": "2.0.0", "versions": ALL}, "2.0.0"),
        (Pin("1.*.*", "1.2.0"), {"version": "2.0.0", "versions": ALL}, "1.2.0"),
        (Pin("", "1.2.0"), {"version": "2.0.0"}, "1.2.0"),
        (Pin("1.*.*"), {"version": "2.0.0", "versions": ALL}, "1.10.1"),
        (Pin("2.*.*"), {"version": "2.0.0"}, "2.0.0"),
        (Pin("1.2.0"), {"version": "2.0.0"}, "1.2.0"),
        (Pin("7.*.*", "7.0.0"), {"version": "1.0.0", "single": True}, "1.0.0"),
        (Pin(shown=False), {"version": "1.0.0", "versions": ("1.0.0",)}, "1.0.0"),
        (Pin(shown=False), {"version": "1.0.0", "single": True}, "1.0.0"),
    ],
    ids=[
        "no pin: the latest", "what Azure says goes first", "what Azure says, without a pin", "a pattern",
        "the latest is the newest that matches", "a number", "a custom initiative has one version",
        "no pin given, and only one", "no pin given, and custom",
    ],
)  # fmt: skip
def test_the_version_that_is_evaluated(pin: Pin, definition: dict[str, object], version: str) -> None:
    chosen = choose(pin, Definition({}, **definition))  # type: ignore[arg-type]
    assert isinstance(chosen, Choice)
    assert chosen.version == version
    assert chosen.found


@pytest.mark.parametrize("versions", [(), ("1.0.0", "2.0.0")])
def test_a_pin_that_is_not_given_is_unknown(versions: tuple[str, ...]) -> None:
    assert isinstance(choose(Pin(shown=False), Definition({}, "2.0.0", versions)), Unread)


@pytest.mark.parametrize(
    ("pattern", "latest"), [("1.*.*", "2.0.0"), ("1.*.*", ""), ("2.*.*-preview", "2.1.0"), ("2.*.*", "2.1.0-preview")]
)
def test_the_latest_alone_does_not_settle_it(pattern: str, latest: str) -> None:
    assert choose(Pin(pattern), Definition({}, latest)) is None


def test_a_version_that_has_disappeared_is_unknown() -> None:
    assert isinstance(choose(Pin("1.*.*"), Definition({}, "2.0.0", ("2.0.0",))), Unread)


@pytest.mark.parametrize(
    ("body", "pin"),
    [
        ({}, Pin()),
        ({"definitionVersion": "1.*.*"}, Pin("1.*.*")),
        ({"DefinitionVersion": " 1.*.* ", "EffectiveDefinitionVersion": "1.2.0"}, Pin("1.*.*", "1.2.0")),
        ({"definitionVersion": None}, Pin(shown=False)),
        ({"policyDefinitionId": BUILT_IN + "/versions/1.2.0"}, Pin("1.2.0")),
        ({"policyDefinitionId": BUILT_IN + "/versions/1.2.0", "definitionVersion": "1.*.*"}, Pin("1.*.*")),
        ({"definitionVersion": 7}, Pin(shown=False)),
    ],
)
def test_a_pin_is_read(body: dict[str, object], pin: Pin) -> None:
    assert pin_of(body) == pin


@pytest.mark.parametrize(
    ("identity", "kind", "single"),
    [
        (BUILT_IN, "BuiltIn", False),
        (BUILT_IN, None, False),
        (OWN, None, True),
        (OWN, "custom", True),
        (BUILT_IN, "Custom", True),
    ],
)
def test_a_custom_initiative_has_one_version(identity: str, kind: str | None, *, single: bool) -> None:
    read = definition_of(identity, {"PolicyType": kind, "version": "1.0.0", "policyDefinitions": MEMBERS})
    assert (read.single, read.members) == (single, {"tls": "/x/tls"})


def test_a_custom_initiative_that_lists_several_versions_has_several() -> None:
    assert not definition_of(OWN, {"policyType": "Custom", "versions": ["1.0.0", "2.0.0"]}).single


def test_an_initiative_of_a_thousand_policies_is_read() -> None:
    many = [{"policyDefinitionReferenceId": f"P{n}", "policyDefinitionId": f"/x/{n}"} for n in range(1000)]
    members = definition_of(BUILT_IN, {"policyDefinitions": many}).members
    assert not isinstance(members, Unread)
    assert len(members) == 1000


def test_ids_and_numbers_are_compared_as_azure_names_them() -> None:
    assert key_of(BUILT_IN + "/versions/1.0.0/") == BUILT_IN.lower()
    assert same("1.2.0-preview", "1.2.0")
    assert same("1.2.0-Preview", "1.2.0-preview")
    assert not same("1.2.0-preview", "1.2.0-deprecated")
    assert not same("", "")


@pytest.mark.parametrize("unreadable", ["", "1.5", "next"])
def test_a_listed_version_that_cannot_be_read_may_be_the_newest(unreadable: str) -> None:
    assert isinstance(newest("1.*.*", (*ALL, unreadable)), Unread)


def test_a_numbered_preview_is_a_preview() -> None:
    versions = ("1.0.0", "1.1.0-preview.2")
    assert (newest("1.*.*", versions), newest("1.*.*-preview", versions)) == ("1.0.0", "1.1.0-preview.2")


def test_a_name_without_a_label_is_that_of_a_preview_unless_it_is_another_version() -> None:
    known = {"1.2.0": Definition({}, "1.2.0")}
    assert Definition({}, "2.0.0", ("2.0.0", "1.2.0-preview")).pick("1.2.0-preview", known) is known["1.2.0"]
    assert Definition({}, "2.0.0", ("2.0.0", "1.2.0", "1.2.0-preview")).pick("1.2.0-preview", known) is None
