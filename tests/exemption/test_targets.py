"""The operations that on_scope_changed is called for, and what they are made of."""

from hypothesis import given
from hypothesis import strategies as st

from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.targets import ALWAYS, MOST_VALUES, left_out, operations, types_of

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg"


def at(scope: str, name: str = "e") -> ExemptionId:
    return ExemptionId.parse(f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}")


def test_with_nothing_in_the_register_deployments_and_groups_are_wanted() -> None:
    assert operations({}) == (
        "Microsoft.Resources/deployments/write",
        "Microsoft.Resources/subscriptions/resourceGroups/write",
        "Microsoft.Resources/subscriptions/resourceGroups/delete",
    )


def test_types_come_in_the_order_of_what_they_hold() -> None:
    found = operations({"Microsoft.Web/sites": 1, "Microsoft.Storage/storageAccounts": 7, "A.B/c": 1})
    assert found[len(ALWAYS) :] == (
        "Microsoft.Storage/storageAccounts/write", "Microsoft.Storage/storageAccounts/delete",
        "A.B/c/write", "A.B/c/delete", "Microsoft.Web/sites/write", "Microsoft.Web/sites/delete",
    )  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[A-C]\.[d-f]/[g-k]{1,3}", fullmatch=True), st.integers(1, 9), max_size=40))
def test_never_more_values_than_event_grid_takes_and_nothing_is_forgotten(types: dict[str, int]) -> None:
    found, left = operations(types), left_out(types)
    assert len(found) <= MOST_VALUES == 25
    assert len(set(found)) == len(found)
    assert found[: len(ALWAYS)] == ALWAYS
    taken = {name.rpartition("/")[0] for name in found[len(ALWAYS) :]}
    assert taken | set(left) == set(types)
    assert not taken & set(left)
    assert all(f"{name}/{verb}" in found for name in taken for verb in ("write", "delete"))
    assert not left or len(taken) == 11
    assert min((types[name] for name in taken), default=0) >= max((types[name] for name in left), default=0)


def test_types_are_those_of_resources_however_deep_and_however_spelled() -> None:
    ids = [
        at("/providers/Microsoft.Management/managementGroups/corp"),
        at("/subscriptions/s"),
        at(GROUP),
        at(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"),
        at(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a", "second"),
        at(f"{GROUP.lower()}/PROVIDERS/microsoft.storage/storageaccounts/b"),
        at(f"{GROUP}/providers/Microsoft.Sql/servers/s/databases/d"),
        at(f"{GROUP}/providers/Microsoft.KeyVault/vaults/providers/providers/Microsoft.Insights/diagnosticSettings/x"),
        at(f"{GROUP}/providers/Microsoft.Web/sites/providers/slots/providers"),
        at("/subscriptions/s/providers/Microsoft.Security/pricings/p"),
    ]
    expected = {
        "Microsoft.Storage/storageAccounts": 3,
        "Microsoft.Sql/servers/databases": 1,
        "Microsoft.Insights/diagnosticSettings": 1,
        "Microsoft.Web/sites/slots": 1,
        "Microsoft.Security/pricings": 1,
    }
    assert types_of(ids) == types_of(reversed(ids)) == expected
