"""Resources and modules of a Bicep file, and what expressions say of them."""

import pytest

from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Unknown, first_unknown
from tests.files.bicep import EXEMPTION, GROUP, faults, plan, read


def test_a_resource_in_another_is_below_it_and_deployed_only_with_it() -> None:
    text = (
        "param on bool = false\nresource a 'Microsoft.Storage/storageAccounts@2023-05-01' = if (on) {\n  name: 'st'\n"
        f"  resource b 'blobServices' = {{\n    name: 'default'\n  }}\n}}\nresource w '{EXEMPTION}' = {{\n"
        "  scope: a::b\n  name: 'w'\n  properties: {}\n}\n"
    )
    found = plan(text)
    (one,) = found.exemptions
    assert one.id == (
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st/blobServices/default"
        "/providers/Microsoft.Authorization/policyExemptions/w"
    )
    template = read(text)
    assert [type(resource.condition).__name__ for resource in template.resources] == [
        "Parameter",
        "Parameter",
        "NoneType",
    ]


@pytest.mark.parametrize(
    ("type_", "wanted"),
    [
        ("microsoft.storage/storageaccounts@2023-05-01", "Microsoft.Storage/storageAccounts"),
        ("Microsoft.Unheard/ofs@2023-05-01", "Microsoft.Unheard/ofs"),
        ("microsoft.unheard/ofs@2023-05-01", None),
        ("microsoft.storage/storageaccounts@2015-06-15", None),
    ],
)
def test_types_are_spelled_in_ids_as_the_compiler_spells_them(type_: str, wanted: str | None) -> None:
    found = plan(f"resource r '{type_}' existing = {{ name: 'a' }}\noutput o string = r.id\n").outputs["o"]
    assert isinstance(found, Unknown) if wanted is None else found == f"{GROUP}/providers/{wanted}/a"


def test_a_module_that_is_not_read_is_unknown_with_its_reason() -> None:
    text = "module m '{}' = {{\n  name: 'a'\n}}\noutput o string = m.outputs.x\n"
    for path, reason in (("br:mcr.example/a:1", "registry"), ("ts:1/2/3:4", "registry"), ("../../x.bicep", "outside")):
        found = plan(text.format(path))
        assert found.outcome == "unknown"
        assert reason in found.outputs["o"].reason
        assert found.outputs["o"].place == ("main.bicep", 1, 10)


def test_modules_of_each_other_are_refused_and_both_read() -> None:
    files = {"a.bicep": "module b 'main.bicep' = {}\nvar x = nothing\n"}
    assert faults(read("module a 'a.bicep' = {}\nvar y = nothing\n", files)) == ["BCP104:1", "BCP057:2"]


def test_modules_deeper_than_are_read_are_unknown() -> None:
    files = {f"m{n}.bicep": f"module m 'm{n + 1}.bicep' = {{}}\n" for n in range(40)} | {"m40.bicep": ""}
    assert plan("module m 'm0.bicep' = {}\n", files).outcome == "unknown"


def test_resources_as_parameters_are_taken_where_experiments_may_be_switched_on() -> None:
    files = {"bicepconfig.json": '{"experimentalFeaturesEnabled": {"resourceTypedParamsAndOutputs": true}}'}
    assert faults(read("param p resource 'A.B/c@2020-01-01'\n", files)) == []


def test_a_secure_output_is_known_only_in_azure() -> None:
    files = {"m.bicep": "@secure()\noutput s string = 'a'\noutput t string = 'b'\n"}
    found = plan("module m 'm.bicep' = {}\noutput o array = [ m.outputs.s, m.outputs.t ]\n", files).outputs["o"]
    assert isinstance(found[0], Unknown)
    assert found[1] == "b"


@pytest.mark.parametrize("shown", ["o", "[ p ]", "v"])
def test_a_list_or_object_that_is_partly_unknown_is_unknown_as_a_text(shown: str) -> None:
    declared = f"param p string\nvar o = {{ a: p }}\nvar v = [ {{ b: [ p ] }} ]\nvar x = {shown}\n"
    found = plan(declared + "output y string = '${x}!'\n")
    assert (found.outcome, isinstance(found.outputs["y"], Unknown)) == (Outcome.DEPLOYS, True)


@pytest.mark.parametrize("expression", ["{ ...r, a: 1 }", "[ ...[ r ] ]", "f(r)", "f({ a: r })"])
def test_a_resource_as_a_value_is_unknown_and_refuses_nothing(expression: str) -> None:
    declared = "resource r 'A.B/c@2020-01-01' existing = { name: 'a' }\nfunc f(o object) object => o\n"
    found = plan(f"{declared}output x object = any({expression})\n")
    assert found.outcome == Outcome.DEPLOYS
    assert first_unknown(found.outputs["x"]) is not None


def test_what_an_expression_says_of_a_resource_with_an_empty_name_refuses_nothing() -> None:
    source = """param id string?
resource vm 'Microsoft.Compute/virtualMachines@2024-07-01' existing = if (id != null) {
  name: last(split(id ?? '', '/'))!
}
resource e 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = if (id != null) {
  scope: vm
  name: 'one'
  properties: { policyAssignmentId: vm.id, exemptionCategory: 'Waiver' }
}
output name string = e.name
output id string = e.id
"""
    found = plan(source)
    assert found.outcome == "unknown"
    assert found.outputs["name"] == "one"
    assert isinstance(found.outputs["id"], Unknown)
    assert found.exemptions[0].deployed is False
