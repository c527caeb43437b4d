"""The tag-driven layer: what given definitions become, the initiatives over them, and what is shipped."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guardrails.errors import Misconfigured
from guardrails.exemption.names import TagNames
from guardrails.policy import given, tagged
from guardrails.policy.inheritance import BUILT_IN, CONTRIBUTOR, ROLE_FILE, role_bicep
from guardrails.policy.tagged import Tagged
from guardrails.ruleset.model import KnownBypasses
from tests.infra.bicep import checked
from tests.policy.definitions import CHECK, EFFECT, TYPE, definition, properties, rule

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "infra" / "policies" / "sources"
APPROVED = ("EX-2027-014", "EX-2027-022")
EXCEPTIONS = KnownBypasses(approved=APPROVED)


def built(*definitions: Mapping[str, Any], exceptions: KnownBypasses = EXCEPTIONS) -> Tagged:
    return tagged.build({f"{number}.json": one for number, one in enumerate(definitions)}, exceptions)


def made(one: Tagged, name: str) -> dict[str, Any]:
    """Return the properties of a definition or an initiative that was made."""
    (found,) = (value for path, value in one.files.items() if path.endswith(f"/{name}.json"))
    assert found["name"] == name
    result: dict[str, Any] = found["properties"]
    return result


def only(given_definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of what a definition named `no-storage` becomes."""
    return made(built(given_definition), "no-storage-unless-excepted")


# What a definition becomes.


def test_the_check_is_added_to_the_whole_condition_and_the_effect_stays() -> None:
    condition = {"anyOf": [TYPE, {"not": {"field": "name", "like": "x*"}}]}
    after = only(definition(policyRule={"if": condition, "then": {"effect": "[parameters('effect')]"}}))
    assert after["policyRule"] == {"if": {"allOf": [condition, CHECK]}, "then": {"effect": "[parameters('effect')]"}}


@pytest.mark.parametrize("operator", ["allOf", "ALLOF"])
def test_the_check_joins_a_condition_that_is_an_allof(operator: str) -> None:
    parts = [TYPE, {"not": {"field": "name", "like": "x*"}}]
    after = only(definition(policyRule=rule("deny", {operator: parts})))
    assert after["policyRule"]["if"] == {"allOf": [*parts, CHECK]}


def test_the_parameters_of_the_check_come_from_the_ruleset() -> None:
    exceptions = KnownBypasses(TagNames(id="exceptionOf"), approved=("B-1", "A-1", "b-1"))
    after = made(built(definition(), exceptions=exceptions), "no-storage-unless-excepted")["parameters"]
    assert list(after) == ["effect", "exemptionTagName", "approvedExemptionIds"]
    assert after["effect"] == EFFECT
    assert (after["exemptionTagName"]["type"], after["exemptionTagName"]["defaultValue"]) == ("String", "exceptionOf")
    assert after["approvedExemptionIds"]["type"] == "Array"
    assert after["approvedExemptionIds"]["defaultValue"] == ["B-1", "A-1"], "case is the same; the file's order"


def test_texts_and_version_say_so() -> None:
    after = only(definition())
    assert after["displayName"] == "No storage (unless excepted)"
    assert after["description"].startswith(
        "There is no storage. Does not apply where the tag named by exemptionTagName"
    )
    assert after["metadata"] == {"category": "Storage", "version": "2.1.0+unless-excepted"}


def test_all_else_is_kept_and_the_input_is_left_alone() -> None:
    before = definition(
        metadata={"category": "Storage", "version": "2.1.0", "source": {"deep": [1, None, True]}},
        parameters={
            "effect": EFFECT,
            "regions": {"type": "Array", "defaultValue": [], "metadata": {"strongType": "x"}},
        },
        policyRule={"if": TYPE, "then": {"effect": "[parameters('effect')]", "details": {"other": 1}}},
        someFutureProperty={"kept": True},
    )
    copy = json.loads(json.dumps(before))
    after = only(before)
    assert before == copy
    assert after["someFutureProperty"] == {"kept": True}
    assert after["metadata"]["source"] == {"deep": [1, None, True]}
    assert after["parameters"]["regions"] == copy["properties"]["parameters"]["regions"]
    assert after["policyRule"]["then"] == copy["properties"]["policyRule"]["then"]
    assert after["mode"] == "All"


def test_texts_that_would_be_too_long_are_cut_at_their_own_end() -> None:
    after = only(definition(displayName="t" * 128, description="d" * 512))
    assert len(after["displayName"]) == 128
    assert after["displayName"].endswith("t… (unless excepted)")
    assert len(after["description"]) == 512
    assert after["description"].endswith("holds one of approvedExemptionIds.")


def test_the_least_that_a_definition_can_say() -> None:
    after = made(tagged.build({"no-disks.json": {"policyRule": rule()}}, EXCEPTIONS), "no-disks-unless-excepted")
    assert after["displayName"] == "no-disks (unless excepted)"
    assert (
        after["description"]
        == "Does not apply where the tag named by exemptionTagName holds one of approvedExemptionIds."
    )
    assert (after["policyType"], after["mode"], after["metadata"]) == (
        "Custom", "Indexed", {"version": "1.0.0+unless-excepted"},
    )  # fmt: skip
    assert after["policyRule"]["then"] == {"effect": "deny"}


def test_a_built_in_definition_becomes_one_of_ours() -> None:
    built_in = {
        "properties": properties(
            policyType="BuiltIn",
            version="3.0.1",
            versions=["3.0.1", "2.0.0"],
            metadata={"category": "Storage", "createdBy": "somebody", "updatedOn": None},
        ),
        "id": "/providers/Microsoft.Authorization/policyDefinitions/5e2f9a3c-0000-4000-8000-000000000001",
        "type": "Microsoft.Authorization/policyDefinitions",
        "name": "5e2f9a3c-0000-4000-8000-000000000001",
    }
    after = made(built(built_in), "5e2f9a3c-0000-4000-8000-000000000001-unless-excepted")
    assert after["policyType"] == "Custom"
    assert after["metadata"] == {"category": "Storage", "version": "3.0.1+unless-excepted"}
    assert not {"version", "versions", "id", "name", "type"} & set(after)


def test_both_shapes_give_the_same() -> None:
    as_shown = {
        "id": "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/no-storage",
        "name": "no-storage",
        "systemData": {"createdBy": "somebody"},
        "type": "Microsoft.Authorization/policyDefinitions",
        **properties(),
    }
    nameless = properties()
    one, two, three = (
        tagged.build({"no-storage.json": value}, EXCEPTIONS) for value in (definition(), as_shown, nameless)
    )
    assert one == two == three


@pytest.mark.parametrize(
    ("effect", "parameters"),
    [
        ("deny", {}),
        ("Deny", {}),
        ("[parameters('effect')]", {"effect": EFFECT}),
        ("[ Parameters( 'EFFECT' ) ]", {"effect": EFFECT}),
        ("[parameters('effect')]", {"effect": {"type": "string"}}),
        ("[parameters('effect')]", {"effect": {"type": "String", "allowedValues": ["deny"]}}),
    ],
)
def test_effects_that_can_deny(effect: str, parameters: dict[str, Any]) -> None:
    after = only(definition(parameters=parameters, policyRule=rule(effect)))
    assert after["policyRule"]["then"] == {"effect": effect}


def test_the_deepest_that_is_read_is_written_too() -> None:
    condition: dict[str, Any] = TYPE
    for _ in range(95):
        condition = {"not": condition}
    data = json.dumps({"policyRule": rule("deny", condition)}).encode()
    after = made(tagged.build(given.read({"deep.json": data}), EXCEPTIONS), "deep-unless-excepted")
    assert after["policyRule"]["if"]["allOf"] == [condition, CHECK]


# The initiatives.


def test_own_parameters_pass_through_with_names_that_cannot_clash() -> None:
    regions = {"type": "Array", "metadata": {"displayName": "Regions", "strongType": "location"}}
    one = built(
        definition("a", parameters={"effect": EFFECT, "b_effect": {"type": "String"}}),
        definition("a-b", parameters={"effect": EFFECT, "regions": regions}),
        definition("a_b c", parameters={"effect": {"type": "String"}}),
    )
    initiative = made(one, "tag-exceptions")
    parameters, members = initiative["parameters"], initiative["policyDefinitions"]
    assert len({name.lower() for name in parameters}) == len(parameters) == 10
    assert list(parameters)[:4] == [
        "exemptionTagName", "approvedExemptionIds", "exceptionTicketTagName", "exceptionExpiryTagName",
    ]  # fmt: skip
    assert parameters["a-b_regions"] == {
        "type": "Array",
        "metadata": {"displayName": "Regions (a-b)", "strongType": "location"},
    }
    assert [one["policyDefinitionName"] for one in members] == [
        "a-unless-excepted", "a-b-unless-excepted", "a_b c-unless-excepted", "audit-exception-tags",
    ]  # fmt: skip
    used: list[str] = []
    for member in members:
        defined = made(one, member["policyDefinitionName"])["parameters"]
        assert set(member["parameters"]) == set(defined), "each parameter is given, and no other"
        for name, said in member["parameters"].items():
            theirs = said["value"].removeprefix("[parameters('").removesuffix("')]")
            assert parameters[theirs]["type"] == defined[name]["type"]
            assert parameters[theirs].get("defaultValue") == defined[name].get("defaultValue")
            used.append(theirs)
    assert set(used) == set(parameters), "none is without use"
    assert sorted(name for name in set(used) if used.count(name) > 1) == ["approvedExemptionIds", "exemptionTagName"]


def test_a_definition_may_be_called_as_the_companion_is() -> None:
    one = built(definition("audit-exception-tags"))
    initiative = made(one, "tag-exceptions")
    effects = [member["parameters"]["effect"]["value"] for member in initiative["policyDefinitions"]]
    assert effects == ["[parameters('audit-exception-tags_effect')]", "[parameters('exceptionTagsEffect')]"]
    assert initiative["parameters"]["audit-exception-tags_effect"]["allowedValues"] == EFFECT["allowedValues"]
    assert initiative["parameters"]["exceptionTagsEffect"]["allowedValues"] == ["Audit", "Disabled"]


def test_an_initiative_has_no_more_parameters_than_azure_takes() -> None:
    many = {f"p{number}": {"type": "String"} for number in range(17)}
    with pytest.raises(Misconfigured, match="all together have 311 parameters"):
        built(*(definition(f"d{number}", parameters={"effect": EFFECT, **many}) for number in range(17)))


def test_tags_are_inherited_by_the_built_in_definition_once_each() -> None:
    one = built(exceptions=KnownBypasses(TagNames("a", "b", "c")))
    initiative = made(one, "inherit-exception-tags")
    assert [one["policyDefinitionId"].rpartition("/")[2] for one in initiative["policyDefinitions"]] == [BUILT_IN] * 3
    names = [
        initiative["parameters"][member["parameters"]["tagName"]["value"].removeprefix("[parameters('")[:-3]]
        for member in initiative["policyDefinitions"]
    ]
    assert [name["defaultValue"] for name in names] == ["a", "b", "c"]
    assert len("inherit-exception-tags") <= 24, "the longest name of an assignment at a management group"
    assert CONTRIBUTOR in role_bicep()


def test_without_definitions_the_companion_is_deployed_alone() -> None:
    one = tagged.build({}, KnownBypasses())
    assert sorted(one.files) == [
        "definitions/audit-exception-tags.json",
        "initiatives/inherit-exception-tags.json",
        "initiatives/tag-exceptions.json",
    ]
    assert any("approves no id" in note for note in one.notes)


def test_the_notes_say_what_an_assignment_must_give_and_what_denies_at_once() -> None:
    one = built(definition("a", parameters={"sizes": {"type": "Array"}}, policyRule=rule("deny")), definition("b"))
    assert one.notes[0] == (
        "From your file `0.json`, `exg policy build` makes the definition `a-unless-excepted`. It has no parameter for"
        " its effect, so it denies as soon as you assign it. An assignment must set `a_sizes`."
    )
    assert one.notes[1] == "From your file `1.json`, `exg policy build` makes the definition `b-unless-excepted`."
    assert any("Azure does not read `exceptionExpiry`" in note for note in one.notes)


def test_the_same_input_gives_the_same_bytes_in_any_order() -> None:
    files = {f"{name}.json": definition(name) for name in "cabd"}
    first = tagged.build(files, EXCEPTIONS)
    for seed in range(5):
        shuffled = list(files.items())
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, no secret
        again = tagged.build(dict(shuffled), EXCEPTIONS)
        assert json.dumps(again.files) == json.dumps(first.files)
        assert (again.bicep, again.notes) == (first.bicep, first.notes)
    assert list(first.files) == sorted(first.files)


# What is shipped.


def shipped() -> Tagged:
    return tagged.build(given.read({path.name: path.read_bytes() for path in SOURCES.glob("*.json")}), EXCEPTIONS)


def test_the_shipped_definitions_take_the_check_and_audit_first() -> None:
    one = shipped()
    for name in ("deny-public-ip-addresses", "deny-storage-public-network-access"):
        assert made(one, f"{name}-unless-excepted")["parameters"]["effect"]["defaultValue"] == "Audit"
        assert made(one, "tag-exceptions")["parameters"][f"{name}_effect"]["allowedValues"] == [
            "Audit",
            "Deny",
            "Disabled",
        ]


def test_an_api_version_that_cannot_say_what_is_asked_for_is_named_in_what_a_definition_leaves() -> None:
    """`publicNetworkAccess` of storage accounts came with 2021-06-01."""
    (said,) = made(shipped(), "deny-storage-public-network-access-unless-excepted")["metadata"]["leaves"]
    assert "before 2021-06-01" in said


def test_texts_and_names_are_within_what_azure_takes() -> None:
    for path, value in shipped().files.items():
        assert path.rpartition("/")[2] == f"{value['name']}.json"
        assert len(value["name"]) <= 64
        assert 0 < len(value["properties"]["displayName"]) <= 128
        assert 0 < len(value["properties"]["description"]) <= 512


def test_the_bicep_loads_each_file() -> None:
    one = shipped()
    for path in one.files:
        assert one.bicep.count(f"loadJsonContent('{path}')") == 1


def test_the_checker_finds_nothing_in_the_bicep(tmp_path: Path) -> None:
    one = shipped()
    for path, value in one.files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(value))
    whole = tmp_path / "policies.bicep"
    whole.write_text(f"targetScope = 'managementGroup'\n\n{one.bicep}")
    (tmp_path / ROLE_FILE).write_text(role_bicep())
    assert "0 errors, 0 warnings in 2 files" in checked("--strict", str(tmp_path))
