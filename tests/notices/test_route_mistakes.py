"""Mistakes in routes and people: each is shown with its line and what would be right, by loader and schema alike."""

import json

import pytest
import yaml
from jsonschema_rs import Draft202012Validator

from guardrails.errors import Misconfigured
from guardrails.notices.notice import SEVERITIES, Kind
from guardrails.ruleset.model import parse_ruleset
from guardrails.ruleset.schema import CHANNELS, published

HEAD = "version: 1\nmode: audit\nrules: {expired: alert}\nnotices:\n- {route: a, channel: teams, address_setting: A, "
FITS = Draft202012Validator(published(tuple(Kind)), offline=True)
HERE, OTHER = "66666666-7777-8888-9999-000000000000", "66666666-7777-8888-9999-000000000001"
NEVER = " can match nothing: it is never worse than {0}; write min_severity: {0}, or leave it out"
NO_ONE = " can match nothing: it is about no single exemption; name it in a route without "
ELSEWHERE = " is in none of the route's subscriptions; add its own, or leave it out"
FORM, CORP = " has the wrong form; write it like ", "/providers/Microsoft.Management/managementGroups/corp"


def mistakes(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        parse_ruleset(text, "r.yaml")
    return list(caught.value.problems)


def fits_schema(text: str) -> bool:
    data = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return FITS.is_valid(data)


GOOD = [
    "kinds: [violation, compliant]",
    "min_severity: medium, kinds: [unknown, expired, expiring, breaker-open]",
    f"subscriptions: [{HERE}, {OTHER.upper()}]",
    f"scopes: ['/subscriptions/{HERE}', '/subscriptions/{OTHER}/resourceGroups/a*'], subscriptions: [{HERE}, {OTHER}]",
    f"scopes: ['*', '/subscriptions', '/subscriptions/6666*', '/subscriptions/?{HERE[1:]}'], subscriptions: [{HERE}]",
    "owners: ['*@contoso.com'], default: true",
    "digest: off",
    "digest: {}",
    "digest: {first: 0, window: 7d}",
    "kinds: [digest]",
]
BAD_FORM = [
    "kinds: [violated]",
    "scopes: []",
    "scopes: [prod]",
    "scopes: ['']",
    "scopes: /x",
    "subscriptions: [prod]",
    "subscriptions: []",
    "owners: []",
    "owners: ['']",
    "default: 1",
    "digest: on",
    "digest: 5",
    "digest: {first: -1}",
    "digest: {first: many}",
    "digest: {window: 0m}",
    "digest: {window: 8d}",
    "digest: {window: 15}",
    "digest: {windows: 15m}",
    "scope: /x",
]


@pytest.mark.parametrize("said", GOOD)
def test_loader_and_schema_take(said: str) -> None:
    text = HEAD + said + "}\n"
    assert parse_ruleset(text).routes[0].name == "a"
    assert fits_schema(text)


@pytest.mark.parametrize("said", BAD_FORM)
def test_loader_and_schema_refuse(said: str) -> None:
    text = HEAD + said + "}\n"
    assert all(problem.startswith("r.yaml:5:") and ": notices[0]" in problem for problem in mistakes(text))
    assert not fits_schema(text)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("kinds: [tagged, compliant], min_severity: low", "kinds[1]: 'compliant'" + NEVER.format("info")),
        ("min_severity: high, kinds: [expired]", "kinds[0]: 'expired'" + NEVER.format("medium")),
        ("kinds: [breaker-open], owners: [jo]", "kinds[0]: 'breaker-open'" + NO_ONE + "owners"),
        ("kinds: [poison], scopes: ['*']", "kinds[0]: 'poison'" + NO_ONE + "scopes"),
        (f"subscriptions: [{HERE}], scopes: ['/subscriptions/*', '/subscriptions/{OTHER}/resourceGroups/*']",
         f"scopes[1]: '/subscriptions/{OTHER}/resourceGroups/*'" + ELSEWHERE),
        (f"subscriptions: [{HERE}], scopes: ['/providers/Microsoft.Management/managementGroups/a']",
         "scopes[0]: '/providers/Microsoft.Management/managementGroups/a'" + ELSEWHERE),
        ("scopes: [prod]", "scopes[0]: 'prod'" + FORM + "/subscriptions/*/resourceGroups/prod-*, " + CORP),
        ("digest: {window: soon}", "digest.window: 'soon'" + FORM + "15m, 1h, 1d"),
        ("channel: smoke", "'channel' occurs twice; keep one"),
    ],
)  # fmt: skip
def test_what_can_match_nothing_is_refused_with_what_is_right(said: str, wanted: str) -> None:
    found = mistakes(HEAD + said + "}\n")[0].split(": notices[0]", 1)
    assert found[0].startswith("r.yaml:5:")
    assert found[1].lstrip(".: ") == wanted


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_can_be_named(channel: str) -> None:
    text = HEAD.replace("teams", channel) + "secret_setting: B}\n"
    assert parse_ruleset(text).routes[0].channel == channel
    assert fits_schema(text)


def test_an_unknown_channel_is_reported_with_the_known_ones() -> None:
    (problem,) = mistakes(HEAD.replace("teams", "smoke") + "}\n")
    assert problem.endswith("'smoke' is not allowed; it must be one of teams, slack, webhook, eventgrid")


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_may_be_asked_for_by_each_severity_that_it_can_have(kind: Kind) -> None:
    for severity in SEVERITIES[kind]:
        assert parse_ruleset(f"{HEAD}kinds: [{kind}], min_severity: {severity}}}\n").routes


@pytest.mark.parametrize(
    "people",
    [
        "[]", "{jo: x}", "{jo: {}}", "{jo: {teams: jo@c.com}}", "{jo: {name: Jo}}", "{jo: {teams: jo, name: Jo}}",
        "{jo: {teams: jo@c.com, name: ''}}", "{jo: {teams: '<at>x</at>@c', name: Jo}}",
        "{jo: {teams: jo@c.com, name: Jo, mail: x}}",
    ],
)  # fmt: skip
def test_people_of_another_form_are_refused(people: str) -> None:
    text = f"version: 1\nmode: audit\nrules: {{expired: alert}}\npeople: {people}\n"
    assert all(problem.startswith("r.yaml:4:") and ": people" in problem for problem in mistakes(text))
    assert not fits_schema(text)


@pytest.mark.parametrize(
    "said", ["kinds: [[a], {b: c}]", "min_severity: [a], kinds: [tagged]", "scopes: {a: b}, subscriptions: [[x]]"]
)
def test_lists_and_objects_in_the_wrong_place_do_not_break_the_check(said: str) -> None:
    assert mistakes(HEAD + said + "}\n")
