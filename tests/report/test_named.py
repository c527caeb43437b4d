"""What a scan's arguments name, and which names are offered where one cannot be seen."""

import pytest

from guardrails.report.coverage import Identity
from guardrails.report.named import closest, complaints, management_group, scope, subscription

PROD, TEST, HUB = (f"{number}1111111-2222-3333-4444-555555555555" for number in "18f")
VISIBLE = {PROD: "payments-prod", TEST: "payments-test", HUB: "contoso-hub", "mg~corp": "Corp", f"mg~{HUB}": "Root"}
JO = Identity("jo@contoso.com", "user", "", "0000-jo")


@pytest.mark.parametrize(
    ("glob", "key"),
    [
        (f"/subscriptions/{PROD}", PROD),
        (f"/Subscriptions/{PROD.upper()}/resourceGroups/x*", PROD),
        (f"/subscriptions/{PROD}/*", PROD),
        (f"/subscriptions/{PROD}*", None),
        (f"/subscriptions/{PROD[:9]}?{PROD[10:]}/resourceGroups/x", None),
        ("/subscriptions/[ab]/x", None),
        ("*/resourceGroups/x", None),
        ("/providers/Microsoft.Management/managementGroups/Corp", "mg~corp"),
        ("/providers/microsoft.management/managementgroups/corp/providers/*", "mg~corp"),
        ("/providers/Microsoft.Management/managementGroups/co*", None),
        ("/providers/Microsoft.Other/things/x", None),
        ("", None),
    ],
)
def test_a_scope_names_what_is_whole_before_its_first_wildcard(glob: str, key: str | None) -> None:
    named = scope(glob)
    assert (named.key if named else None) == key


def test_options_take_names_ids_and_whole_resource_ids() -> None:
    assert subscription(f"/subscriptions/{PROD.upper()}/").key == subscription(f" {PROD} ").key == PROD
    whole = "/providers/Microsoft.Management/managementGroups/Corp"
    assert management_group(whole).key == management_group("CORP").key == "mg~corp"
    assert management_group(HUB).key == f"mg~{HUB}"  # the root group is called like the tenant's id


def test_what_is_visible_is_no_complaint() -> None:
    found = [subscription(PROD), management_group("corp"), management_group(HUB), subscription(HUB)]
    assert complaints(found, VISIBLE, JO) == []


def test_one_sentence_names_the_argument_the_identity_and_the_closest() -> None:
    [said] = complaints([subscription("payments-prod")], VISIBLE, JO)
    assert said == (
        "--subscription payments-prod: jo@contoso.com (user, object id 0000-jo) sees no such subscription; did you "
        f"mean subscription {PROD} (payments-prod) or subscription {TEST} (payments-test)?"
    )
    [said] = complaints([management_group("zzz")], VISIBLE, JO)
    assert "it sees 3 subscriptions and 2 management groups, and none is called like that" in said
    twice = [subscription("x"), subscription("x"), subscription("y")]
    assert len(complaints(twice, VISIBLE, JO)) == 2


@pytest.mark.parametrize(
    ("key", "best"),
    [
        ("payment-prod", PROD),  # a character is missing
        ("payments", PROD),  # a part of two names: both are offered
        (PROD[:-1] + "6", PROD),
        ("mg~crop", "mg~corp"),
        ("mg~payments-prod", PROD),  # a subscription's name given for a group
        ("corp", "mg~corp"),
    ],
)
def test_names_that_are_alike_are_offered(key: str, best: str) -> None:
    assert closest(key, VISIBLE)[0] == best


def test_ids_are_alike_only_where_nearly_all_digits_are() -> None:
    assert closest("deadbeef-0000-4000-8000-0123456789ab", VISIBLE) == []


def test_many_are_compared_in_no_time_and_few_are_offered() -> None:
    many = {f"{n:08x}-0000-4000-8000-000000000000": f"team-{n}" for n in range(10_000)}
    assert len(closest("team-42", many)) == 3
    assert closest("team-42", many)[0] == f"{42:08x}-0000-4000-8000-000000000000"
