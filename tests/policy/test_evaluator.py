"""The evaluator does with Microsoft's documented examples what the documentation says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.policy.evaluator import DOCUMENTED, LENIENT, READINGS, REGORUS, STRICT, Policy, Reading, Refused
from tests.policy.fields import EXEMPTIONS
from tests.policy.functions import Unsupported

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TYPE = "Microsoft.Test/resourceType"

# The example resource of "Author policies for array properties".
RESOURCE: Mapping[str, Any] = {
    "type": TYPE,
    "name": "child",
    "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/resourceType/child",
    "location": "East US 2",
    "tags": {"env": "prod", "Acct.CostCenter": "7", "'My.Apostrophe.Tag'": "x"},
    "properties": {
        "stringArray": ["a", "b", "c"],
        "objectArray": [{"property": "value1", "nestedArray": [1, 2]}, {"property": "value2", "nestedArray": [3, 4]}],
        "property": "prefix_and more",
        "number": 7,
        "expiresOn": "2027-06-30T00:00:00Z",
        "nothing": None,
        "flag": True,
    },
}


def alias(path: str) -> str:
    return f"{TYPE}/{path}"


def holds(condition: Mapping[str, Any], reading: Reading = DOCUMENTED, **more: Any) -> bool:
    declared = more.pop("declared", {})
    resource = more.pop("resource", RESOURCE)
    rule = {"if": condition, "then": {"effect": "audit"}}
    return Policy({"policyRule": rule, "parameters": declared}).fires(resource, NOW, reading=reading, **more)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("missingArray[*]", []),
        ("missingArray[*].property", []),
        ("stringArray[*]", ["a", "b", "c"]),
        ("objectArray[*].property", ["value1", "value2"]),
        ("objectArray[*].nestedArray[*]", [1, 2, 3, 4]),
    ],
)
def test_an_array_alias_selects_the_members(path: str, values: list[Any]) -> None:
    assert holds({"value": f"[length(field('{alias(path)}'))]", "equals": len(values)})
    assert holds({"count": {"field": alias("stringArray[*]")}, "equals": 3})
    for value in values:
        literal = f"'{value}'" if isinstance(value, str) else value
        assert holds({"value": f"[contains(field('{alias(path)}'), {literal})]", "equals": True})


def test_a_missing_field_is_an_empty_text_for_the_function_and_nothing_for_the_condition() -> None:
    assert holds({"value": f"[field('{alias('missingArray')}')]", "equals": ""})
    assert not holds({"field": alias("missing"), "equals": ""})
    assert holds({"field": alias("missing"), "equals": ""}, LENIENT)
    assert holds({"field": alias("missing"), "notEquals": "x"})
    assert holds({"field": alias("missing"), "notIn": ["x"]})
    assert not holds({"field": alias("missing"), "like": "x*"})
    assert not holds({"field": alias("missing"), "greater": 3})


@pytest.mark.parametrize("reading", READINGS, ids=lambda one: one.name)
def test_a_condition_on_members_holds_for_all_of_them(reading: Reading) -> None:
    assert not holds({"field": alias("stringArray[*]"), "equals": "a"}, reading)
    assert holds({"field": alias("stringArray[*]"), "in": ["A", "b", "c"]}, reading)
    assert holds({"field": alias("objectArray[*].property"), "like": "value*"}, reading)
    assert holds({"field": alias("objectArray[*].nestedArray[*]"), "less": 5}, reading)
    assert holds({"not": {"field": alias("stringArray[*]"), "notEquals": "b"}}, reading)
    empty = {**RESOURCE, "properties": {"stringArray": []}}
    assert holds({"field": alias("stringArray[*]"), "equals": "a"}, reading, resource=empty)


def test_members_of_an_array_that_is_not_there() -> None:
    assert holds({"field": alias("missingArray[*]"), "equals": "a"}, DOCUMENTED)
    assert not holds({"field": alias("missingArray[*]"), "equals": "a"}, REGORUS)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"field": alias("stringArray[*]"), "equals": "a"}, 1),
        ({"field": alias("stringArray[*]"), "equals": f"[field('{alias('stringArray[*]')}')]"}, 0),
        ({"field": alias("stringArray[*]"), "equals": f"[first(field('{alias('stringArray[*]')}'))]"}, 3),
        ({"value": f"[current('{alias('stringArray[*]')}')]", "equals": "b"}, 1),
        ({"value": "[current()]", "equals": "b"}, 1),
        ({"field": "tags.env", "equals": "prod"}, 3),
    ],
)
def test_field_counts(where: Mapping[str, Any], count: int) -> None:
    assert holds({"count": {"field": alias("stringArray[*]"), "where": where}, "equals": count})


def test_a_count_takes_each_member_as_if_it_were_the_only_one() -> None:
    one_object = {
        "allOf": [
            {"field": alias("objectArray[*].property"), "equals": "value2"},
            {"field": alias("objectArray[*].nestedArray[*]"), "greater": 2},
        ]
    }
    assert holds({"count": {"field": alias("objectArray[*]"), "where": one_object}, "equals": 1})
    assert holds({"count": {"field": alias("objectArray[*].nestedArray[*]")}, "greaterOrEquals": 4})
    by_property = {"value": f"[current('{alias('objectArray[*].property')}')]", "equals": "value1"}
    assert holds({"count": {"field": alias("objectArray[*]"), "where": by_property}, "equals": 1})


def test_nested_counts() -> None:
    inner = {
        "count": {
            "field": alias("objectArray[*].nestedArray[*]"),
            "where": {"field": alias("objectArray[*].nestedArray[*]"), "equals": 3},
        },
        "greater": 0,
    }
    where = {"allOf": [{"field": alias("objectArray[*].property"), "equals": "value2"}, inner]}
    assert holds({"count": {"field": alias("objectArray[*]"), "where": where}, "equals": 1})
    assert holds({"count": {"field": alias("objectArray[*]"), "where": inner}, "equals": 1})


def test_value_counts() -> None:
    named = {
        "value": ["prefix1_*", "chi*"],
        "name": "pattern",
        "where": {"field": "name", "like": "[current('pattern')]"},
    }
    assert holds({"count": named, "greater": 0})
    unnamed = {"value": ["prefix1_*", "chi*"], "where": {"field": "name", "like": "[current()]"}}
    assert holds({"count": unnamed, "equals": 1})
    declared = {"reserved": {"type": "array"}}
    rules = [{"property": "value1"}, {"property": "value3"}]
    member = {"field": alias("objectArray[*].property"), "equals": "[current('rule').property]"}
    inside = {"count": {"field": alias("objectArray[*]"), "where": member}, "equals": 1}
    outer = {"value": "[parameters('reserved')]", "name": "rule", "where": inside}
    assert holds({"count": outer, "equals": 1}, declared=declared, parameters={"reserved": rules})
    not_all = {"count": outer, "equals": "[length(parameters('reserved'))]"}
    assert not holds(not_all, declared=declared, parameters={"reserved": rules})


def test_fields_with_names_of_their_own() -> None:
    for field, value in {
        "type": "microsoft.test/RESOURCETYPE",
        "name": "Child",
        "location": "eastus2",
        "tags.env": "PROD",
        "tags[env]": "prod",
        "tags['Acct.CostCenter']": "7",
        "tags[Acct.CostCenter]": "7",
        "tags['''My.Apostrophe.Tag''']": "x",
        "fullName": "child",
    }.items():
        assert holds({"field": field, "equals": value}), field
    nested = {"id": "/subscriptions/s/providers/Microsoft.Sql/servers/myServer/databases/myDatabase"}
    assert holds({"field": "fullName", "equals": "myServer/myDatabase"}, resource=nested)
    assert holds({"field": "location", "in": ["East US 2"]})
    assert not holds({"field": "tags", "containsKey": "application"})
    assert holds({"field": "tags", "containsKey": "ENV"})
    assert holds({"field": "[concat('tags[', parameters('tagName'), ']')]", "exists": "false"}, declared={
        "tagName": {"type": "String", "defaultValue": "owner"},
    })  # fmt: skip
    assert holds({"value": "[less(length(field('tags')), 4)]", "equals": "true"})
    identity = {"identity": {"type": "SystemAssigned"}}
    assert holds({"field": "identity.type", "contains": "systemassigned"}, resource=identity)


def test_aliases() -> None:
    assert not holds({"field": "Microsoft.Other/thing/property", "exists": True})
    given = {"type": "Microsoft.Storage/storageAccounts", "sku": {"name": "Standard_LRS"}}
    rule = {"if": {"field": "Microsoft.Storage/storageAccounts/sku.name", "like": "*_lrs"}, "then": {"effect": "deny"}}
    aliases = {"Microsoft.Storage/storageAccounts/sku.name": "sku.name"}
    assert Policy({"policyRule": rule}, aliases).fires(given, NOW)
    assert not Policy({"policyRule": rule}).fires(given, NOW)
    for path in ("exemptionManagementMode", "metadata.ticket", "resourceSelectors[*].selectors[*].values"):
        with pytest.raises(Refused, match="there is no alias"):
            holds({"field": f"Microsoft.Authorization/policyExemptions/{path}", "exists": True})
    for name in ("sku", "properties.sku", "Storage/sku"):
        with pytest.raises(Refused, match="neither a field nor an alias"):
            holds({"field": name, "exists": True})


def test_aliases_of_exemptions() -> None:
    selectors = [{"name": "a", "selectors": [{"kind": "groupPrincipalId", "in": ["x"]}]}]
    body = {"type": EXEMPTIONS.upper(), "Properties": {"ExpiresOn": "2027-01-01", "resourceSelectors": selectors}}
    prefix = "Microsoft.Authorization/policyExemptions/"
    assert holds({"field": prefix + "expiresOn", "equals": "2027-01-01"}, resource=body)
    kind = {"field": prefix + "resourceSelectors[*].selectors[*].kind", "like": "group*"}
    assert holds(
        {"count": {"field": prefix + "resourceSelectors[*].selectors[*]", "where": kind}, "greater": 0}, resource=body
    )


@pytest.mark.parametrize(
    ("operator", "wanted", "expected"),
    [
        ("equals", "CHILD", True),
        ("notEquals", "child", False),
        ("like", "ch*d", True),
        ("like", "chi*ild", False),
        ("like", "*", True),
        ("notLike", "ch*", False),
        ("match", "?????", True),
        ("match", "????#", False),
        ("match", "CHILD", False),
        ("match", "c...d", True),
        ("matchInsensitively", "CHIL?", True),
        ("notMatch", "????", True),
        ("notMatchInsensitively", "CHILD", False),
        ("contains", "HIL", True),
        ("notContains", "x", True),
        ("in", ["a", "Child"], True),
        ("notIn", ["a"], True),
        ("exists", "true", True),
        ("exists", False, False),
        ("less", "D", True),
        ("greaterOrEquals", "child", True),
    ],
)
def test_operators_on_a_text(operator: str, wanted: Any, expected: bool) -> None:
    for reading in READINGS:
        assert holds({"field": "name", operator: wanted}, reading) is expected


def test_types() -> None:
    assert holds({"field": alias("number"), "equals": "7"})
    assert holds({"field": alias("flag"), "equals": "true"})
    assert holds({"field": alias("flag"), "equals": True})
    assert holds({"field": alias("nothing"), "exists": False})
    assert holds({"field": alias("nothing"), "equals": ""})
    with pytest.raises(Refused, match="different types"):
        holds({"field": "name", "less": 3})
    assert not holds({"field": "name", "less": 3}, LENIENT)
    assert not holds({"field": alias("stringArray"), "equals": "a"})


def test_dates() -> None:
    expires = {"field": alias("expiresOn")}
    for reading in READINGS:
        assert holds({**expires, "greater": "[utcNow()]"}, reading)
        assert holds({**expires, "less": "[addDays(utcNow(), 365)]"}, reading)
        assert holds({**expires, "greaterOrEquals": "[addDays(utcNow(), 200)]"}, reading)
        assert not holds({**expires, "greater": "[addDays(utcNow(), 221)]"}, reading)
        assert not holds({"field": alias("missing"), "greater": "[utcNow()]"}, reading)
    moved = {**RESOURCE, "properties": {"expiresOn": "2026-11-21T13:00:00.0000000+02:00"}}
    assert holds({**expires, "less": "[utcNow()]"}, resource=moved)
    assert not holds({**expires, "less": "[utcNow()]"}, REGORUS, resource=moved)
    no_time = {**RESOURCE, "properties": {"expiresOn": "end of quarter"}}
    assert holds({**expires, "greater": "[utcNow()]"}, LENIENT, resource=no_time)


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("2027-06-30T00:00:00Z", True),
        ("2027-06-30T00:00:00.000Z", True),
        ("2027-06-30T00:00:00.1234567Z", True),
        ("2027-06-30T00:00:00.0000000+02:00", True),
        ("2027-06-30T00:00:00+00:00", False),
        ("2027-06-30T00:00:00+02:00", False),
        ("2027-06-30T00:00:00.000+02:00", False),
        ("2027-06-30", False),
        ("2027-06-30T00:00Z", False),
        ("2027-06-30T00:00:00", False),
        ("2027-06-30t00:00:00Z", False),
        ("2027-06-30T00:00:00z", False),
        ("2027-06-30T00:00:00.12345678Z", False),
        ("2027-13-30T00:00:00Z", False),
        ("end of quarter", False),
        ("", False),
    ],
)
def test_what_is_a_date_and_what_fails_instead(text: str, *, is_date: bool) -> None:
    resource = {**RESOURCE, "properties": {"expiresOn": text}}
    condition = {"field": alias("expiresOn"), "greater": "[utcNow()]"}
    shifted = {"value": f"[addDays('{text}', 0)]", "notEquals": ""}
    if is_date:
        assert all(holds(condition, reading, resource=resource) for reading in (DOCUMENTED, STRICT))
        assert holds(shifted)
        return
    for reading in (DOCUMENTED, STRICT):
        with pytest.raises(Refused, match="different types"):
            holds(condition, reading, resource=resource)
    with pytest.raises(Refused):
        holds(shifted)


@pytest.mark.parametrize(
    "expression",
    [
        "[if(true(), 'x', string(null()))]",
        "[if(empty(field('Microsoft.Test/resourceType/missing')), 'x', addDays('', 1))]",
        "[string(field('Microsoft.Test/resourceType/missing'))]",
        "[toLower(field('Microsoft.Test/resourceType/missing'))]",
    ],
)
def test_strictly_both_branches_are_evaluated_and_what_is_not_there_is_null(expression: str) -> None:
    with pytest.raises(Refused):
        holds({"value": expression, "notEquals": "y"}, STRICT)
    assert holds({"value": expression, "notEquals": "y"}, DOCUMENTED)
    total = "[string(coalesce(field('Microsoft.Test/resourceType/missing'), ''))]"
    assert all(holds({"value": total, "equals": ""}, reading) for reading in READINGS)


def test_one_that_fails_is_not_hidden_where_all_are_looked_at() -> None:
    guarded = {"allOf": [{"field": "name", "equals": "other"}, {"field": "name", "less": 3}]}
    with pytest.raises(Refused):
        holds(guarded, Reading("eager", eager=True))
    assert not holds(guarded, DOCUMENTED)
    short = {"value": "[substring(field('name'), 0, 30)]", "equals": "x"}
    with pytest.raises(Refused):
        holds({"allOf": [{"field": "name", "equals": "other"}, short]}, LENIENT)


def test_a_question_mark_in_like() -> None:
    assert not holds({"field": "name", "like": "chil?"})
    assert holds({"field": "name", "like": "chil?"}, REGORUS)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[utcNow()]", "2026-11-21T12:00:00.0000000Z"),
        ("[addDays('2024-01-30T00:00:00Z', 5)]", "2024-02-04T00:00:00.0000000Z"),
        ("[addDays(utcNow(), -1)]", "2026-11-20T12:00:00.0000000Z"),
        ("[concat('a', 1, 'b')]", "a1b"),
        ("[if(greaterOrEquals(length(field('name')), 3), substring(field('name'), 0, 3), 'short')]", "chi"),
        ("[if(false(), addDays('no date', 1), 'lazy')]", "lazy"),
        ("[last(split(field('id'), '/'))]", "child"),
        ("[toUpper(first(split('a,b;c', createArray(',', ';'))))]", "A"),
        ("[replace('Contoso.net', '.net', '.com')]", "Contoso.com"),
        ("['it''s']", "it's"),
        ("[[no expression]", "[[no expression]"),
        ("[concat('[', 'no expression', ']')]", "[[no expression]"),
        ("[json('{\"a\": [1, 2]}').a[1]]", 2),
        ('[string(json(\'{"a": [1, true, null], "ä": "b"}\'))]', '{"a":[1,true,null],"ä":"b"}'),
        ("[uriComponent('a b:ä')]", "a%20b%3A%C3%A4"),
        ("[startsWith('abcdef', 'AB')]", True),
        ("[contains('abcdef', 'AB')]", False),
        ("[empty(field('Microsoft.Test/resourceType/missing'))]", True),
        ("[ipRangeContains('10.0.0.0/24', '10.0.0.1-10.0.0.9')]", True),
        ("[tryGet(resourceGroup(), 'name')]", "myRG"),
    ],
)
def test_functions(expression: str, value: Any) -> None:
    assert holds({"value": expression, "equals": value}, given={"resourceGroup": {"name": "myRG"}})


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "name", "like": "a*b*"},
        {"field": "name", "contains": "a*"},
        {"field": "name", "notLike": "[concat('*', '*')]"},
        {"field": "name", "equals": ["a"]},
        {"field": "location", "equals": "[parameters('allowed')]"},
        {"field": "name", "in": "a"},
        {"field": "name", "exists": "yes"},
        {"field": "name", "equals": "a", "like": "a"},
        {"field": "name", "value": "a", "equals": "a"},
        {"field": "name"},
        {"field": "name", "sounds": "a"},
        {"allOf": []},
        {"allOf": [{"field": "name", "equals": "a"}], "field": "name"},
        {"not": [{"field": "name", "equals": "a"}]},
        {"count": {"field": "Microsoft.Test/resourceType/stringArray"}, "equals": 1},
        {"count": {"field": "Microsoft.Test/resourceType/stringArray[*]", "name": "x"}, "equals": 1},
        {"count": {"value": "x"}, "equals": 1},
        {"value": "[reference('x')]", "equals": "a"},
        {"value": "[listKeys('x')]", "equals": "a"},
        {"value": "[dateTimeAdd(utcNow(), 'P1D')]", "equals": "a"},
        {"value": "[parameters('none')]", "equals": "a"},
        {"value": "[substring(field('name'), 0, 30)]", "equals": "a"},
        {"value": "[addDays('2026-11-21', 1)]", "equals": "a"},
        {"value": "[addDays(utcNow(), 9000000)]", "equals": "a"},
        {"value": "[addDays(utcNow(), '1')]", "equals": "a"},
        {"value": "[length(field('tags')]", "equals": "a"},
        {"value": "[name]", "equals": "a"},
        {"value": "['a' 'b']", "equals": "a"},
        {"value": "['a]", "equals": "a"},
        {"value": "[length(1)]", "equals": "a"},
        {"value": "[toLower(field('tags'))]", "equals": "a"},
        {"value": "[if('true', 1, 2)]", "equals": "1"},
        {"value": "[current()]", "equals": "a"},
        {"value": "[field('tags').none]", "equals": "a"},
        {"value": "[toLower()]", "equals": "a"},
        {"value": "[string(null())]", "equals": "a"},
        {"value": "[empty(1)]", "equals": "a"},
        {"value": "[empty(true())]", "equals": "a"},
        {"value": "[join(createArray('a', 1), '')]", "equals": "a"},
        {"field": "name", "equals": "[tryGet(field('tags'), 'none')]"},
        {"value": "[" + "not(" * 70 + "true()" + ")" * 70 + "]", "equals": "a"},
    ],
    ids=str,
)
def test_what_azure_refuses(condition: Mapping[str, Any]) -> None:
    for reading in READINGS:
        with pytest.raises(Refused):
            holds(condition, reading, declared={"allowed": {"type": "Array", "defaultValue": ["eastus2"]}})


def test_what_is_wrong_in_a_branch_that_is_not_taken_is_refused_when_it_is_written() -> None:
    never = {"field": "name", "equals": "nobody"}
    for wrong in ({"field": "name", "like": "**"}, {"value": "[newGuid()]", "equals": "x"}):
        with pytest.raises(Refused):
            holds({"allOf": [never, wrong]}, LENIENT)


def test_what_azure_has_and_the_evaluator_has_not_has_its_own_error() -> None:
    with pytest.raises(Unsupported):
        holds({"value": "[uniqueString('a')]", "equals": "a"})
    with pytest.raises(Unsupported):
        holds({"value": "[resourceGroup().name]", "equals": "a"})


def test_parameters_and_effect() -> None:
    declared = {
        "effect": {"type": "String", "defaultValue": "Audit", "allowedValues": ["Audit", "Deny", "Disabled"]},
        "maximumDays": {"type": "Integer", "defaultValue": 366},
    }
    rule = {"if": {"field": "name", "exists": True}, "then": {"effect": "[parameters('effect')]"}}
    policy = Policy({"name": "x", "properties": {"policyRule": rule, "parameters": declared}})
    assert policy.effect() == "audit"
    assert policy.effect({"EFFECT": "Deny"}) == "deny"
    for wrong in ({"effect": "Modify"}, {"maximumDays": "3"}, {"maximumDays": True}, {"other": 1}):
        with pytest.raises(Refused):
            policy.values(wrong)
    with pytest.raises(Refused, match="has no value"):
        Policy({"policyRule": rule, "parameters": {"effect": {"type": "String"}}}).effect()
