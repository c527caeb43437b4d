"""ARM templates and parameter files are distinguished, read whole, and a fault in them has its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.expressions import Access, Call, Literal, Local, Node, Parameter, Variable
from guardrails.evaluation.template import Level, ScopeKind, Stage, Template
from guardrails.evaluation.values import NOWHERE, Place, Unknown
from guardrails.evaluation.world import World
from guardrails.files.arm_expressions import NotAnExpression, is_expression, parse, unescaped
from guardrails.files.arm_template import is_parameter_file, is_template, read_parameter_file, read_template
from guardrails.files.json_places import read
from tests import reference
from tests.evaluation.arm import EXEMPTION, GROUP, exemption, nested, plan, template

CORPUS = reference.files("corpus/arm-bicep", "*.json")


def tree(node: Node) -> Any:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Parameter | Variable | Local):
        return f"{type(node).__name__} {node.name}"
    if isinstance(node, Access):
        return [tree(node.target), ".", tree(node.key)]
    assert isinstance(node, Call)
    return [node.name, *map(tree, node.arguments)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("['it''s']", "it's"),
        ("[-1]", -1),
        ("[ f( 'a' ,\n 2 ) ]", ["f", "a", 2]),
        ("[a.b(parameters('p'))]", ["a.b", "Parameter p"]),
        ("[variables('v').x[0]['y']]", [[["Variable v", ".", "x"], ".", 0], ".", "y"]),
        ("[f()[add(1, 2)]]", [["f"], ".", ["add", 1, 2]]),
        ("[Parameters('p')]", "Parameter p"),
        ("[lambdaVariables('X')]", "Local x"),
        ("[parameters(concat('a'))]", ["parameters", ["concat", "a"]]),
    ],
)
def test_expressions(text: str, expected: Any) -> None:
    assert is_expression(text)
    assert tree(parse(text, NOWHERE)) == expected


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("[]", 1),
        ("[true]", 5),
        ("[f(]", 3),
        ("[f('a',)]", 7),
        ("[f('a' 'b')]", 7),
        ('[f("a")]', 3),
        ("[f().]", 5),
        ("[f()]]", 4),
    ],
)
def test_a_fault_in_an_expression_has_its_place(text: str, offset: int) -> None:
    with pytest.raises(NotAnExpression) as raised:
        parse(text, NOWHERE)
    assert raised.value.offset == offset


@pytest.mark.parametrize("text", ["[open", " [f()]", "[f()] ", "[[x]", "x]", ""])
def test_what_is_no_expression(text: str) -> None:
    assert not is_expression(text)
    assert unescaped(text) == ("[x]" if text == "[[x]" else text)


_SOUND: dict[str, Any] = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [{"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2022-09-01", "name": "a"}],
}


def _outcome(change: Callable[[dict[str, Any]], object]) -> str:
    """Return what becomes of a sound template that is changed."""
    template = json.loads(json.dumps(_SOUND))
    change(template)
    return deploy(read_template(json.dumps(template), "a.json"), World(GROUP)).outcome


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["resources"][0].pop("name"),
        lambda one: one["resources"][0].pop("type"),
        lambda one: one["resources"][0].pop("apiVersion"),
        lambda one: one["resources"][0].update(description="b"),
        lambda one: one.update(resource=[]),
        lambda one: one.update(parameters={"p": {"type": "text", "defaultValue": "a"}}),
    ],
)
def test_what_the_engine_does_not_read_as_a_template_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    assert _outcome(lambda _: None) == "deploys"
    assert _outcome(change) == "refused"


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.pop("contentVersion"),
        lambda one: one.update(resources={"a": one["resources"][0]}),
        lambda one: one.update(languageVersion="2.0"),
        lambda one: one.update(outputs={"o": {"type": "string"}}),
        lambda one: one.update(variables={"v": "[reference('a').b]"}),
        lambda one: one.update(parameters={"p": {"type": "string", "defaultValue": "[listKeys('a', '1').b]"}}),
        lambda one: one["resources"][0].update(name="[reference('b', '2020-01-01').c]"),
        lambda one: one["resources"][0].update(name=5),
        lambda one: one["resources"][0].update(condition=None),
    ],
)
def test_a_template_that_the_engine_may_not_take_has_no_certain_outcome(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert _outcome(change) == "unknown"


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            {"a": ""},
            {"b": 1},
        ),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "int"}], "items": False}, ["a", 1], ["a", "b"]),
        (
            {
                "type": "object",
                "discriminator": {
                    "propertyName": "kind",
                    "mapping": {"a": {"type": "object", "properties": {"kind": {"type": "string"}}}},
                },
            },
            {"kind": "a"},
            {"kind": "b"},
        ),
        ({"$ref": "#/definitions/there"}, "a", 1),
        ({"$ref": "#/definitions/nowhere"}, None, "a"),
    ],
)
def test_a_value_is_held_against_its_type(declared: dict[str, Any], good: object, bad: object) -> None:
    def with_default(value: object) -> str:
        return _outcome(
            lambda one: one.update(
                languageVersion="2.0",
                resources={},
                definitions={"there": {"type": "string"}},
                parameters={"p": {**declared, "defaultValue": value}},
            )
        )

    assert with_default(bad) != "deploys"
    if good is not None:
        assert with_default(good) == "deploys"


def test_a_fault_of_an_expression_is_one_diagnostic_at_its_column() -> None:
    text = (
        '{"resources": [\n{"type": "a/b", "apiVersion": "1", "name": "[concat(\'a\' \'b\')]"}], "contentVersion": "1",'
        ' "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"}'
    )
    found = read_template(text, "a.json")
    assert [(one.place, one.level, one.stage) for one in found.diagnostics] == [
        (Place("a.json", 2, 57), Level.ERROR, Stage.COMPILE)
    ]
    assert len(deploy(found, World(GROUP)).diagnostics) == 1


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("", "resourceGroup"),
        ("subscription", "subscription"),
        ("managementGroup", "managementGroup"),
        ("tenant", "tenant"),
    ],
)
def test_the_schema_says_the_scope(scope: str, kind: str) -> None:
    assert read_template(json.dumps(template(scope=scope)), "a.json").scope == ScopeKind(kind)


@pytest.mark.parametrize(
    ("value", "is_one", "is_other"),
    [
        (template(), True, False),
        ({"contentVersion": "1", "resources": []}, True, False),
        ({"$schema": "https://x/2019-04-01/deploymentParameters.json#", "parameters": {}}, False, True),
        ({"contentVersion": "1", "parameters": {"a": {"value": 1}}}, False, True),
        ({"$schema": "https://json-schema.org/draft-07/schema#", "resources": []}, False, False),
        ({"resources": []}, False, False),
        ([], False, False),
        ("x", False, False),
    ],
)  # fmt: skip
def test_templates_and_parameter_files_are_distinguished_by_their_content(
    value: Any, is_one: bool, is_other: bool
) -> None:
    root = read(json.dumps(value), "a.json").root
    assert (is_template(root), is_parameter_file(root)) == (is_one, is_other)


def test_values_of_a_parameter_file() -> None:
    vault = {"reference": {"keyVault": {"id": "/v"}, "secretName": "s"}}
    found = read_parameter_file(
        json.dumps({"parameters": {"a": {"value": [1]}, "b": vault, "c": {}, "d": {"expression": "[x()]"}}}, indent=1),
        "p.json",
    )
    assert {key: type(one.value).__name__ for key, one in found.values.items()} == {
        "a": "Array", "b": "Opaque", "c": "Opaque", "d": "Opaque",
    }  # fmt: skip
    assert [one.place.path for one in found.values.values()] == ["p.json"] * 4
    assert [one.message for one in found.diagnostics] == ["'c' has neither a value nor a reference"]


def test_keys_may_be_expressions_and_the_case_of_fields_does_not_count() -> None:
    one = exemption(properties={"metadata": {"[concat('a', 'b')]": "[concat('c')]", "[[x]": "[[y]"}})
    one["NAME"] = one.pop("name")
    found = plan(template(one)).exemptions[0]
    assert (found.name, found.properties["metadata"]) == ("e", {"ab": "c", "[x]": "[y]"})


def test_places_of_exemptions_and_of_their_values() -> None:
    text = json.dumps(template(exemption(properties={"metadata": {"owner": "[concat('a')]"}})), indent=1)
    found = plan(text).exemptions[0]
    lines = text.splitlines()
    assert lines[found.place.line - 1].strip() == "{"
    assert '"owner"' in lines[found.place_of("/metadata/owner").line - 1]
    assert '"exemptionCategory"' in lines[found.place_of("/exemptionCategory").line - 1]
    assert '"metadata"' in lines[found.place_of("/metadata/none/at/all").line - 1]


def test_a_linked_template_of_the_repository_is_read_by_its_relative_path() -> None:
    linked = read_template(json.dumps(template(exemption("linked"))), "parts/inner.json")
    outer = nested({}, name="n")
    outer["properties"] = {"mode": "Incremental", "templateLink": {"relativePath": "parts/inner.json"}}
    asked: list[tuple[str, str]] = []

    def link(base: str, path: str, place: Place) -> Template | Unknown:
        asked.append((base, path))
        return linked

    found = deploy(read_template(json.dumps(template(outer)), "main.json", link), World(GROUP))
    assert asked == [("main.json", "parts/inner.json")]
    assert (found.paths, found.exemptions[0].id) == (
        ["main.json", "parts/inner.json"],
        f"{GROUP}/providers/{EXEMPTION}/linked",
    )
    missing = read_template(json.dumps(template(outer)), "main.json", lambda *_: Unknown("it is not there"))
    assert deploy(missing, World(GROUP)).outcome == "unknown"


def test_what_is_no_template_inside_is_said_and_the_rest_is_read() -> None:
    source = {**template(exemption(), 1, {"name": "x"}), "outputs": [], "parameters": {"p": {}}}
    found = plan(source)
    assert [one.name for one in found.exemptions] == ["e"]
    assert {one.rule for one in found.diagnostics} == {"shape"}


def test_a_broken_file_keeps_its_good_entries() -> None:
    text = json.dumps(template(exemption("a"), exemption("b")), indent=1)
    broken = text.replace('"exemptionCategory": "Waiver"', '"exemptionCategory": Waiver"', 1)
    found = plan(broken)
    assert found.exemptions[0].name == "a"
    assert (found.outcome, found.stage) == ("refused", Stage.READ)
    cut = plan(text[: text.index('"b"') + 3])
    assert [one.name for one in cut.exemptions] == ["a", "b"]
    assert cut.diagnostics[0].message.startswith("the text ends too early")


@pytest.mark.skipif(not CORPUS, reason="../shared/corpus is absent")
@pytest.mark.parametrize("path", CORPUS, ids=reference.label)
def test_real_files_are_read_without_a_fault(path: Path) -> None:
    document = read(path.read_text(encoding="utf-8-sig"), path.name)
    assert document.faults == []
    assert is_template(document.root) != is_parameter_file(document.root)
    if is_template(document.root):
        found = read_template(path.read_text(encoding="utf-8-sig"), path.name)
        assert found.diagnostics == []
        assert deploy(found, World()).exemptions
