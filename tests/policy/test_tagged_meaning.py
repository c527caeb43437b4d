"""What the policies of the tag-driven layer do, by a second opinion and in every reading of Microsoft's pages."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from guardrails.bypasses.model import judged
from guardrails.bypasses.read import tagged_of
from guardrails.exemption.names import TagNames
from guardrails.policy import given, tagged
from guardrails.rules.sample import BODY
from guardrails.ruleset.model import KnownBypasses, load_ruleset
from tests.policy.evaluator import READINGS, Policy, Reading

SOURCES = Path(__file__).parents[2] / "infra" / "policies" / "sources"
NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
TAGS = TagNames()
EXCEPTIONS = KnownBypasses(approved=("EX-2027-014", "EX-2027-022"))
GIVEN = given.read({path.name: path.read_bytes() for path in SOURCES.glob("*.json")})
FILES = tagged.build(GIVEN, EXCEPTIONS).files
STORAGE = "deny-storage-public-network-access"
ADDRESSES = "deny-public-ip-addresses"

every_reading = pytest.mark.parametrize("reading", READINGS, ids=[one.name for one in READINGS])


@cache
def policy(name: str) -> Policy:
    return Policy(FILES[f"definitions/{name}.json"])


@cache
def source(name: str) -> Policy:
    one = GIVEN[f"{name}.json"]
    assert isinstance(one, Mapping)
    return Policy(one)


def account(access: str | None = "Enabled", tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a write of a storage account; without `tags` where they are None."""
    return {
        "type": "Microsoft.Storage/storageAccounts",
        "name": "partnerdata",
        "location": "westeurope",
        "properties": {} if access is None else {"publicNetworkAccess": access},
        **({} if tags is None else {"tags": dict(tags)}),
    }


@every_reading
@pytest.mark.parametrize(
    "tags",
    [
        None,
        {},
        {"owner": "data-platform"},
        {TAGS.id: ""},
        {TAGS.id: " "},
        {TAGS.id: "EX-2027-999"},
        {TAGS.id: "EX-2027-01"},
        {TAGS.id: "EX-2027-014 "},
        {TAGS.id: "*"},
        {TAGS.id: "EX-2027-014,EX-2027-022"},
        {"policyExceptionIds": "EX-2027-014"},
        {TAGS.ticket: "EX-2027-014"},
    ],
)
def test_it_denies_without_an_approved_id(reading: Reading, tags: Mapping[str, str] | None) -> None:
    one = policy(f"{STORAGE}-unless-excepted")
    assert one.fires(account(tags=tags), NOW, reading=reading)
    assert one.effect({"effect": "Deny"}) == "deny"


@every_reading
@pytest.mark.parametrize("name", [TAGS.id, TAGS.id.upper(), TAGS.id.lower()])
@pytest.mark.parametrize("value", ["EX-2027-014", "EX-2027-022", "ex-2027-014"])
def test_an_approved_id_lets_past(reading: Reading, name: str, value: str) -> None:
    tags = {"owner": "data-platform", name: value}
    assert source(STORAGE).fires(account(tags=tags), NOW, reading=reading)
    assert not policy(f"{STORAGE}-unless-excepted").fires(account(tags=tags), NOW, reading=reading)


@every_reading
def test_nothing_is_let_past_until_an_id_is_approved(reading: Reading) -> None:
    files = tagged.build(GIVEN, KnownBypasses()).files
    one = Policy(files[f"definitions/{ADDRESSES}-unless-excepted.json"])
    for tags in (None, {}, {TAGS.id: ""}, {TAGS.id: "EX-2027-014"}):
        body = {"type": "Microsoft.Network/publicIPAddresses", "name": "a", **({} if tags is None else {"tags": tags})}
        assert one.fires(body, NOW, reading=reading)


@every_reading
def test_an_assignment_can_say_other_ids_and_another_tag(reading: Reading) -> None:
    one = policy(f"{STORAGE}-unless-excepted")
    said = {"exemptionTagName": "exception of: team", "approvedExemptionIds": ["A"]}
    assert not one.fires(account(tags={"Exception of: Team": "a"}), NOW, parameters=said, reading=reading)
    assert one.fires(account(tags={TAGS.id: "EX-2027-014"}), NOW, parameters=said, reading=reading)


@every_reading
@pytest.mark.parametrize("tags", [None, {}, {TAGS.id: ""}, {TAGS.id: " "}, {TAGS.id: "\t"}, {"owner": "o"}])
def test_a_blank_among_the_approved_ids_lets_nothing_past(reading: Reading, tags: Mapping[str, str] | None) -> None:
    one = policy(f"{STORAGE}-unless-excepted")
    said = {"approvedExemptionIds": ["", " ", "\t", "EX-2027-014"]}
    assert one.fires(account(tags=tags), NOW, parameters=said, reading=reading)
    assert not one.fires(account(tags={TAGS.id: "EX-2027-014"}), NOW, parameters=said, reading=reading)


@every_reading
def test_what_the_source_lets_past_stays_past_and_nothing_more_is_refused(reading: Reading) -> None:
    chance = random.Random(20270104)  # noqa: S311 - requests, no secrets
    kinds = ["Microsoft.Storage/storageAccounts", "Microsoft.Network/publicIPAddresses",
             "microsoft.network/publicipprefixes", "Microsoft.Compute/disks"]  # fmt: skip
    names = [TAGS.id, TAGS.id.upper(), TAGS.ticket, "owner"]
    values = ["", "EX-2027-014", "ex-2027-022", "EX-1", "none"]
    fired = 0
    for _ in range(2000):
        tags = {
            name: chance.choice(values) for name in chance.sample(names[chance.randrange(2) :], chance.randrange(3))
        }
        tags = {name: value for name, value in tags.items() if name != TAGS.id.upper() or TAGS.id not in tags}
        body = account(chance.choice([None, "Enabled", "Disabled", "disabled", "SecuredByPerimeter"]), tags)
        body["type"] = chance.choice(kinds)
        excepted = any(
            name.lower() == TAGS.id.lower() and value.upper() in EXCEPTIONS.approved for name, value in tags.items()
        )
        for name in (STORAGE, ADDRESSES):
            before = source(name).fires(body, NOW, reading=reading)
            after = policy(f"{name}-unless-excepted").fires(body, NOW, reading=reading)
            assert after == (before and not excepted), body
            fired += after
    assert fired > 200, "the requests are of both sorts"


@every_reading
@pytest.mark.parametrize(
    ("access", "fires"),
    [(None, True), ("Enabled", True), ("Disabled", False), ("DISABLED", False), ("SecuredByPerimeter", False)],
)
def test_the_shipped_storage_policy(reading: Reading, access: str | None, fires: bool) -> None:
    assert source(STORAGE).fires(account(access), NOW, reading=reading) is fires


@every_reading
@pytest.mark.parametrize(
    ("kind", "fires"),
    [
        ("Microsoft.Network/publicIPAddresses", True),
        ("microsoft.network/publicipprefixes", True),
        ("Microsoft.Network/networkInterfaces", False),
    ],
)
def test_the_shipped_policy_on_addresses(reading: Reading, kind: str, fires: bool) -> None:
    assert source(ADDRESSES).fires({"type": kind, "name": "a"}, NOW, reading=reading) is fires


@every_reading
@pytest.mark.parametrize(
    "values", list(product((None, "", "x"), repeat=3)), ids=lambda values: "-".join(map(repr, values))
)
@pytest.mark.parametrize(
    "kind", ["Microsoft.Compute/disks", "Microsoft.Resources/subscriptions/resourceGroups",
             "Microsoft.Resources/subscriptions"],
)  # fmt: skip
def test_the_companion_reports_each_incomplete_combination_and_no_other(
    reading: Reading, values: tuple[str | None, ...], kind: str
) -> None:
    tags = {"owner": "o", **{name: value for name, value in zip(TAGS, values, strict=True) if value is not None}}
    incomplete = 0 < sum(bool(value) for value in values) < 3
    one = policy("audit-exception-tags")
    assert one.fires({"type": kind, "name": "a", "tags": tags}, NOW, reading=reading) is incomplete
    assert one.mode == "All", "groups and subscriptions are not indexed"


@every_reading
def test_the_companion_is_silent_where_there_are_no_tags(reading: Reading) -> None:
    one = policy("audit-exception-tags")
    absent: list[dict[str, Any]] = [{}, {"tags": None}, {"tags": {}}]
    for body in absent:
        assert not one.fires({"type": "Microsoft.Compute/disks", "name": "a", **body}, NOW, reading=reading)
    assert one.effect() == "audit"


@every_reading
def test_the_companion_reads_the_tags_of_the_ruleset(reading: Reading) -> None:
    files = tagged.build({}, KnownBypasses(TagNames("its id", "a b", "c.d"))).files
    one = Policy(files["definitions/audit-exception-tags.json"])
    body: dict[str, Any] = {"type": "Microsoft.Compute/disks", "name": "a", "tags": {"ITS id": "1", "a b": "2"}}
    assert one.fires(body, NOW, reading=reading)
    body["tags"]["C.D"] = "3"
    assert not one.fires(body, NOW, reading=reading)


@every_reading
def test_a_sweep_calls_approved_what_the_policy_lets_past(reading: Reading) -> None:
    ruleset = replace(load_ruleset(), bypasses=EXCEPTIONS)
    one = policy(f"{STORAGE}-unless-excepted")
    for value in ("EX-2027-014", "ex-2027-022", "EX-2027-999", "EX", "*", "EX-2027-01?"):
        tags = {TAGS.id: value, TAGS.ticket: "SEC-1", TAGS.expiry: "2027-12-31"}
        found = tagged_of({"id": f"{BODY['id'].partition('/providers/')[0]}", "name": "a", "tags": tags}, ruleset)
        assert found is not None
        approved = not judged(found, ruleset, NOW).findings
        assert one.fires(account(tags=tags), NOW, reading=reading) is not approved
