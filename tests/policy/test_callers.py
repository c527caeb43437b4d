"""What refuses looks at who writes: the service and whoever is let past are not refused, nor is a caller not known."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any, Final

import pytest

from guardrails.exemption.facts import Author
from guardrails.exemption.model import Exemption
from guardrails.policy.build import build
from guardrails.rules.azure.author_not_approved import check
from guardrails.rules.base import NoOptions, Violation
from guardrails.rules.sample import BODY, FACTS, SUBSCRIPTION
from guardrails.ruleset.model import Ruleset
from tests.policy import rulesets
from tests.policy.evaluator import Policy
from tests.policy.samples import Generator
from tests.policy.test_agreement import NOW, SEED, policies_of

OBJECT_ID: Final = "http://schemas.microsoft.com/identity/claims/objectidentifier"
OURS, PIPELINE, PIPELINES_APP, PERSON, PORTAL = (f"{digit * 8}-0000-4000-8000-00000000000{digit}" for digit in "abcde")
BOB: Final = "bob@contoso.com"

type Claims = Mapping[str, str | None] | None

US: Final[Claims] = {"idtyp": "app", "appid": "f" * 8, OBJECT_ID: OURS}
APPLICATION: Final[Claims] = {"idtyp": "app", "appid": PIPELINES_APP, OBJECT_ID: PIPELINE}
USER: Final[Claims] = {"idtyp": "user", "appid": PORTAL, OBJECT_ID: PERSON, "acrs": "p1,c1"}
UNTYPED: Final[Claims] = {"appid": PIPELINES_APP, OBJECT_ID: PIPELINE}
MISSING: Final[tuple[Claims, ...]] = (
    None, {}, {"idtyp": "user"}, {"idtyp": "app", "appid": PIPELINES_APP}, {OBJECT_ID: None}, {OBJECT_ID: ""},
    {"idtyp": None, "appid": None, "acrs": None, OBJECT_ID: None}, {OBJECT_ID: PIPELINE},
    {"idtyp": "app", OBJECT_ID: PIPELINE}, {"idtyp": "app", "appid": "", OBJECT_ID: PIPELINE},
)  # fmt: skip

BROKEN: Final = {"policyAssignmentId": "/a"}
"""Properties with neither an end nor metadata."""


@cache
def denials_of(ruleset: Ruleset) -> Mapping[str, Policy]:
    """Return the policies that refuse, by rule, and `delete`."""
    files = build(ruleset, {})
    initiative = json.loads(files["initiatives/exemption-guardrails-deny.json"])["properties"]
    return {
        one["policyDefinitionReferenceId"]: Policy(json.loads(files[f"definitions/{one['policyDefinitionName']}.json"]))
        for one in initiative["policyDefinitions"]
    }


def refused(
    policy: Policy, properties: Mapping[str, Any], claims: Claims, let_past: list[str] | None = None
) -> set[str]:
    """Return the answers of all readings to a write or a delete: {"fires"}, {""}, or what fails."""
    body = {"id": BODY["id"], "name": "e", "type": BODY["type"], "properties": dict(properties)}
    given = {"requestContext": {"identity": claims}}
    return set(policy.answers(body, NOW, parameters={"letPast": let_past or []}, given=given).values())


def approving(*names: str) -> Ruleset:
    return rulesets.ruleset({"approved": [*names], "rules": {"author-not-approved": "alert"}})


SHIPPED: Final = denials_of(rulesets.fixed()["shipped"])


def test_whoever_writes_is_refused_what_breaks_a_rule() -> None:
    for claims in (US, APPLICATION, USER, UNTYPED):
        assert refused(SHIPPED["expiry-missing"], BROKEN, claims) == {"fires"}
        assert refused(SHIPPED["expiry-missing"], {**BROKEN, "expiresOn": "2027-01-01T00:00:00Z"}, claims) == {""}


@pytest.mark.parametrize("claims", MISSING, ids=str)
@pytest.mark.parametrize("let_past", [[], [OURS], [""]], ids=str)
def test_a_caller_who_is_not_known_is_refused_nothing(claims: Claims, let_past: list[str]) -> None:
    everything = {**denials_of(rulesets.fixed()["everything"]), **denials_of(approving(PIPELINE))}
    assert everything.keys() >= {"expiry-missing", "author-not-approved", "delete"}
    for rule, policy in everything.items():
        assert refused(policy, BROKEN, claims, let_past) == {""}, rule


@pytest.mark.parametrize(
    ("claims", "let_past", "is_past"),
    [
        (US, [OURS], True),
        (US, [OURS.upper(), PIPELINE], True),
        (APPLICATION, [OURS], False),
        (APPLICATION, [PIPELINE], True),
        (APPLICATION, [PIPELINES_APP], True),
        (UNTYPED, [PIPELINES_APP], True),
        (USER, [PERSON], True),
        (USER, [PORTAL], False),  # the portal's application id says nothing of who uses it
        ({"idtyp": "user", OBJECT_ID: PERSON}, [PORTAL, ""], False),
        (APPLICATION, ["", "*"], False),
        (USER, [""], False),
        (USER, ["*"], False),
    ],
)
def test_who_is_named_is_let_past_rule_by_rule(claims: Claims, let_past: list[str], *, is_past: bool) -> None:
    everything = {**SHIPPED, **denials_of(approving("0" * 8 + PIPELINE[8:]))}
    for rule in ("expiry-missing", "ticket-missing", "justification-missing", "author-not-approved", "delete"):
        assert refused(everything[rule], BROKEN, claims, let_past) == ({""} if is_past else {"fires"}), rule


def test_what_refuses_and_what_reports_agree_but_for_who_is_let_past() -> None:
    generator, fired = Generator(SEED + 1), 0
    for name in ("shipped", "everything", "places", "names"):
        ruleset = rulesets.fixed()[name]
        reports, denials = policies_of(ruleset), denials_of(ruleset)
        for _ in range(150):
            now = generator.now()
            body = generator.body(now)
            for rule, denial in denials.items():
                if rule == "delete":
                    continue
                given = {"requestContext": {"identity": USER}}
                answers = denial.answers(body, now, given=given)
                assert answers == reports[rule].answers(body, now), rule
                fired += "fires" in answers.values()
    assert fired > 500


@pytest.mark.parametrize(
    "approved", [(PIPELINE,), (PIPELINES_APP,), (PERSON,), (BOB,), (BOB, PIPELINE), (PIPELINE.upper(),)]
)
def test_whoever_the_rule_approves_by_any_name_of_his_is_not_refused(approved: tuple[str, ...]) -> None:
    """Azure records an application by its object id or its application id, a user by his name or his object id."""
    ruleset = approving(*approved)
    policy = denials_of(ruleset)["author-not-approved"]
    names: list[tuple[Claims, tuple[str, ...]]] = [
        (APPLICATION, (PIPELINE, PIPELINES_APP)), (UNTYPED, (PIPELINE, PIPELINES_APP, BOB)), (USER, (PERSON, BOB)),
    ]  # fmt: skip
    for claims, recorded in names:
        facts = [replace(FACTS, author=Author(one, ""), approved=ruleset.approved) for one in recorded]
        violations = [isinstance(check(Exemption.from_arm(BODY), one, NoOptions()), Violation) for one in facts]
        answers = refused(policy, BODY["properties"], claims)
        assert answers in ({""}, {"fires"})
        if answers == {"fires"}:
            assert all(violations), (approved, claims)


def test_where_people_are_approved_by_name_users_are_left_to_the_service() -> None:
    policy = denials_of(approving(BOB, PIPELINE))["author-not-approved"]
    assert refused(policy, BODY["properties"], USER) == {""}
    assert refused(policy, BODY["properties"], {"idtyp": "app", "appid": PORTAL, OBJECT_ID: PERSON}) == {"fires"}
    assert (
        "A user: the ruleset approves some users by name, and a policy sees only object ids."
        in policy.metadata["leaves"]
    )
    assert refused(denials_of(approving(PIPELINE))["author-not-approved"], BODY["properties"], USER) == {"fires"}


def test_where_nobody_is_approved_no_policy_refuses_by_author() -> None:
    files = build(approving(), {})
    assert "The ruleset approves nobody." in files["README.md"]
    assert "author-not-approved" not in denials_of(approving())
    assert not [path for path in files if "author-not-approved" in path]


@pytest.mark.parametrize(
    ("end", "is_refused"),
    [
        (None, True),
        ("", True),
        ("2026-11-21T12:00:01Z", True),
        ("2026-11-21T12:00:00Z", False),
        ("2026-06-30T00:00:00Z", False),
        ("2027-06-30T00:00:00+02:00", False),
        ("2027-06-30", False),
        (20270630, False),
    ],
)
def test_a_delete_of_what_is_in_force_is_refused_and_a_clean_up_is_not(end: object, *, is_refused: bool) -> None:
    policy = SHIPPED["delete"]
    properties = {"policyAssignmentId": "/a", **({} if end is None else {"expiresOn": end})}
    assert refused(policy, properties, USER) == ({"fires"} if is_refused else {""})
    assert refused(policy, properties, US, [OURS]) == {""}
    assert (policy.effect(), policy.effect({"effect": "DenyAction"})) == ("disabled", "denyaction")


def test_whoever_may_delete_by_the_ruleset_is_not_refused() -> None:
    owner = {"name": "tool", "metadata": {"pacOwnerId": "*"}, "authors": [PIPELINES_APP]}
    rules = {"rules": {"expiry-missing": "alert"}}
    policy = denials_of(rulesets.ruleset({"approved": [PERSON], "owners": [owner], **rules}))["delete"]
    for claims in (APPLICATION, UNTYPED, USER):
        assert refused(policy, BROKEN, claims) == {""}
    assert refused(policy, BROKEN, US) == {"fires"}
    by_name = denials_of(rulesets.ruleset({"approved": [BOB], **rules}))["delete"]
    assert refused(by_name, BROKEN, USER) == {""}
    assert refused(by_name, BROKEN, US) == {"fires"}


def test_nothing_is_refused_where_an_exclusion_holds() -> None:
    said = {"exclusions": [{"scope": f"{SUBSCRIPTION}/**", "reason": "x"}], "rules": {"expiry-missing": "alert"}}
    for rule, policy in denials_of(rulesets.ruleset(said, 2)).items():
        assert refused(policy, BROKEN, USER) == {""}, rule


def test_other_types_are_left_alone() -> None:
    body = {"id": "/subscriptions/s", "type": "Microsoft.Resources/subscriptions", "properties": {}}
    for claims, (rule, policy) in product((USER, None), SHIPPED.items()):
        given = {"requestContext": {"identity": claims}}
        assert set(policy.answers(body, datetime(2026, 11, 21, tzinfo=UTC), given=given).values()) == {""}, rule


def test_every_rule_that_azure_can_refuse_by_has_a_policy_that_refuses() -> None:
    """What reports alone is `expired`: to refuse it would stop nobody; what refuses alone looks at callers."""
    assert denials_of(rulesets.fixed()["everything"]).keys() ^ policies_of(rulesets.fixed()["everything"]).keys() == {
        "expired", "delete",
    }  # fmt: skip
