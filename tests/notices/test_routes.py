"""Who is notified: a notice goes to every route that wants it, and one that none wants is not dropped."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.notify import outgoing, unrouted
from guardrails.notices.notice import ON_REQUEST, SERVICE, Kind, Notice
from guardrails.notices.routing import Digest, Route
from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset

from .samples import HOSTILE, SUBSCRIPTION, least, of_kind

HEAD = "version: 1\nmode: audit\nrules: {expired: alert}\n"
NOTICE = of_kind(Kind.VIOLATION)
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/partner-ingestion"
OTHER = "99999999-2222-3333-4444-555555555555"


def ruleset(*routes: str, people: str = "{}") -> Ruleset:
    entries = "".join(f"- {{route: r{n}, channel: teams, address_setting: A, {one}}}\n" for n, one in enumerate(routes))
    return parse_ruleset(f"{HEAD}notices:\n{entries}people: {people}\n" if entries else f"{HEAD}people: {people}\n")


def routes_of(notice: Notice, rules: Ruleset) -> list[str]:
    return [str(message.body["route"]) for message in outgoing(notice, rules)]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, True),
        ({"kinds": ("violation", "tagged")}, True),
        ({"kinds": ("tagged",)}, False),
        ({"min_severity": "high"}, True),
        ({"scopes": (GROUP,)}, True),
        ({"scopes": (GROUP.upper() + "/",)}, True),
        ({"scopes": (GROUP[:-1],)}, False),
        ({"scopes": ("/subscriptions/*/resourceGroups/partner-*",)}, True),
        ({"scopes": ("/providers/Microsoft.Management/*", "**/storageAccounts/*")}, True),
        ({"scopes": ("/providers/Microsoft.Management/*",)}, False),
        ({"subscriptions": (SUBSCRIPTION,)}, True),
        ({"subscriptions": (OTHER, SUBSCRIPTION)}, True),
        ({"subscriptions": (OTHER,)}, False),
        ({"subscriptions": (SUBSCRIPTION[:-1],)}, False),
        ({"owners": ("*@CONTOSO.com",)}, True),
        ({"owners": ("jo@contoso.com",)}, True),
        ({"owners": ("jo@contoso",)}, False),
        ({"owners": ("",)}, False),
        ({"kinds": ("violation",), "owners": ("jo@*",), "subscriptions": (OTHER,)}, False),
        ({"kinds": ("violation",), "owners": ("jo@*",), "subscriptions": (SUBSCRIPTION,), "scopes": (GROUP,)}, True),
    ],
)
def test_a_route_wants_what_passes_all_its_filters(said: dict[str, Any], wanted: bool) -> None:
    assert Route("r", "teams", "A", **said).wants(NOTICE) is wanted


def test_a_route_takes_its_severity_and_worse() -> None:
    for severity, wanted in (("high", True), ("medium", True), ("low", False), ("info", False)):
        assert Route("r", "teams", "A", min_severity="medium").wants(replace(NOTICE, severity=severity)) is wanted


@pytest.mark.parametrize("kind", sorted(SERVICE))
def test_what_is_about_the_service_passes_no_filter_on_exemptions(kind: Kind) -> None:
    assert Route("r", "teams", "A", kinds=(kind,), min_severity="high").wants(replace(of_kind(kind), severity="high"))
    everything = Route("r", "teams", "A")
    for narrowed in (
        replace(everything, scopes=("*",)),
        replace(everything, subscriptions=(SUBSCRIPTION,)),
        replace(everything, owners=("*",)),
    ):
        assert not narrowed.wants(of_kind(kind))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_owner_is_not_somebody_else(text: str) -> None:
    assert not Route("r", "teams", "A", owners=("*@contoso.com",)).wants(of_kind(Kind.VIOLATION, text=text))


def test_every_route_that_wants_it_is_notified(caplog: pytest.LogCaptureFixture) -> None:
    rules = ruleset("kinds: [violation]", "kinds: [tagged]", "default: true, kinds: [reverted]", "min_severity: high")
    assert routes_of(NOTICE, rules) == ["r0", "r3"]
    assert unrouted([NOTICE], rules) == []
    assert caplog.records == []


def test_what_no_route_wants_goes_to_the_default_routes_and_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    rules = ruleset(
        "kinds: [tagged]", "default: true, kinds: [reverted]", "default: true, owners: [x]", "min_severity: high"
    )
    notice = of_kind(Kind.COMPLIANT)
    with caplog.at_level(logging.WARNING):
        assert routes_of(notice, rules) == ["r1", "r2"]
    assert unrouted([notice, of_kind(Kind.REVERTED)], rules) == ["compliant"]
    assert [record.getMessage() for record in caplog.records] == [
        f"no route wants notice {notice.id} (compliant, info); it goes to r1, r2"
    ]


def test_where_no_route_is_the_default_the_first_one_is() -> None:
    assert routes_of(least(Kind.DELETED), ruleset("kinds: [tagged]", "kinds: [reverted]")) == ["r0"]


def test_without_a_route_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert routes_of(NOTICE, ruleset()) == []
    assert "it goes to nobody: the ruleset has no route" in caplog.text


def test_chats_collect_and_machines_do_not_unless_set_otherwise() -> None:
    entry = "- {{route: {0}, channel: {0}, address_setting: A, secret_setting: B{1}}}\n"
    channels = ("teams", "slack", "webhook", "eventgrid")
    plain, off, given = (
        {
            route.channel: route.digest
            for route in parse_ruleset(HEAD + "notices:\n" + "".join(entry.format(c, said) for c in channels)).routes
        }
        for said in ("", ", digest: off", ", digest: {first: 0, window: 1d}")
    )
    usual = Digest(5, timedelta(minutes=15))
    assert plain == {"teams": usual, "slack": usual, "webhook": None, "eventgrid": None}
    assert set(off.values()) == {None}
    assert set(given.values()) == {Digest(0, timedelta(days=1))}
    assert ruleset("digest: {first: 9}").routes[0].digest == Digest(9, timedelta(minutes=15))
    assert ruleset("digest: {window: 2h}").routes[0].digest == Digest(5, timedelta(hours=2))


def test_the_shipped_ruleset_notifies_of_every_kind_but_those_that_a_route_must_ask_for() -> None:
    assert {kind for kind in Kind if not load_ruleset().routes_for(of_kind(kind))} == ON_REQUEST


PEOPLE = """
  Jo@contoso.com: {teams: jo@contoso.com, name: Jo Meyer}
  "*@contoso.com": {teams: 66666666-7777-8888-9999-000000000000, name: On call}
  payments: {teams: JO@contoso.com, name: Jo}
"""


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        ("jo@contoso.com", ["Jo Meyer"]),
        (" JO@Contoso.com ", ["Jo Meyer"]),
        ("ann@contoso.com", ["On call"]),
        ("ann@contoso.com; bob@contoso.com, jo@contoso.com", ["On call", "Jo Meyer"]),
        ("jo@contoso.com,Payments", ["Jo"]),
        ("nobody", []),
        ("", []),
        (" , ;", []),
        ("<at>jo@contoso.com</at>", []),
        ("jo@contoso.com.evil.example", []),
    ],
)
def test_only_owners_whom_the_ruleset_knows_are_addressed(owner: str, names: list[str]) -> None:
    notice = replace(NOTICE, exemption={**NOTICE.exemption, "owner": owner})
    assert [name for name, _ in ruleset(people=PEOPLE).mentions_for(notice)] == names
    assert ruleset().mentions_for(notice) == ()


def test_nobody_is_addressed_about_the_service() -> None:
    rules = ruleset(people="{'*': {teams: jo@contoso.com, name: Jo}}")
    assert rules.mentions_for(NOTICE) == (("Jo", "jo@contoso.com"),)
    assert all(rules.mentions_for(of_kind(kind)) == () for kind in SERVICE)


def test_a_stranger_cannot_have_many_people_addressed() -> None:
    people = "{" + ", ".join(f"p{n}: {{teams: p{n}@c.com, name: P}}" for n in range(60)) + "}"
    owner = ",".join(f"p{n}" for n in range(60))
    notice = replace(NOTICE, exemption={**NOTICE.exemption, "owner": owner})
    assert len(ruleset(people=people).mentions_for(notice)) == 20
