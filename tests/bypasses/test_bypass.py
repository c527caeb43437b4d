"""Bypasses of policies that are no exemptions: how rows are read, what is found in them, how they are named."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.bypasses.model import Bypass, BypassKind, from_stored, judged, to_json, to_stored, token
from guardrails.bypasses.read import bypasses_of, tagged_of
from guardrails.bypasses.row import codes_of
from guardrails.decisions.assess import Verdict
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import TYPE
from guardrails.ports import Page, Surroundings
from guardrails.rules import all_rules
from guardrails.rules.base import NoOptions
from guardrails.ruleset.bypass_rules import bypass_rules
from guardrails.ruleset.model import Ruleset, parse_ruleset
from guardrails.sweep.look_for_bypasses import Look, look
from tests.limits import bound_at

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUB}/resourceGroups/shop"
CORP = "/providers/Microsoft.Management/managementGroups/corp"
ASSIGNED = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/baseline"
SOUND = {"approvalTicket": "SEC-1", "reviewDate": "2027-01-01", "expiresOn": "2027-03-01", "owner": "jo@contoso.com"}
TAGS = {"policyExceptionId": "EXC-1", "exceptionTicket": "SEC-1", "exceptionExpiry": "2027-03-01"}
RULES = """
version: 1
mode: audit
rules: {expired: alert}
bypasses:
  approved: [exc-1]
  accepted:
    - {scope: "*/resourceGroups/lab", reason: experiments, expires: 2026-12-01}
    - {scope: "*/policyAssignments/known", reason: as agreed}
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
"""
RULESET = parse_ruleset(RULES)


def row(identity: object = ASSIGNED, **properties: Any) -> dict[str, Any]:
    return {"id": identity, "properties": {"displayName": "Baseline", "metadata": SOUND, **properties}}


def one(**properties: Any) -> Bypass:
    """The only bypass of the policy that an assignment with these properties opens, judged."""
    [found] = bypasses_of(row(**properties), RULESET)
    return judged(found, RULESET, NOW)


def tag(tags: Any = None, **columns: Any) -> Bypass:
    found = tagged_of({"id": GROUP, "name": "shop", "tags": TAGS if tags is None else tags, **columns}, RULESET)
    assert found is not None
    return judged(found, RULESET, NOW)


def keys(bypass: Bypass) -> list[str]:
    return [finding.key for finding in bypass.findings]


def test_a_plain_assignment_opens_nothing() -> None:
    plain: dict[str, Any] = {
        "notScopes": [],
        "enforcementMode": "Default",
        "overrides": None,
        "parameters": {"effect": {"value": "Deny"}},
    }
    assert bypasses_of(row(**plain, selfServeExemptionSettings={"enabled": False}), RULESET) == []


@pytest.mark.parametrize(
    ("properties", "kind", "scope", "detail"),
    [
        ({"notScopes": [GROUP + "/"]}, BypassKind.NOT_SCOPE, GROUP, "excluded from the assignment"),
        (
            {"resourceSelectors": [{"name": "EU", "selectors": [{"kind": "resourceLocation", "in": ["a", "b"]}]}]},
            BypassKind.SELECTOR, CORP, "applies only where EU: resourceLocation in a, b",
        ),
        (
            {"overrides": [
                {"kind": "policyEffect", "value": "Audit", "selectors": [{"kind": "resourceType", "notIn": ["x"]}]},
                {"kind": "definitionVersion", "value": "2.*.*"},
            ]},
            BypassKind.OVERRIDE, CORP, "effect Audit where resourceType not in x",
        ),
        ({"enforcementMode": "donotenforce"}, BypassKind.NOT_ENFORCED, CORP, "DoNotEnforce"),
        ({"enforcementMode": "Enroll"}, BypassKind.NOT_ENFORCED, CORP, "Enroll: only where a scope is enrolled"),
        (
            {"selfServeExemptionSettings": {"enabled": True, "policyDefinitionReferenceIds": ["tls"]}},
            BypassKind.SELF_SERVE, CORP, "users may exempt themselves from tls",
        ),
        (
            {"selfServeExemptionSettings": {"enabled": "true"}},
            BypassKind.SELF_SERVE, CORP, "users may exempt themselves from all of it",
        ),
        (
            {"parameters": {"tlsEffect": {"value": "disabled"}, "effect": {"value": "Disabled"}, "x": "Disabled"}},
            BypassKind.DISABLED, CORP, "Disabled for effect, tlsEffect",
        ),
    ],
)  # fmt: skip
def test_every_bypass_is_read(properties: dict[str, Any], kind: BypassKind, scope: str, detail: str) -> None:
    found = one(**properties)
    assert (found.kind, found.scope, found.detail) == (kind, scope, detail)
    assert (found.subject, found.name, found.ticket, found.owner) == (ASSIGNED, "Baseline", "SEC-1", "jo@contoso.com")
    assert (found.ends, found.findings, found.grade) == (datetime(2027, 3, 1, tzinfo=UTC), (), "pass")


def test_each_excluded_scope_and_each_override_is_a_bypass_of_its_own() -> None:
    overrides = [{"kind": "policyEffect", "value": "Audit", "selectors": []}, {"kind": "policyEffect", "value": "Deny"}]
    found = bypasses_of(row(notScopes=[GROUP, GROUP.upper(), SUB], overrides=overrides), RULESET)
    assert [(made.kind, made.scope) for made in found] == [
        (BypassKind.NOT_SCOPE, GROUP), (BypassKind.NOT_SCOPE, SUB), (BypassKind.OVERRIDE, CORP), (BypassKind.OVERRIDE,
        CORP),
    ]  # fmt: skip
    assert len({made.key for made in found}) == 4


def test_a_row_in_any_case_and_spelling_says_the_same() -> None:
    said = row(notScopes=[GROUP], metadata=SOUND)
    malformed = {
        "ID": ASSIGNED.strip("/").upper() + "/",
        "Properties": json.dumps(
            {"NotScopes": GROUP.lower(), "Metadata": json.dumps(SOUND), "DisplayName": "Baseline"}
        ),
    }
    [plain], [strange] = bypasses_of(said, RULESET), bypasses_of(malformed, RULESET)
    assert strange.key == plain.key
    assert (strange.ticket, strange.ends, strange.name) == (plain.ticket, plain.ends, plain.name)
    assert strange.container == plain.container == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, ["EXG501", "EXG502", "EXG503"]),
        (None, ["EXG501", "EXG502", "EXG503"]),
        (SOUND | {"approvalTicket": " "}, ["EXG501"]),
        (SOUND | {"reviewDate": ""}, ["EXG502"]),
        (SOUND | {"reviewDate": "when Jo is back"}, ["EXG502?"]),
        (SOUND | {"expiresOn": "after the move"}, ["EXG503?"]),
        (SOUND | {"expiresOn": 20270101}, ["EXG503?"]),
        (SOUND | {"expiresOn": "2026-11-21T12:00:00Z"}, ["EXG504"]),
        (SOUND | {"expiresOn": None, "Exception_Expiry": "2027-01-01"}, []),
        ({"ticket-ref": 4711, "nextReview": "2027-01-01", "exceptionexpiry": "2027-01-01"}, []),
    ],
)
def test_what_an_assignment_lacks_is_found(metadata: Any, found: list[str]) -> None:
    assert keys(one(enforcementMode="DoNotEnforce", metadata=metadata)) == found


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"notScopes": 5}, BypassKind.UNREAD), ({"overrides": ["x"]}, BypassKind.UNREAD),
        ({"resourceSelectors": True}, BypassKind.UNREAD),
        ({"overrides": [{"kind": "policyEffect", "selectors": 1}]}, BypassKind.UNREAD), ({"parameters": "a=b"},
        BypassKind.UNREAD),
        ({"selfServeExemptionSettings": [1]}, BypassKind.UNREAD), ({"metadata": 5}, BypassKind.UNREAD),
        ({"metadata": '"x"'}, BypassKind.UNREAD), ({"notScopes": ["\ud800", "\ud800"]}, BypassKind.NOT_SCOPE),
        ({"notScopes": [f"{SUB}/managementGroups/x"]}, BypassKind.NOT_SCOPE), ({"notScopes": [7]},
        BypassKind.NOT_SCOPE),
        ({"enforcementMode": "Sometimes"}, BypassKind.NOT_ENFORCED), ({"enforcementMode": {"a": 1}},
        BypassKind.NOT_ENFORCED),
        ({"overrides": [{"kind": "newKind", "value": "x"}]}, BypassKind.OVERRIDE),
        ({"selfServeExemptionSettings": {"enabled": "perhaps"}}, BypassKind.SELF_SERVE),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_unknown_and_judged_no_further(properties: dict[str, Any], kind: BypassKind) -> None:
    found = one(**properties)
    assert (found.kind, keys(found), found.verdict, found.grade) == (kind, ["EXG500?"], "unknown", "unknown")
    assert found.findings[0].text == found.unreadable
    assert found.container in {"mg~corp", "11111111-2222-3333-4444-555555555555"}


def test_one_bad_property_hides_no_other_bypass() -> None:
    bad = bypasses_of(row(notScopes=5, overrides=5), RULESET)
    assert [made.detail for made in bad] == ["notScopes cannot be read", "overrides cannot be read"]
    found = bypasses_of(
        row(notScopes=5, enforcementMode="DoNotEnforce", parameters={"effect": {"value": "Disabled"}}), RULESET
    )
    assert [made.kind for made in found] == [BypassKind.UNREAD, BypassKind.NOT_ENFORCED, BypassKind.DISABLED]


@pytest.mark.parametrize("properties", [None, 5, "text", [], {}])
def test_a_row_without_properties_is_unreadable(properties: Any) -> None:
    [found] = bypasses_of({"id": ASSIGNED, "properties": properties}, RULESET)
    assert (found.kind, found.scope, found.name) == (BypassKind.UNREAD, CORP, "baseline")
    assert found.unreadable


@pytest.mark.parametrize("identity", [None, 5, "", "/", ASSIGNED + "/x", GROUP, f"/x{ASSIGNED.removeprefix(CORP)}"])
def test_a_row_that_is_no_assignment_is_refused(identity: Any) -> None:
    with pytest.raises(Permanent):
        bypasses_of(row(identity), RULESET)


@pytest.mark.parametrize(
    ("system", "metadata", "who", "since"),
    [
        ({"createdBy": "a", "lastModifiedBy": "b", "lastModifiedAt": "2026-02-01"}, {"updatedBy": "x"}, "b", 2),
        ({"createdBy": "a", "createdAt": "2026-01-01", "lastModifiedBy": None}, {"updatedBy": "x"}, "a", 1),
        (None, {"createdBy": "x", "createdOn": "2026-01-01", "updatedBy": None, "updatedOn": None}, "x", 1),
        ("", {"createdBy": "x", "updatedBy": "y", "updatedOn": "2026-02-01T00:00:00.1234567Z"}, "y", 2),
        ({"createdBy": "a", "createdAt": "once"}, {}, "a", None), ({}, {}, "", None),
    ],
)  # fmt: skip
def test_who_wrote_it_is_what_azure_says_and_else_what_it_noted(
    system: Any, metadata: dict[str, Any], who: str, since: int | None
) -> None:
    [found] = bypasses_of(row(enforcementMode="DoNotEnforce", metadata=metadata) | {"systemData": system}, RULESET)
    assert (found.who, found.since and found.since.month) == (who, since)


def test_a_sound_tagged_group_has_no_findings() -> None:
    found = tag({**TAGS, "Owner": "web@contoso.com"}, changedBy="jo@contoso.com", changedAt="2026-11-20T10:00:00+00:00")
    assert (found.kind, found.scope, found.subject, found.name) == (BypassKind.TAG, GROUP, "EXC-1", "shop")
    assert (found.owner, found.who, found.since) == (
        "web@contoso.com",
        "jo@contoso.com",
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    assert (found.ticket, found.ends, found.findings) == ("SEC-1", datetime(2027, 3, 1, tzinfo=UTC), ())
    assert found.detail == "policyExceptionId=EXC-1; exceptionTicket=SEC-1; exceptionExpiry=2027-03-01"


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"POLICYEXCEPTIONID": "exc-1", "exceptionticket": "S", "exceptionEXPIRY": "2027-03-01"}, []),
        ({"policyExceptionId": "EXC-1"}, ["EXG501", "EXG503"]),
        ({"exceptionTicket": "SEC-1", "exceptionExpiry": "2027-03-01"}, ["EXG505"]),
        (TAGS | {"policyExceptionId": ""}, ["EXG505"]),
        (TAGS | {"policyExceptionId": "EXC-9"}, ["EXG505"]),
        (TAGS | {"exceptionExpiry": "2026-11-01"}, ["EXG504"]),
        (TAGS | {"exceptionExpiry": "soon"}, ["EXG503?"]),
        ({"exceptionTicket": None}, ["EXG501", "EXG503", "EXG505"]),
        (5, ["EXG500?"]), ("a=b", ["EXG500?"]),
    ],
)  # fmt: skip
def test_what_tags_lack_is_found(tags: Any, found: list[str]) -> None:
    assert keys(tag(tags)) == found


def test_what_has_none_of_the_tags_is_no_bypass() -> None:
    assert tagged_of({"id": GROUP, "tags": {"env": "policyExceptionId"}}, RULESET) is None
    assert tagged_of({"id": GROUP, "tags": None}, RULESET) is None
    with pytest.raises(Permanent):
        tagged_of({"id": "somewhere", "tags": TAGS}, RULESET)


def test_the_ruleset_names_the_tags() -> None:
    named = parse_ruleset(RULES.replace("bypasses:", "bypasses:\n  tags: {id: waiver, ticket: ref, expiry: until}"))
    found = tagged_of({"id": GROUP, "tags": {"Waiver": "EXC-1", "REF": "S", "until": "2027-01-01"}}, named)
    assert found is not None
    assert judged(found, named, NOW).findings == ()
    [assigned] = bypasses_of(row(enforcementMode="DoNotEnforce", metadata={"Until": "2027-01-01"}), named)
    assert assigned.ends == datetime(2027, 1, 1, tzinfo=UTC)


def test_what_is_accepted_keeps_its_findings_and_counts_no_more() -> None:
    [lab] = bypasses_of(row(notScopes=[f"{SUB}/resourceGroups/LAB"], metadata={}), RULESET)
    found = judged(lab, RULESET, NOW)
    assert (found.verdict, found.grade, found.excluded) == ("excluded", "excluded", "*/resourceGroups/lab: experiments")
    assert keys(found) == ["EXG501", "EXG502", "EXG503"]
    assert judged(lab, RULESET, datetime(2026, 12, 1, tzinfo=UTC)).verdict == "violation"
    [known] = bypasses_of(
        row(ASSIGNED.replace("baseline", "Known"), enforcementMode="DoNotEnforce", metadata={}), RULESET
    )
    assert judged(known, RULESET, NOW).excluded.endswith("as agreed")
    assert tag(TAGS | {"policyExceptionId": "/policyAssignments/known"}).excluded == ""


def test_the_grade_is_that_of_the_worst_violation() -> None:
    assert one(enforcementMode="DoNotEnforce", metadata={}).grade == "high"
    assert one(enforcementMode="DoNotEnforce", metadata=SOUND | {"reviewDate": None}).grade == "low"
    assert (
        one(enforcementMode="DoNotEnforce", metadata=SOUND | {"expiresOn": "x", "reviewDate": None}).verdict
        == "violation"
    )


def test_the_container_is_that_of_the_scope() -> None:
    assert one(notScopes=[GROUP]).container == "11111111-2222-3333-4444-555555555555"
    assert one(enforcementMode="DoNotEnforce").container == "mg~corp"
    assert one(notScopes=["nowhere"]).container == "mg~corp"


def test_the_token_changes_with_what_is_said_and_with_what_is_found_only() -> None:
    bypass = one(enforcementMode="DoNotEnforce", metadata=SOUND)
    same = judged(bypass, RULESET, datetime(2026, 12, 24, tzinfo=UTC))
    ended = judged(bypass, RULESET, datetime(2027, 4, 1, tzinfo=UTC))
    other = one(enforcementMode="DoNotEnforce", metadata=SOUND | {"ticket": "SEC-2", "approvalTicket": ""})
    assert len(token(bypass)) == 20
    assert token(same) == token(bypass)
    assert len({token(made) for made in (bypass, ended, other)}) == 3


def test_a_long_detail_is_cut_and_a_change_in_the_rest_is_seen() -> None:
    names = [f"effect{n:04}" for n in range(500)]
    some = one(parameters={name: {"value": "Disabled"} for name in names})
    others = one(parameters={name: {"value": "Disabled"} for name in [*names[:-1], "effect9999"]})
    assert len(some.detail) <= 1000
    assert token(some) != token(others)
    assert some.key == others.key


def test_the_json_form_reads_back() -> None:
    for made in (
        one(enforcementMode="DoNotEnforce", metadata={}),
        one(notScopes=5),
        tag(TAGS | {"exceptionExpiry": "x"}),
        tag(),
    ):
        said = json.loads(json.dumps(to_stored(made)))
        assert to_json(from_stored(said)) == to_json(made)
        assert token(from_stored(said)) == token(made)
        assert from_stored(said).key == made.key


def said(rules: str, overrides: str = "") -> Ruleset:
    """The ruleset, with what is said of the rules about bypasses."""
    text = RULES.replace("{expired: alert}", f"{{expired: alert, {rules}}}" if rules else "{expired: alert}")
    return parse_ruleset(text + overrides)


def test_they_are_alerts_where_a_ruleset_does_not_name_them() -> None:
    on = RULESET.limits.bypass_rules_for(GROUP, NOW)
    assert list(on) == list(bypass_rules())
    assert {(str(bound.response), bound.grace, bound.options) for bound in on.values()} == {
        ("alert", timedelta(), NoOptions())
    }
    assert all(bound.severity is bound.rule.severity for bound in on.values())
    assert next(iter(bound_at(RULESET, f"{GROUP}/providers/{TYPE}/x"))) == "expired"


def test_what_is_off_is_not_found_and_does_not_count() -> None:
    bare = one(enforcementMode="DoNotEnforce", metadata={})
    assert keys(judged(bare, said("bypass-ticket-missing: off"), NOW)) == ["EXG502", "EXG503"]
    some = judged(bare, said("bypass-ticket-missing: off, bypass-end-missing: {enabled: false}"), NOW)
    assert (keys(some), some.grade) == (["EXG502"], "low")
    none = judged(bare, said(", ".join(f"{name}: off" for name in bypass_rules())), NOW)
    assert (keys(none), none.verdict, codes_of(none)) == ([], "pass", frozenset())
    stranger = tag(TAGS | {"policyExceptionId": "EXC-9"})
    assert keys(judged(stranger, said("bypass-not-approved: off"), NOW)) == []


def test_an_end_that_cannot_be_read_is_never_sound_to_the_rule_that_needs_it() -> None:
    undated = one(enforcementMode="DoNotEnforce", metadata=SOUND | {"expiresOn": "after the move"})
    found = judged(undated, said("bypass-end-missing: off"), NOW)
    assert (keys(found), found.verdict) == (["EXG504?"], "unknown")
    assert found.findings[0].text == undated.findings[0].text
    assert keys(judged(undated, said("bypass-ended: off"), NOW)) == ["EXG503?"]
    assert judged(undated, said("bypass-ended: off, bypass-end-missing: off"), NOW).verdict == "pass"
    late = one(enforcementMode="DoNotEnforce", metadata=SOUND | {"expiresOn": "2026-11-01"})
    assert keys(judged(late, said("bypass-end-missing: off"), NOW)) == ["EXG504"]
    assert keys(judged(late, said("bypass-ended: off"), NOW)) == []


def test_what_cannot_be_read_is_accepted_where_its_rule_is_off_and_never_sound() -> None:
    found = judged(one(notScopes=5), said("bypass-unreadable: off"), NOW)
    assert (keys(found), found.verdict) == ([], "excluded")
    assert found.excluded == "bypass-unreadable is off in the ruleset"
    assert judged(tag(5), said("bypass-unreadable: off"), NOW).verdict == "excluded"
    assert judged(one(enforcementMode="DoNotEnforce"), said("bypass-unreadable: off"), NOW).verdict == "pass"


def test_the_ruleset_says_how_bad_it_is() -> None:
    ruleset = said("bypass-ticket-missing: {severity: low}, bypass-end-missing: {severity: info}")
    found = judged(one(enforcementMode="DoNotEnforce", metadata={}), ruleset, NOW)
    assert [(finding.code, str(finding.severity)) for finding in found.findings] == [
        ("EXG501", "low"), ("EXG502", "low"), ("EXG503", "info"),
    ]  # fmt: skip
    assert (found.grade, to_json(found)["severity"]) == ("low", "low")
    assert judged(one(notScopes=5), said("bypass-unreadable: {severity: high}"), NOW).findings[0].severity == "high"


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        (GROUP, True), (GROUP.upper(), True), (f"{GROUP}/", True), (f"{SUB}/*", True), (SUB, True), ("*", True),
        (f"{SUB}/resourceGroups/sh*", True), ("*/resourceGroups/shop", True), (f"{GROUP}/*", True),
        (f"{SUB}/resourceGroups/sho", False), (CORP, False), (f"{GROUP}/providers/*", False),
        ("*/policyAssignments/baseline", False), ("*/policyExemptions/*", False),
    ],
)  # fmt: skip
def test_an_override_goes_for_the_scope_that_is_let_past(scope: str, fits: bool) -> None:
    overrides = f"overrides: [{{scope: '{scope}', rules: {{bypass-ticket-missing: off}}}}]\n"
    found = one(notScopes=[GROUP], metadata={})
    assert ("EXG501" in keys(judged(found, said("", overrides), NOW))) is not fits
    above = one(enforcementMode="DoNotEnforce", metadata={})
    assert ("EXG501" in keys(judged(above, said("", overrides), NOW))) is (scope not in (CORP, "*"))


def test_the_last_override_wins_field_by_field_and_switches_on() -> None:
    overrides = f"""
overrides:
  - {{scope: "{SUB}", rules: {{bypass-ticket-missing: {{severity: info}}, bypass-ended: alert}}}}
  - {{scope: "{SUB}", rules: {{expired: off}}}}
  - {{scope: "{GROUP}", rules: {{bypass-ticket-missing: {{response: alert}}, bypass-end-missing: off}}}}
"""
    ruleset = said("bypass-ticket-missing: off, bypass-ended: off", overrides)
    there, elsewhere = (ruleset.limits.bypass_rules_for(scope, NOW) for scope in (GROUP, f"{SUB}/resourceGroups/other"))
    assert sorted(ruleset.limits.bypass_rules_for(CORP, NOW)) == [
        "bypass-end-missing", "bypass-enrollment-removed", "bypass-not-approved", "bypass-review-missing",
        "bypass-unreadable",
    ]  # fmt: skip
    assert "bypass-ended" in elsewhere
    assert "bypass-ticket-missing" not in elsewhere, "a severity alone switches nothing on that is off"
    assert "bypass-ticket-missing" not in there
    assert "bypass-end-missing" not in there


def test_what_was_stored_by_former_names_is_shown_by_those_of_today() -> None:
    """A row as it was written before the rules were renamed. Its token is the same: no sweep takes it for changed."""
    document = to_stored(one(enforcementMode="DoNotEnforce", metadata={}))
    for finding in document["findings"]:
        finding["rule"] = finding["rule"].replace("bypass-", "way-")
    assert [finding["rule"] for finding in document["findings"]] == [
        "way-ticket-missing", "way-review-missing", "way-end-missing",
    ]  # fmt: skip
    read = from_stored(document)
    assert [finding.rule for finding in read.findings] == [
        "bypass-ticket-missing", "bypass-review-missing", "bypass-end-missing",
    ]  # fmt: skip
    assert from_stored(to_stored(read)) == read
    malformed = tag(TAGS | {"exceptionExpiry": "x", "policyExceptionId": "EXC-9"})
    assert [token(made) for made in (read, one(notScopes=5), malformed)] == [
        "1bb8c6b54a773bfae995", "343d048f02964701af5a", "9c5aa7192261dd8f4178",
    ]  # fmt: skip


def test_every_code_is_its_own() -> None:
    codes = [rule.code for rule in bypass_rules().values()]
    assert codes == [f"EXG50{n}" for n in range(7)]
    assert not {rule.code for rule in all_rules().values()}.intersection(codes)
    assert not all_rules().keys() & bypass_rules().keys()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NAMES = (
    "notScopes",
    "resourceSelectors",
    "overrides",
    "enforcementMode",
    "selfServeExemptionSettings",
    "parameters",
    "metadata",
)
PROPERTIES = st.dictionaries(
    st.sampled_from((*NAMES, "displayName")),
    ANYTHING
    | st.lists(st.fixed_dictionaries({"kind": ANYTHING, "selectors": ANYTHING, "name": ANYTHING, "in": ANYTHING})),
)


@given(PROPERTIES | ANYTHING, ANYTHING)
def test_no_assignment_is_a_crash(properties: Any, system: Any) -> None:
    for made in bypasses_of({"id": ASSIGNED, "properties": properties, "systemData": system}, RULESET):
        found = judged(made, RULESET, NOW)
        assert found.verdict in Verdict
        assert found.container
        assert (found.verdict == "unknown") >= bool(found.unreadable)
        assert to_json(from_stored(json.loads(json.dumps(to_stored(found))))) == to_json(found)
        assert len(found.key) == 16


@given(st.dictionaries(st.sampled_from([*TAGS, "owner"]), ANYTHING) | ANYTHING, ANYTHING, ANYTHING)
def test_no_tags_are_a_crash(tags: Any, by: Any, at: Any) -> None:
    found = tagged_of({"id": GROUP, "name": by, "tags": tags, "changedBy": by, "changedAt": at}, RULESET)
    if found is not None:
        assert judged(found, RULESET, NOW).verdict in Verdict
        assert token(found)


class Tenant:
    """ports.Inventory with these pages of tagged things."""

    def __init__(self, *pages: Page) -> None:
        self.pages = pages
        self.asked: Sequence[str] = ()

    async def surroundings(self, *, policies: bool = False) -> Surroundings:
        assert not policies
        return Surroundings({}, {})

    async def exemptions(self, _: Sequence[str] | None = None) -> AsyncGenerator[Page]:
        for page in self.pages[:0]:
            yield page

    async def tagged(self, names: Sequence[str]) -> AsyncGenerator[Page]:
        self.asked = names
        for page in self.pages:
            yield page


async def looked(
    *pages: Page, assigned: Sequence[Mapping[str, Any]] = (), missing: tuple[str, ...] = (), whole: bool = True
) -> Look:
    around = Surroundings({}, {}, "ours", missing, assigned, whole)
    return await look(Tenant(*pages), around, RULESET, NOW)


async def test_a_look_finds_each_bypass_once_and_judges_it() -> None:
    rows = [row(notScopes=[GROUP], metadata={}), row(ASSIGNED.upper(), notScopes=[GROUP.lower()])]
    found = await looked(Page([{"id": GROUP, "tags": TAGS}] * 2), assigned=rows)
    assert [(made.kind, keys(made)) for made in found.found] == [
        (BypassKind.NOT_SCOPE, ["EXG501", "EXG502", "EXG503"]), (BypassKind.TAG, []),
    ]  # fmt: skip
    assert (found.missing, found.notes, found.unknown, found.partial) == ([], [], 0, set())


async def test_a_look_asks_for_the_tags_of_the_ruleset() -> None:
    tenant = Tenant()
    await look(tenant, Surroundings({}, {}), RULESET, NOW)
    assert tuple(tenant.asked) == ("policyExceptionId", "exceptionTicket", "exceptionExpiry")


async def test_rows_that_name_nothing_are_counted_and_reported() -> None:
    rows = [row(None, notScopes=[GROUP]), row("/somewhere/else"), row(notScopes=[GROUP])]
    found = await looked(Page([{"id": 5, "tags": TAGS}]), assigned=rows)
    assert (len(found.found), found.unknown) == (1, 3)
    assert [sentence.split(":")[0] for sentence in found.missing] == [
        "2 rows of policy assignments cannot be read", "1 row of tagged resources cannot be read",
    ]  # fmt: skip
    assert found.partial == set(BypassKind) - {BypassKind.EXEMPTION}


async def test_what_is_missing_says_which_bypasses_may_be_there_still() -> None:
    found = await looked(Page(missing="rows 1 to 5 of the tagged resources could not be read", lost=True))
    assert (found.partial, len(found.missing)) == ({BypassKind.TAG}, 1)
    assert (await looked(whole=False)).partial == set(BypassKind) - {BypassKind.EXEMPTION, BypassKind.TAG}
    said = await looked(Page(missing="x could not be read"), missing=("x could not be read",))
    assert (said.missing, said.partial) == ([], {BypassKind.TAG})


async def test_notes_hide_nothing_and_other_tenants_are_left_out() -> None:
    theirs = row(notScopes=[GROUP]) | {"tenantId": "THEIRS"}
    found = await looked(
        Page(note="who is not known"), assigned=[theirs, row(notScopes=[GROUP]) | {"tenantId": "OURS"}]
    )
    assert (len(found.found), found.missing, found.partial) == (1, [], set())
    assert found.notes == ["who is not known", "1 row of policy assignments left out: of another tenant"]
