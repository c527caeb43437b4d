"""What a template deploys: ids at each scope, loops, conditions, nested templates, parameters, and what is refused."""

from typing import Any

import pytest

from guardrails.evaluation.plan import Outcome, Plan
from guardrails.evaluation.template import Stage
from guardrails.evaluation.values import Unknown
from guardrails.evaluation.world import World
from tests.evaluation.arm import EXEMPTION, GROUP, GUID, SUBSCRIPTION, WORLD, exemption, nested, plan, template

OTHER = "cccccccc-0000-4000-8000-000000000003"
SEEN = {"description": "[resourceGroup().name]", "displayName": "[variables('v')]"}
CORP = "/providers/Microsoft.Management/managementGroups/corp"


def ids(found: Plan) -> list[object]:
    return [one.id for one in found.exemptions]


def exemption_id(scope: str, name: str = "e") -> str:
    return f"{scope}/providers/{EXEMPTION}/{name}"


def refusal(found: Plan) -> str:
    assert found.outcome == Outcome.REFUSED
    return next(one.message for one in found.diagnostics if one.level == "error")


# where an exemption is


@pytest.mark.parametrize(
    ("scope", "world", "expected"),
    [
        ("", GROUP, exemption_id(GROUP)),
        ("subscription", SUBSCRIPTION, exemption_id(SUBSCRIPTION)),
        ("managementGroup", CORP, exemption_id(CORP)),
        ("tenant", "/", exemption_id("")),
        ("", GROUP.replace("resourceGroups", "RESOURCEgroups"), exemption_id(GROUP)),
        ("managementGroup", CORP.lower(), exemption_id(CORP)),
    ],
)
def test_an_exemption_is_on_the_scope_of_its_deployment(scope: str, world: str, expected: str) -> None:
    assert ids(plan(template(exemption(), scope=scope), World(world))) == [expected]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("Microsoft.Storage/storageAccounts/st", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st"),
        ("[resourceId('A.B/c/d', 'x', 'y')]", f"{GROUP}/providers/A.B/c/x/d/y"),
        ("[subscription().id]", SUBSCRIPTION),
    ],
)
def test_its_scope_property_says_another_scope(scope: str, expected: str) -> None:
    found = plan(template(exemption(scope=scope)))
    assert (ids(found), found.exemptions[0].scope) == ([exemption_id(expected)], expected)


@pytest.mark.parametrize(("world", "is_known"), [("/", True), (CORP, True), (SUBSCRIPTION, False), (GROUP, False)])
def test_a_management_group_as_a_relative_scope_is_known_from_above(world: str, *, is_known: bool) -> None:
    found = plan(template(exemption(scope="Microsoft.Management/managementGroups/other")), World(world))
    expected = exemption_id("/providers/Microsoft.Management/managementGroups/other")
    assert (ids(found) == [expected], isinstance(found.exemptions[0].id, Unknown)) == (is_known, not is_known)


def test_names_in_the_old_style() -> None:
    old = exemption("st/Microsoft.Authorization/old")
    old["type"] = "Microsoft.Storage/storageAccounts/providers/policyExemptions"
    child = {
        "type": "providers/policyExemptions",
        "apiVersion": "2022-07-01-preview",
        "name": "Microsoft.Authorization/in",
    }
    parent = {"type": "A.B/c", "apiVersion": "1", "name": "x", "resources": [child]}
    found = plan(template(old, parent))
    assert ids(found) == [
        exemption_id(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st", "old"),
        exemption_id(f"{GROUP}/providers/A.B/c/x", "in"),
    ]
    assert found.exemptions[1].name == "x/Microsoft.Authorization/in"


def test_a_name_that_does_not_fit_its_type_is_refused() -> None:
    assert "one part for each part" in refusal(plan(template(exemption("a/b"))))


@pytest.mark.parametrize(
    ("call", "world", "expected"),
    [
        ("'A.B/c', 'x'", GROUP, f"{GROUP}/providers/A.B/c/x"),
        ("'g', 'A.B/c', 'x'", GROUP, f"{SUBSCRIPTION}/resourceGroups/g/providers/A.B/c/x"),
        (f"'{OTHER}', 'g', 'A.B/c', 'x'", GROUP, f"/subscriptions/{OTHER}/resourceGroups/g/providers/A.B/c/x"),
        ("'A.B/c', 'x'", SUBSCRIPTION, f"{SUBSCRIPTION}/providers/A.B/c/x"),
        (f"'{OTHER}', 'A.B/c', 'x'", SUBSCRIPTION, f"/subscriptions/{OTHER}/providers/A.B/c/x"),
        ("'A.B/c', 'x'", CORP, "/providers/A.B/c/x"),
        ("'g', 'A.B/c', 'x'", SUBSCRIPTION, None),
        (f"'{OTHER}', 'g', 'A.B/c', 'x'", SUBSCRIPTION, None),
        (f"'{OTHER}', 'A.B/c', 'x'", GROUP, None),
        ("'g', 'A.B/c', 'x'", CORP, None),
    ],
)
def test_what_resource_id_means_depends_on_the_scope(call: str, world: str, expected: str | None) -> None:
    outputs = {"x": {"type": "string", "value": f"[resourceId({call})]"}}
    found = plan(template(outputs=outputs), World(world)).outputs["x"]
    assert (None if isinstance(found, Unknown) else found) == expected


def test_without_a_place_the_name_and_the_values_are_known_all_the_same() -> None:
    found = plan(template(exemption(properties={"displayName": "x"})), World()).exemptions[0]
    assert found.name == "e"
    assert found.properties["displayName"] == "x"
    assert isinstance(found.id, Unknown)
    assert "--deploy-to" in found.id.reason


# loops and conditions


def test_a_loop_makes_one_exemption_for_each_turn() -> None:
    copies: Any = {"name": "all", "count": "[length(parameters('names'))]"}
    one = exemption("[concat(parameters('names')[copyIndex()], copyIndex('ALL', 1))]", copy=copies)
    one["condition"] = "[not(equals(copyIndex(), 1))]"
    found = plan(template(one, parameters={"names": {"type": "array", "defaultValue": ["a", "b", "c"]}}))
    assert [(each.name, each.deployed, each.entry) for each in found.exemptions] == [
        ("a1", True, 0), ("b2", False, 1), ("c3", True, 2),
    ]  # fmt: skip


def test_loops_in_properties_variables_and_outputs() -> None:
    loop = [{"name": "ids", "count": 2, "input": "[concat(variables('v')[copyIndex('ids')], copyIndex())]"}]
    found = plan(
        template(
            exemption(copy={"name": "r", "count": 1}, properties={"metadata": {"copy": loop, "a": 1}}),
            variables={"copy": [{"name": "v", "count": 2, "input": "[string(copyIndex('v', 5))]"}]},
            outputs={"o": {"type": "array", "copy": {"count": 2, "input": "[copyIndex(3)]"}}},
        )
    )
    assert found.exemptions[0].properties["metadata"] == {"a": 1, "ids": ["50", "60"]}
    assert found.outputs == {"o": [3, 4]}


def test_an_unknown_count_or_condition_lists_an_exemption_once_as_undecided() -> None:
    parameters = {"n": {"type": "int"}, "on": {"type": "bool"}}
    loop = exemption("[concat('e', copyIndex())]", copy={"name": "c", "count": "[parameters('n')]"})
    maybe = exemption("maybe", condition="[parameters('on')]")
    found = plan(template(loop, maybe, parameters=parameters))
    assert [one.deployed for one in found.exemptions] == [None, None]
    assert isinstance(found.exemptions[0].name, Unknown)
    assert found.exemptions[1].name == "maybe"
    assert found.outcome == Outcome.DEPLOYS


@pytest.mark.parametrize("count", [-1, "x", "[copyIndex('c')]", 801])
def test_a_loop_that_cannot_run_is_refused_at_its_place(count: object) -> None:
    found = plan(template(exemption(copy={"name": "c", "count": count})))
    assert found.outcome == Outcome.REFUSED
    assert found.diagnostics[0].place.line > 1


def test_a_condition_that_is_no_truth_value_is_refused() -> None:
    assert "not true or false" in refusal(plan(template(exemption(condition=[]))))
    assert plan(template(exemption(condition=1))).outcome == Outcome.UNKNOWN


# nested templates


def test_an_inner_template_has_its_own_names_and_scope() -> None:
    inner = template(
        exemption(
            "[parameters('p')]", properties={"description": "[resourceGroup().name]", "displayName": "[variables('v')]"}
        ),
        parameters={"p": {"type": "string"}},
        variables={"v": "inner"},
    )
    outer = nested(
        inner, parameters={"p": "[concat(parameters('p'), '-passed')]"}, resourceGroup="rg-two", subscriptionId=OTHER
    )
    found = plan(
        template(outer, parameters={"p": {"type": "string", "defaultValue": "outer"}}, variables={"v": "outer"})
    )
    assert ids(found) == [exemption_id(f"/subscriptions/{OTHER}/resourceGroups/rg-two", "outer-passed")]
    properties = found.exemptions[0].properties
    assert (properties["description"], properties["displayName"]) == ("rg-two", "inner")
    assert [place.path for place in found.exemptions[0].via] == ["main.json"]


def test_without_inner_evaluation_names_and_scope_functions_are_of_the_outer_template() -> None:
    inner = template(
        exemption(
            "[parameters('p')]", properties={"description": "[resourceGroup().name]", "displayName": "[variables('v')]"}
        ),
        parameters={"p": {"type": "string", "defaultValue": "inner"}},
        variables={"v": "inner"},
    )
    outer = nested(inner, inner=False, resourceGroup="rg-two")
    found = plan(
        template(outer, parameters={"p": {"type": "string", "defaultValue": "outer"}}, variables={"v": "outer"})
    )
    assert ids(found) == [exemption_id(f"{SUBSCRIPTION}/resourceGroups/rg-two", "outer")]
    properties = found.exemptions[0].properties
    assert (properties["description"], properties["displayName"]) == ("rg", "outer")


def test_a_loop_in_a_nested_template_of_outer_scope_is_refused() -> None:
    inner = template(exemption("[concat('e', copyIndex())]", copy={"name": "c", "count": 2}))
    assert "a loop may not stand" in refusal(plan(template(nested(inner, inner=False))))


def test_nested_deployments_in_a_loop_and_with_a_condition() -> None:
    inner = template(
        exemption("[concat('e', parameters('n'))]"), parameters={"n": {"type": "int"}}, scope="subscription"
    )
    loop = nested(
        inner, name="[concat('d', copyIndex())]", copy={"name": "c", "count": 2}, parameters={"n": "[copyIndex()]"}
    )
    off = nested(template(exemption("off")), name="off", condition=False)
    found = plan(template({**loop, "subscriptionId": OTHER}, off))
    assert ids(found)[:2] == [
        exemption_id(f"/subscriptions/{OTHER}", "e0"),
        exemption_id(f"/subscriptions/{OTHER}", "e1"),
    ]
    assert [one.deployed for one in found.exemptions] == [True, True, False]


@pytest.mark.parametrize(
    "reference", ["made", f"[resourceId('{GUID}', 'rg', 'Microsoft.Resources/deployments', 'made')]"]
)
def test_outputs_of_a_nested_deployment_are_known_where_they_are_made_of_known_values(reference: str) -> None:
    outputs = {
        "a": {"type": "string", "value": "[concat('x', 'y')]"},
        "b": {"type": "string", "value": "[reference('z').q]"},
    }
    named = reference.removeprefix("[").removesuffix("]") if reference.startswith("[") else f"'{reference}'"
    one = exemption(
        properties={
            "displayName": f"[reference({named}).outputs.a.value]",
            "description": f"[reference({named}).outputs.b.value]",
        }
    )
    properties = plan(template(nested(template(outputs=outputs), name="made"), one)).exemptions[0].properties
    assert properties["displayName"] == "xy"
    assert isinstance(properties["description"], Unknown)


def test_scopes_of_nested_deployments() -> None:
    to_group = nested(
        template(exemption("mg"), scope="managementGroup"),
        name="a",
        scope="[concat('Microsoft.Management/managementGroups/', 'corp')]",
    )
    to_tenant = nested(template(exemption("t"), scope="tenant"), name="b", scope="/")
    found = plan(template(to_group, to_tenant, scope="tenant"), World("/"))
    assert ids(found) == [exemption_id(CORP, "mg"), exemption_id("", "t")]


@pytest.mark.parametrize(
    ("given", "message"),
    [({}, "is given no value"), ({"n": 1, "m": 2}, "has no parameter 'm'"), ({"n": [1]}, "not an integer")],
)
def test_parameters_that_do_not_fit_a_nested_template_refuse_the_deployment(
    given: dict[str, Any], message: str
) -> None:
    inner = template(exemption("[string(parameters('n'))]"), parameters={"n": {"type": "int"}})
    assert message in refusal(plan(template(nested(inner, parameters=given))))


def test_a_template_that_is_elsewhere_makes_the_outcome_unknown() -> None:
    linked = nested({}, name="linked")
    linked["properties"] = {"mode": "Incremental", "templateLink": {"uri": "https://example.com/a.json"}}
    assert plan(template(linked, exemption())).outcome == Outcome.UNKNOWN


# parameters


def test_a_parameter_is_given_or_has_its_default_or_is_unknown() -> None:
    parameters = {
        "a": {"type": "string", "defaultValue": "[concat('d-', parameters('b'))]"},
        "b": {"type": "string", "defaultValue": "b"},
        "c": {"type": "string"},
    }
    one = exemption(
        "[parameters('A')]", properties={"displayName": "[parameters('b')]", "description": "[parameters('c')]"}
    )
    found = plan(template(one, parameters=parameters), given={"b": "given"}).exemptions[0]
    assert (found.name, found.properties["displayName"]) == ("d-given", "given")
    unknown = found.properties["description"]
    assert isinstance(unknown, Unknown)
    assert ("--parameters" in unknown.reason, unknown.place.path, unknown.place.line > 1) == (True, "main.json", True)


def test_null_gives_the_default() -> None:
    parameters = {"a": {"type": "string", "defaultValue": "d"}, "b": {"type": "string", "nullable": True}}
    one = exemption(properties={"displayName": "[parameters('a')]", "description": "[parameters('b')]"})
    properties = plan(template(one, parameters=parameters), given={"a": None}).exemptions[0].properties
    assert (properties["displayName"], properties["description"]) == ("d", None)


@pytest.mark.parametrize("text", ["[concat('a')]", "[[a]"])
def test_a_text_in_brackets_in_a_parameter_file_is_unknown(text: str) -> None:
    one = exemption(properties={"displayName": "[parameters('a')]"})
    found = plan(template(one, parameters={"a": {"type": "string"}}), given={"a": text})
    assert isinstance(found.exemptions[0].properties["displayName"], Unknown)


def test_the_default_of_a_parameter_may_not_use_variables() -> None:
    parameters = {"a": {"type": "string", "defaultValue": "[variables('v')]"}}
    assert "may not use variables" in refusal(plan(template(parameters=parameters, variables={"v": "x"})))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ({"type": "string", "allowedValues": ["a", "b"]}, "c"),
        ({"type": "array", "allowedValues": ["a", "b"]}, ["a", "c"]),
        ({"type": "string"}, 1),
        ({"type": "object"}, []),
        ({"type": "int", "minValue": 3}, 2),
        ({"type": "int", "maxValue": 3}, 4),
        ({"type": "string", "minLength": 3}, "ab"),
        ({"type": "array", "maxLength": 1}, [1, 2]),
        ({"type": "object", "properties": {"a": {"type": "int"}}}, {"b": 1}),
        ({"$ref": "#/definitions/small"}, 12),
    ],
)
def test_a_value_that_a_parameter_does_not_take_refuses_the_deployment(declared: dict[str, Any], value: object) -> None:
    source = template(exemption(), parameters={"p": declared}, definitions={"small": {"type": "int", "maxValue": 9}})
    found = plan(source, given={"p": value})
    assert (found.outcome, found.stage, found.diagnostics[0].place.path) == (
        Outcome.REFUSED, Stage.EVALUATE, "main.parameters.json",
    )  # fmt: skip
    assert found.exemptions[0].properties["exemptionCategory"] == "Waiver"


@pytest.mark.parametrize(
    ("declared", "value"),
    [({"type": "int"}, "5"), ({"type": "string", "allowedValues": ["Web"]}, "web"), ({"type": "string"}, None)],
)
def test_a_value_that_azure_may_convert_is_unknown(declared: dict[str, Any], value: object) -> None:
    one = exemption(properties={"metadata": {"p": "[parameters('p')]"}})
    found = plan(template(one, parameters={"p": declared}), given={"p": value})
    assert found.outcome == Outcome.UNKNOWN
    assert isinstance(found.exemptions[0].properties["metadata"]["p"], Unknown)


def test_a_parameter_that_the_template_does_not_have_is_refused() -> None:
    assert "no parameter 'q'" in refusal(plan(template(exemption()), given={"q": 1}))


# what goes wrong


def test_one_value_that_is_refused_hides_no_other() -> None:
    bad = exemption("bad", properties={"expiresOn": "[dateTimeAdd('never', 'P1D')]", "metadata": {"owner": "o"}})
    found = plan(template(bad, exemption("good")))
    assert (found.outcome, found.stage) == (Outcome.REFUSED, Stage.EVALUATE)
    assert [one.name for one in found.exemptions] == ["bad", "good"]
    properties = found.exemptions[0].properties
    assert isinstance(properties["expiresOn"], Unknown)
    assert properties["metadata"] == {"owner": "o"}
    assert (len(found.diagnostics), found.diagnostics[0].place.line > 1) == (1, True)


def test_a_fault_in_another_resource_refuses_the_deployment_too() -> None:
    other = {"type": "A.B/c", "apiVersion": "1", "name": "x", "location": "[parameters('none')]"}
    assert "no parameter 'none'" in refusal(plan(template(other, exemption())))


def test_a_fault_behind_a_false_condition_refuses_nothing() -> None:
    off = exemption(condition=False, properties={"expiresOn": "[variables('none')]"})
    assert plan(template(off)).outcome == Outcome.DEPLOYS


def test_an_object_with_a_computed_key_that_it_already_has_is_unknown() -> None:
    made = template(outputs={"x": {"type": "object", "value": {"a": 1, "[concat('a', '')]": 2}}})
    assert plan(made).outcome == Outcome.UNKNOWN


def test_a_fault_in_the_name_behind_a_false_condition_may_refuse_the_deployment() -> None:
    off = plan(template(exemption("[createArray()[0]]", condition=False)))
    assert (off.outcome, off.exemptions[0].deployed) == (Outcome.UNKNOWN, False)


def test_a_fault_in_a_nested_deployment_that_does_not_take_place_refuses_nothing() -> None:
    loop = exemption("[concat('e', copyIndex())]", copy={"name": "c", "count": "[length(parameters('p').none)]"})
    inner = template(loop, exemption("[parameters('p').none]"), parameters={"p": {"type": "object"}})
    given = {"p": "[createObject().none]"}
    assert plan(template(nested(inner, condition=False, parameters=given))).outcome == Outcome.DEPLOYS
    maybe = nested(inner, condition="[parameters('on')]", parameters=given)
    assert plan(template(maybe, parameters={"on": {"type": "bool"}})).outcome == Outcome.UNKNOWN


def test_a_text_in_brackets_is_computed_twice_in_a_nested_template_of_outer_scope() -> None:
    one = exemption("[[concat('a', 'b')]", properties={"displayName": "[concat('[', 'x', ']')]", "description": "[[x"})
    found = plan(template(nested(template(one), inner=False))).exemptions[0]
    assert (isinstance(found.name, Unknown), isinstance(found.properties["displayName"], Unknown)) == (True, True)
    assert found.properties["description"] == "[[x"


def test_a_variable_that_depends_on_itself_is_refused() -> None:
    one = exemption(properties={"displayName": "[variables('a')]"})
    found = plan(template(one, variables={"a": "[variables('b')]", "b": "[variables('a')]"}))
    assert "depends on itself" in refusal(found)


def test_functions_of_a_template() -> None:
    members = {
        "twice": {
            "parameters": [{"name": "x", "type": "string"}],
            "output": {"type": "string", "value": "[concat(parameters('X'), parameters('x'))]"},
        },
        "peek": {"output": {"type": "string", "value": "[variables('v')]"}},
    }
    functions = [{"namespace": "own", "members": members}]
    outputs = {"x": {"type": "string", "value": "[OWN.Twice('ab')]"}}
    assert plan(template(functions=functions, outputs=outputs)).outputs == {"x": "abab"}
    for call in ("own.twice()", "own.twice(1)", "own.peek()"):
        outputs = {"x": {"type": "string", "value": f"[{call}]"}}
        assert plan(template(functions=functions, outputs=outputs, variables={"v": "x"})).outcome == Outcome.REFUSED


def test_symbolic_names() -> None:
    resources = {
        "st": {"existing": True, "type": "A.B/c", "apiVersion": "1", "name": "x"},
        "e": exemption(
            scope="[resourceInfo('ST').id]",
            properties={"displayName": "[resourceInfo('st').name]", "description": "[reference('st').q]"},
        ),
    }
    found = plan({**template(), "languageVersion": "2.0", "resources": resources})
    assert ids(found) == [exemption_id(f"{GROUP}/providers/A.B/c/x")]
    assert found.exemptions[0].properties["displayName"] == "x"
    assert isinstance(found.exemptions[0].properties["description"], Unknown)


def test_objects_of_azure_fill_what_scope_functions_leave_open() -> None:
    objects: dict[str, dict[str, Any]] = {
        GROUP.lower(): {"location": "westus", "tags": {"a": "b"}},
        SUBSCRIPTION: {"displayName": "Sub"},
    }
    outputs = {
        "tag": {"type": "string", "value": "[resourceGroup().tags.a]"},
        "where": {"type": "string", "value": "[resourceGroup().location]"},
        "name": {"type": "string", "value": "[subscription().displayName]"},
    }
    found = plan(template(outputs=outputs), World(GROUP, location="northeurope", objects=objects)).outputs
    assert found == {"tag": "b", "where": "northeurope", "name": "Sub"}
    assert plan(template(outputs=outputs), WORLD).outputs["where"] == "northeurope"
