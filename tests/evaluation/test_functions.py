"""Functions compute what the engine computes; what it refuses is refused; what is not certain is Unknown."""

import json
from typing import Any

import pytest

from guardrails.evaluation.functions import MODULES, load
from guardrails.evaluation.functions.base import FUNCTIONS
from guardrails.evaluation.functions.deployment import DEPLOYMENT
from guardrails.evaluation.functions.lambdas import LAMBDAS
from guardrails.evaluation.world import World
from tests.evaluation.arm import GUID, SUBSCRIPTION, is_refused, is_unknown, plan, template, value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[concat('a', 2, true())]", "a2True"),
        ("[concat(createArray(1), createArray('b'))]", [1, "b"]),
        ("[toUpper('straße')]", "STRAßE"),
        ("[toUpper('ıŉᾳ')]", "ıŉᾼ"),
        ("[toLower('İÄ')]", "İä"),
        ("[toLower('\u212a')]", "k"),
        ("[contains(createObject('\u017f', 1), 's')]", False),
        ("[trim('\u00a0\u2003x\u200b')]", "x\u200b"),
        ("[startsWith('abc', 'AB')]", True),
        ("[startsWith('e\u0301a', 'É')]", True),
        ("[endsWith('abc\u200b', 'BC')]", True),
        ("[indexOf('a\u00adb', 'B')]", 2),
        ("[indexOf('e\u0301', 'e')]", -1),
        ("[indexOf(createArray('a', 'B'), 'b')]", -1),
        ("[lastIndexOf('abAB', 'b')]", 3),
        ("[contains('abc', 'B')]", False),
        ("[contains(createObject('Key', 1), 'kEY')]", True),
        ("[contains(createArray(1, createObject('a', 1)), createObject('a', 1))]", True),
        ("[replace('aAa', 'a', 'xy')]", "xyAxy"),
        ("[split('a, b,c', createArray(', ', ','))]", ["a", "b", "c"]),
        ("[join(createArray('a', 1, false()), '-')]", "a-1-False"),
        ("[substring('abc', 1)]", "bc"),
        ("[length('a\U0001f600')]", 3),
        ("[take('a\U0001f600', 3)]", "a\U0001f600"),
        ("[padLeft(7, 3, '0')]", "007"),
        ("[base64ToJson(base64('{\"a\": [1]}'))]", {"a": [1]}),
        ("[dataUriToString(dataUri('é'))]", "é"),
        ("[uriComponentToString(uriComponent('a b/é?&!'))]", "a b/é?&!"),
        ("[uri('https://a.b/c/', 'd/e')]", "https://a.b/c/d/e"),
        ("[string(createObject('a', createArray(true(), null()), 'b', 'x\"y'))]", '{"a":[true,null],"b":"x\\"y"}'),
        ("[format('{0}|{0,5}|{0,-5}|{1:D3}|{{}}', 'a', 7)]", "a|    a|a    |007|{}"),
        ("[format('{0:N0} {0:X} {0:x4} {0:E2} {0:P1} {0:F1}', 1234)]", "1,234 4D2 04d2 1.23E+003 123,400.0 % 1234.0"),
        ("[format('{0:0000} {0:#,##0.00} {0:#}', 1234)]", "1234 1,234.00 1234"),
        ("[format('{0}', createObject('a', createArray('b', 1)))]", "{'a':['b',1]}"),
        ("[less('a_b', 'a-b')]", True),
        ("[less('Z', 'a')]", False),
        ("[less('e', 'é')]", True),
        ("[less('éa', 'eb')]", True),
        ("[lessOrEquals('a\u00ad', 'a')]", True),
        ("[greaterOrEquals(3, 3)]", True),
        ("[equals(createObject('a', 1, 'b', 2), createObject('b', 2, 'a', 1))]", True),
        ("[equals(1, true())]", False),
        ("[and(true(), equals(1, 1))]", True),
        ("[or(true(), variables('none'))]", True),
        ("[and(contains(createObject('a', 1), 'b'), equals(createObject('a', 1).b, 1))]", False),
        ("[not(empty(createArray(null())))]", True),
        ("[div(-7, 2)]", -3),
        ("[mod(-7, 3)]", -1),
        ("[max(createArray(3, 9, 1))]", 9),
        ("[int('+5')]", 5),
        ("[bool(' TRUE ')]", True),
        ("[bool(-1)]", True),
        ("[range(-1, 3)]", [-1, 0, 1]),
        ("[union(createArray(1, createObject('a', 1)), createArray(createObject('a', 1), 2))]", [1, {"a": 1}, 2]),
        (
            "[union(createObject('a', createObject('b', 1)), createObject('a', createObject('c', 2)))]",
            {"a": {"b": 1, "c": 2}},
        ),
        ("[union(createObject('a', 1), createObject('A', 2))]", {"A": 2}),
        ("[union(createObject('a', 1), createObject('a', null()))]", {"a": 1}),
        ("[intersection(createArray(1, 2, 2, 3), createArray(2, 3, 3))]", [2, 3]),
        ("[intersection(createObject('a', 1, 'b', 2), createObject('a', 1, 'b', 3))]", {"a": 1}),
        ("[shallowMerge(createArray(createObject('a', 1), createObject('A', 2, 'b', 3)))]", {"a": 2, "b": 3}),
        ("[objectKeys(createObject('b_', 1, 'bz', 2, 'B1', 3))]", ["B1", "bz", "b_"]),
        ("[items(createObject('b', 1, 'A', 2))]", [{"key": "A", "value": 2}, {"key": "b", "value": 1}]),
        ("[tryGet(createArray(createObject('a', 1)), 0, 'a')]", 1),
        ("[tryIndexFromEnd(createArray(1), 2)]", None),
        ("[indexFromEnd(createArray(1, 2), 2)]", 1),
        ("[flatten(createArray(createArray(1), createArray(), createArray(2)))]", [1, 2]),
        ("[first(createArray())]", None),
        ("[last('')]", ""),
        ("[skip(createArray(1, 2), -3)]", [1, 2]),
        ("[coalesce(null(), '')]", ""),
        ("[if(equals(1, 1), 'yes', fail('no'))]", "yes"),
        ("[json('{a: ''x'', /* c */ \"b\": 01}')]", {"a": "x", "b": 1}),
        ('[json(\'{"a": 1, "a": 2}\')]', {"a": 2}),
        ("[json('1.0')]", 1.0),
        ("[json('[1,]')]", [1]),
        ("[uri('https://a/b/d/', '../c')]", "https://a/b/c"),
        ("[uri('https://a/b/d', './c')]", "https://a/b/c"),
        ("[uri('https://a/b', '../../c')]", "https://a/c"),
        ("[json('{\"a\": [2,],}')]", {"a": [2]}),
        ("[map(createArray(1, 2), lambda('x', 'i', mul(lambdaVariables('x'), lambdaVariables('I'))))]", [0, 2]),
        ("[groupBy(createArray('a', 'A'), lambda('x', lambdaVariables('x')))]", {"a": ["a", "A"]}),
        (
            "[sort(createArray('b', 'A', 'a'), lambda('x', 'y', less(lambdaVariables('x'), lambdaVariables('y'))))]",
            ["a", "A", "b"],
        ),
        ("[reduce(createArray(), 7, lambda('a', 'b', lambdaVariables('a')))]", 7),
        ("[cidrSubnet('10.0.0.0/16', 20, 3)]", "10.0.48.0/20"),
        ("[cidrHost('10.0.0.0/24', 9)]", "10.0.0.10"),
        ("[guid('a', 'b')]", "2d796349-8c7e-55ec-9624-54ece82ed031"),
        ("[uniqueString('a')]", "eveiun73364hy"),
        (f"[resourceId('{GUID}', 'g', 'A.B/c/d', 'x', 'y')]", f"{SUBSCRIPTION}/resourceGroups/g/providers/A.B/c/x/d/y"),
        ("[extensionResourceId('/a/b/', 'A.B/c', 'x')]", "/a/b/providers/A.B/c/x"),
        ("[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'g')]", f"{SUBSCRIPTION}/resourceGroups/g"),
        ("[tenantResourceId('A.B/c', 'x')]", "/providers/A.B/c/x"),
    ],
)
def test_a_function_computes_what_the_engine_computes(expression: str, expected: Any) -> None:
    found = value(expression)
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "[toLower(1)]",
        "[replace('a', '', 'b')]",
        "[substring('abc', 1, 5)]",
        "[padLeft('a', 0)]",
        "[padLeft('a', 3, 'bc')]",
        "[join(createArray(createArray(1)), '')]",
        "[format('{1}', 'a')]",
        "[format('{0', 'a')]",
        "[format('{0:W}', 1)]",
        "[string(null())]",
        "[string(json('1.5'))]",
        "[int('1e3')]",
        "[int('\uff15')]",
        "[int('')]",
        "[bool('1')]",
        "[div(1, 0)]",
        "[range(0, 10001)]",
        "[range(2147483640, 10)]",
        "[empty(1)]",
        "[concat('a', createArray())]",
        "[union(createArray(), createObject())]",
        "[createObject('a')]",
        "[union(createObject('a', 1), createObject('a', createObject()))]",
        "[createArray(1)[1]]",
        "[createObject().a]",
        "[null().a]",
        "[toObject(createArray('a', 'A'), lambda('x', lambdaVariables('x')))]",
        "[json('[1 2]')]",
        "[json('abc')]",
        "[json('True')]",
        "[json('<a/>')]",
        "[json('')]",
        "[base64ToString('!!')]",
        "[fail('stop')]",
        "[newGuid()]",
        "[utcNow()]",
        "[copyIndex()]",
        "[true]",
        "[]",
        "[1 2]",
        '[toLower("a")]',
        "[concat('a',)]",
        "[variables('none')]",
        "[parameters('none')]",
        "[lambdaVariables('x')]",
        "[resourceId('A.B/c/d', 'x')]",
        "[extensionResourceId('', 'A.B/c', 'x')]",
        "[managementGroup().id]",
        "[filter(createObject(), lambda('x', true()))]",
        "[if('true', 1, 2)]",
        "[not(1)]",
        "[less('a', 1)]",
        "[cidrSubnet('10.0.0.0/24', 20, 0)]",
        "[length(1)]",
        "[max(1, 'a')]",
        "[toUpper()]",
        "[resourceGroup('x')]",
        "[toUpper('a', 'b')]",
        "[and('', false())]",
        "[or(createArray(), equals(1, 1))]",
    ],
)
def test_what_the_engine_refuses_is_refused(expression: str) -> None:
    assert is_refused(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "[less('ß', 'ss')]",
        "[toUpper('\u017f')]",
        "[toUpper('\u10d0')]",
        "[json('1e400')]",
        "[string(json('[1e15]'))]",
        "[and(true())]",
        "[tenant().displayName]",
        "[max(1)]",
        "[less('æ', 'b')]",
        "[startsWith('ß', 's')]",
        "[startsWith('a\r\nb', 'a')]",
        "[indexOf('\u00adab', 'a')]",
        "[first('\U0001f600')]",
        "[split('a b', '')]",
        "[array(createArray(1))]",
        "[createArray(1.5)]",
        "[format('{0}', json('1.5'))]",
        "[format('{0}', createArray('it''s'))]",
        "[format('{0:X}', -1)]",
        "[string(json('{\"a\": 1e30}'))]",
        "[add(9223372036854775807, 1)]",
        "[int(' 5')]",
        "[union(createObject('a', null()), createObject('a', createObject()))]",
        "[concat('a', null())]",
        "[string(union(createObject('a', 1, 'b', 2), createObject('A', 3)))]",
        "[equals(1, json('1.0'))]",
        "[tryGet(createObject('a', createObject()), 'a', 'b')]",
        "[json('010')]",
        "[json('[1,,2]')]",
        "[json('{\"a\": NaN}')]",
        "[parseCidr('fdad::/48')]",
        "[uri('https://a/b', '//c')]",
        "[+1]",
        "[add(+1, 2)]",
        "[reference('x').y]",
        "[listKeys('x', '2020')]",
        "[environment().name]",
        "[resourceGroup().tags]",
        "[subscription().displayName]",
        "[noSuchFunction(1)]",
        "[resourceGroup()]",
        "[createObject('g', resourceGroup()).g]",
        "[padLeft('a', 2000000000)]",
    ],
)
def test_what_is_not_certain_is_unknown(expression: str) -> None:
    assert is_unknown(expression)


def test_the_tenant_and_a_management_group_have_the_ids_and_type_that_the_engine_gives_them() -> None:
    world = World("/providers/Microsoft.Management/managementGroups/corp", "t")
    found = plan(template(scope="managementGroup", outputs={
        "t": {"type": "string", "value": "[tenant().id]"}, "m": {"type": "string", "value": "[managementGroup().type]"},
    }), world)  # fmt: skip
    assert found.outputs == {"t": "/tenants/t", "m": "Microsoft.Management/managementGroups"}


def test_a_wrong_kind_behind_an_unknown_is_not_certainly_refused() -> None:
    assert is_unknown("[or(equals(reference('x').y, 1), createArray())]")
    assert is_unknown("[and(equals(reference('x').y, 1), '', false())]")


def test_what_is_known_around_an_unknown_stays_known() -> None:
    assert value("[length(createArray(reference('x'), 1))]") == 2
    assert value("[createObject('a', reference('x'), 'b', 1).b]") == 1
    assert value("[contains(createArray(reference('x'), 1), 1)]") is True
    assert value("[equals(createArray(reference('x'), 1), createArray(2, 2))]") is False
    assert value("[or(equals(reference('x').y, 1), true())]") is True
    assert value("[if(equals(reference('x').y, 1), 'same', 'same')]") == "same"
    assert value("[union(createObject('a', reference('x')), createObject('b', 1)).b]") == 1
    assert value("[empty(resourceGroup())]") is False
    assert is_unknown("[contains(createArray(reference('x'), 1), 2)]")
    assert is_unknown("[union(createObject('a', 1), reference('x')).a]")
    assert is_unknown("[union(createObject('a', reference('x')), createObject('a', createObject())).a]")
    assert is_unknown("[if(equals(reference('x').y, 1), 'a', fail('b'))]")


def test_every_function_is_in_the_module_that_is_loaded_for_it() -> None:
    for module in MODULES:
        load(module)
    tables: dict[str, Any] = {**FUNCTIONS, **LAMBDAS, **DEPLOYMENT}
    named = {name.lower(): name for names in MODULES.values() for name in names}
    assert {name: one.name for name, one in tables.items()} == named
    homes = {name: one.compute.__module__.rpartition(".")[2] for name, one in tables.items()}
    assert homes == {name.lower(): module for module, names in MODULES.items() for name in names}
