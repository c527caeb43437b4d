"""Objects that are read for their values alone: their members are those that would have been read with the object."""

from pathlib import Path
from typing import Any

import pytest

from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.expressions import Member, Node, Object, Record
from guardrails.evaluation.template import RecordedExemption, Resource, Template
from guardrails.evaluation.values import Unknown
from guardrails.evaluation.world import World
from guardrails.files.arm_template import read_template
from guardrails.files.bicep_library import Library
from guardrails.files.bicep_parser import Parser
from guardrails.files.bicep_syntax import Block
from guardrails.files.json_places import read
from guardrails.files.json_records import values_at
from guardrails.files.walk import Repository

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg"
LINES = """exemptionCategory: 'Waiver'
    displayName: '${team}: ${team}, and $5'
    empty: ''
    expiresOn: ends
    yes: true
    nothing: null
    policyDefinitionReferenceIds: [ 'a', 'b' ]
    none: [
    ]
    listed: [
      'a'
      ''
    ]
    metadata: {
      owner: '${team}@contoso.com'
      deep: {
      }
    }"""


def bicep(lines: str, *, records: bool) -> tuple[Node, Parser]:
    head = "resource a 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = {\n  properties: {"
    text = f"{head}\n    {lines}\n  }}\n}}\n"
    parser = Parser(text, "f")
    parser.records = records
    block = parser.file().declarations[0]
    assert isinstance(block, Block)
    member = block.body.members[0]
    assert isinstance(member, Member)
    return member.value, parser


@pytest.mark.parametrize("lines", [LINES, LINES.replace("\n", "\r\n"), LINES.replace("    ", "\t")])
def test_a_record_of_bicep_has_the_members_that_are_read_with_the_object(lines: str) -> None:
    quick, at = bicep(lines, records=True)
    slow, other = bicep(lines, records=False)
    assert isinstance(quick, Record)
    assert not quick.is_read
    assert same(quick.whole(), slow)
    assert (at.line, at.start, at.place) == (other.line, other.start, other.place)
    assert not at.faults


@pytest.mark.parametrize(
    "line",
    [
        "a: b()", "a: 'x${b()}'", "a: '\\n'", "a: 1", "a: b // c", "a: [ 'b',, 'c' ]", "a: [ 'b', ]", "a: [ b ]", "",
        "'a': 'b'", "a: 'b'\n    a: 'c'", "a: b\n    ? c : d", "...a", "a: {\n    ]", "a: '''b'''", "a: '${true}'",
        "a: {\n b: {\n c: {\n d: {\n e: {\n f: {\n }\n }\n }\n }\n }\n }",
    ],
)  # fmt: skip
def test_an_object_of_bicep_with_another_line_is_no_record(line: str) -> None:
    lines = f"exemptionCategory: 'Waiver'\n    {line}\n    displayName: 'x'"
    quick, at = bicep(lines, records=True)
    slow, other = bicep(lines, records=False)
    assert not isinstance(quick, Record)
    assert same(quick, slow)
    assert at.faults == other.faults


def arm(properties: str, name: str = "a") -> Node:
    text = f'{{"resources": [\n  {{"name": "{name}", "properties":\n{properties}}}]}}'
    root = read(text, "f").root
    assert isinstance(root, Object)
    resources: Any = root.members[0].value
    return resources.items[0].members[1].value  # type: ignore[no-any-return]


def test_a_record_of_json_has_the_members_that_are_read_with_the_object() -> None:
    content = '{"a": "b", "c": "[d()]", "e": [1, "f"],\n "g": {"h": null, "i": {}}, "j": true, "k": -17}'
    quick, slow = arm(content), arm(content, "\\u0061")  # in such a text all is read by its members
    assert isinstance(quick, Record)
    assert not isinstance(slow, Record)
    assert [one.place[1:] for one in quick.members] == [(3, 2), (3, 12), (3, 26), (4, 2), (4, 29), (4, 40)]
    assert same(quick.members, slow.members)  # type: ignore[union-attr]
    assert quick.values == {"a": "b", "c": "[d()]", "e": [1, "f"], "g": {"h": None, "i": {}}, "j": True, "k": -17}


@pytest.mark.parametrize(
    "content",
    [
        '{"a": 1, "a": 2}', '{"a": 1.5}', '{"a": 12345678901234567890}', '{"a": NaN}', '{"a": [[]]}',
        '{"a": "\\ud800"}', '{"a": 1,}', '{"a": "\t"}', '{"a": /* b */ 1}',
        '{"a": {"b": {"c": {"d": {"e": {}}}}}}', '{"a" 1}', '{"a": tru}',
    ],
)  # fmt: skip
def test_an_object_of_json_without_certain_values_is_no_record(content: str) -> None:
    assert not isinstance(arm(content), Record)


def test_what_is_not_certain_in_a_record_has_its_place() -> None:
    text = """{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "resources": [{"type": "Microsoft.Authorization/policyExemptions", "apiVersion": "2022-07-01-preview", "name": "a",
    "properties": {
      "policyAssignmentId": "[parameters('missing')]",
      "displayName": "[concat('a', 'b')]",
      "metadata": {"owner": "[reference('x').owner]"}
    }}]}"""
    plan = deploy(read_template(text, "f"), World(scope=GROUP))
    (one,) = plan.exemptions
    assert [each.place[1:] for each in plan.diagnostics] == [(5, 29)]
    assert one.properties["displayName"] == "ab"
    assert isinstance(one.properties["metadata"]["owner"], Unknown)
    assert one.properties["metadata"]["owner"].place[1:] == (7, 29)
    assert one.place_of("/metadata/owner")[1:] == (7, 20)


HEAD = """{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0", "variables": {"x": "[concat('x', 'y')]"},
  "resources": ["""


def exemption(name: str) -> str:
    return f"""{HEAD}
    {{"type": "Microsoft.Authorization/policyExemptions", "apiVersion": "2022-07-01-preview",
      "name": {name}, "properties": {{
        "metadata": {{"owner": "[variables('x')]"}}
      }}}}]}}"""


@pytest.mark.parametrize("name", ['"a"', "\"[variables('x')]\"", "\"[concat('a', variables('x'))]\"", '"[[a]"'])
def test_an_exemption_of_which_the_values_are_read_has_the_parts_that_are_read_with_it(name: str) -> None:
    text = exemption(name)
    read = read_template(text, "f"), read_template(text.replace("contentV", "content\\u0056"), "f")
    (quick,), (slow,) = (one.resources for one in read)
    assert isinstance(quick, RecordedExemption)
    assert not isinstance(slow, RecordedExemption)
    (quickly,), (slowly,) = (deploy(one, World(scope=GROUP)).exemptions for one in read)
    for field in ("place", "id", "scope", "name", "api_version", "properties"):
        assert getattr(quickly, field) == getattr(slowly, field)
    assert quickly.place_of("/metadata/owner")[1:] == slowly.place_of("/metadata/owner")[1:] == (6, 22)
    assert all(same(getattr(quick, part), getattr(slow, part)) for part in Resource.__slots__ if part != "body")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ('"[parameters(\'missing\')]"', (5, 15)), ('"[variables(\'x\').y]"', (5, 15)), ('"a/b"', (4, 5)),
        ('""', (4, 5)), ('["a"]', (4, 5)), ('"[concat(\'a\', \'/b\')]"', (4, 5)),
    ],
)  # fmt: skip
def test_a_name_that_is_refused_has_its_place(name: str, place: tuple[int, int]) -> None:
    plan = deploy(read_template(exemption(name), "f"), World(scope=GROUP))
    assert [one.place[1:] for one in plan.diagnostics] == [place]
    assert plan.exemptions[0].properties == {"metadata": {"owner": "xy"}}


def test_a_name_that_asks_azure_is_noted_at_its_place() -> None:
    template = read_template(exemption("\"[listKeys('a', '2020-01-01').x]\""), "f")
    assert [(one.rule, one.place[1:]) for one in template.diagnostics] == [("too-early", (5, 15))]


BLOCK = """param team string = 'a'
var late = st.properties.x
resource st 'Microsoft.Storage/storageAccounts@2023-01-01' = {
  name: 'b'
}

resource one 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = {
  name: NAME
  properties: {
    displayName: 'x'
    metadata: {
      owner: '${team}@contoso.com'
    }
  }
} // end
"""


def library(text: str) -> Template:
    return Library(Repository(Path("/")), lambda path, _: read_template("", path)).read("f", text.encode()).template


@pytest.mark.parametrize("name", ["'a'", "''", "team", "'${team}-1'", "late", "'${late}-1'"])
def test_an_exemption_of_bicep_of_which_the_values_are_read_has_the_parts_that_are_read_with_it(name: str) -> None:
    text = BLOCK.replace("NAME", name)
    quick, slow = library(text), library(text.replace("    }\n", "    }\n\n"))
    (_, one), (_, other) = quick.resources, slow.resources
    assert isinstance(one, RecordedExemption)
    assert not isinstance(other, RecordedExemption)
    assert quick.diagnostics == slow.diagnostics
    assert [each.place[1:] for each in quick.diagnostics] == {"late": [(8, 9)], "'${late}-1'": [(8, 3)]}.get(name, [])
    (quickly,), (slowly,) = (deploy(each, World(scope=GROUP)).exemptions for each in (quick, slow))
    for field in ("place", "id", "scope", "name", "api_version", "properties"):
        assert getattr(quickly, field) == getattr(slowly, field)
    assert quickly.place_of("/metadata/owner")[1:] == slowly.place_of("/metadata/owner")[1:] == (12, 7)
    assert [part for part in Resource.__slots__ if not same(getattr(one, part), getattr(other, part))] == []


@pytest.mark.parametrize(
    "block",
    [
        BLOCK.replace("NAME", "'a/b'"), BLOCK.replace("NAME", "st.name"), BLOCK.replace("NAME", "nobody"),
        BLOCK.replace("NAME", "'a'\n  scope: st"), BLOCK.replace("NAME", "'a'\n  name: 'b'"),
        BLOCK.replace("NAME", "'a'").replace("Exemptions@", "Exemptions/x@"), BLOCK.replace("  name: NAME\n", ""),
    ],
)  # fmt: skip
def test_an_exemption_of_bicep_of_which_more_is_asked_is_read_part_by_part(block: str) -> None:
    assert not any(isinstance(one, RecordedExemption) for one in library(block).resources)


def test_two_exemptions_of_bicep_with_one_name_are_noted_at_their_names() -> None:
    text = BLOCK.replace("NAME", "'a'")
    found = library(text + text[text.index("resource one") :].replace("resource one", "resource two"))
    assert [(one.rule, one.place[1:]) for one in found.diagnostics] == [("BCP121", (8, 3)), ("BCP121", (17, 3))]


def same(one: Any, other: Any) -> bool:
    """Whether two nodes are the same, places and all."""
    one, other = (each.whole() if isinstance(each, Record) else each for each in (one, other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if not hasattr(one, "__slots__") or isinstance(one, tuple):
        return bool(one == other)
    return type(one) is type(other) and all(same(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def test_one_member_of_a_record_in_an_object_that_is_refused_hides_no_other() -> None:
    text = """{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "resources": [{"type": "Microsoft.Authorization/policyExemptions", "apiVersion": "2022-07-01-preview", "name": "a",
    "properties": {
      "resourceSelectors": [{"name": "x"}],
      "metadata": {"owner": "x", "ticket": "[parameters('missing')]"}
    }}]}"""
    plan = deploy(read_template(text, "f"), World(scope=GROUP))
    (one,) = plan.exemptions
    assert one.properties["metadata"]["owner"] == "x"
    assert isinstance(one.properties["metadata"]["ticket"], Unknown)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x", "a": "y"}',
        r'{"a": "\"x", "a": "y"}',
        r'{"a": "x", "a": "\u0022"}',
        '{"a": 1, "a": "y"}',
        '{"a": {"b": ["x"], "b": []}}',
        r'{"a": {}, "a": {"\"": "\""}}',
    ],
)
def test_an_object_with_a_key_twice_has_no_certain_value(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it says no more
        values_at(text, 0)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (r'{"a": "\"x", "b": ["\u0022", 1]} ', {"a": '"x', "b": ['"', 1]}),
        ('{} "', {}),
        ('{"a": {"b": {}}, "c": null}', {"a": {"b": {}}, "c": None}),
    ],
)
def test_an_object_with_quotes_in_its_texts_has_its_value(text: str, values: dict[str, Any]) -> None:
    assert values_at(text, 0) == (values, text.rindex("}") + 1)
