"""Given definitions that cannot take the exception check: each is named, with the reason."""

import copy
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from guardrails.errors import Misconfigured
from guardrails.exemption.names import TagNames
from guardrails.policy import given, tagged
from guardrails.ruleset.model import KnownBypasses
from tests.policy.definitions import CHECK, EFFECT, TYPE, definition, rule

TEXT = {"type": "String"}
EXCEPTIONS = KnownBypasses(approved=("EX-2027-014",))


def problems(values: Mapping[str, object], exceptions: KnownBypasses = EXCEPTIONS) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as caught:
        tagged.build(values, exceptions)
    assert caught.value.code == "definition-unfit"
    for line in caught.value.problems:
        assert line in str(caught.value)
    return caught.value.problems


BAD: dict[str, tuple[object, str]] = {
    "no rule": (definition(policyRule=None), "it has no `policyRule`"),
    "a rule in a text": (definition(policyRule="{}"), "`policyRule` is not an object"),
    "no if": (definition(policyRule={"then": {"effect": "deny"}}), "`policyRule` has no `if`"),
    "an empty if": (definition(policyRule=rule(condition={})), "`policyRule` has no `if`"),
    "no then": (definition(policyRule={"if": TYPE}), "`policyRule` has no `then`"),
    "then is a text": (definition(policyRule={"if": TYPE, "then": "deny"}), "`policyRule` has no `then`"),
    "no effect": (definition(policyRule={"if": TYPE, "then": {"details": {}}}), "`policyRule.then` has no `effect`"),
    "effect null": (definition(policyRule=rule(effect=None)), "`policyRule.then` has no `effect`"),
    **{
        f"effect {effect}": (definition(policyRule=rule(effect)), f"its effect is '{effect}', which cannot deny")
        for effect in ("audit", "modify", "append", "deployIfNotExists", "auditIfNotExists", "disabled", "denyAction")
    },
    "a parameter that cannot deny": (
        definition(parameters={"effect": {**EFFECT, "allowedValues": ["Audit", "Disabled"]}}),
        "its effect can be Audit, Disabled, which cannot deny",
    ),
    "a parameter that can be nothing": (
        definition(parameters={"effect": {**EFFECT, "allowedValues": []}}),
        "its effect can be nothing, which cannot deny",
    ),
    "allowed values that are no list": (
        definition(parameters={"effect": {**EFFECT, "allowedValues": 1}}),
        "`allowedValues` of its parameter 'effect' is not a list",
    ),
    "a parameter that it lacks": (
        definition(parameters={}), "its effect is the parameter 'effect', which it does not have",
    ),
    "an effect of the wrong type": (
        definition(parameters={"effect": {"type": "Boolean"}}),
        "its effect is the parameter 'effect', which is not a String",
    ),
    "an effect by an expression": (
        definition(policyRule=rule("[if(true(), 'deny', 'audit')]")), "say `deny`, or name one parameter",
    ),
    "the check by our parameters": (
        definition(
            parameters={
                "effect": EFFECT, "exemptionTagName": {"type": "String"}, "approvedExemptionIds": {"type": "Array"},
            },
            policyRule=rule("deny", {"allOf": [TYPE, CHECK]}),
        ),
        "it already has its own check (it uses the parameter 'exemptionTagName')",
    ),
    "the check, in a count": (
        definition(policyRule=rule("deny", {"count": {"value": [1], "where": {"allOf": [CHECK]}}, "equals": 0})),
        "it already has its own check",
    ),
    "the tag's name in a parameter": (
        definition(parameters={"effect": EFFECT, "tagName": {"type": "String", "defaultValue": "POLICYexceptionId"}}),
        "(its parameter 'tagName' names the tag 'policyExceptionId')",
    ),
    **{
        f"the tag as {field}": (
            definition(policyRule=rule("deny", {"allOf": [TYPE, {"not": {"field": field, "in": ["EX-1"]}}]})),
            "it already has its own check (it looks at the tag 'policyExceptionId')",
        )
        for field in ("tags[policyExceptionId]", "TAGS['policyexceptionid']", "tags.policyExceptionId",
                      "[concat('', field('tags[''policyExceptionId'']'))]")
    },
    "the tag by its key": (
        definition(policyRule=rule("deny", {"not": {"field": "tags", "containsKey": "policyExceptionId"}})),
        "it already has its own check",
    ),
    "its own output": (definition("no-storage-unless-excepted"), "it already has the check"),
    "a taken parameter": (
        definition(parameters={"effect": EFFECT, "EXEMPTIONtagname": {"type": "String"}}),
        "its parameter 'EXEMPTIONtagname' has a name that the check needs",
    ),
    "two taken parameters": (
        definition(parameters={"effect": EFFECT, "approvedExemptionIds": TEXT, "exemptionTagName": TEXT}),
        "its parameter 'approvedExemptionIds', 'exemptionTagName' has a name that the check needs",
    ),
    "too many parameters": (
        definition(parameters={"effect": EFFECT, **{f"p{number}": {"type": "String"} for number in range(18)}}),
        "it has 19 parameters; the check adds two, and Azure takes 20",
    ),
    "a quote in a parameter's name": (
        definition(parameters={"effect": EFFECT, "it's": {"type": "String"}}), "its parameter \"it's\" has a quote",
    ),
    "parameters in a list": (definition(parameters=[EFFECT]), "`parameters` is not an object of objects"),
    "a parameter that is a text": (
        definition(parameters={"effect": "Deny"}),
        "`parameters` is not an object of objects",
    ),
    "a parameter without a type": (definition(parameters={"effect": {}}), "its parameter 'effect' has no `type`"),
    "metadata of a parameter in a text": (
        definition(parameters={"effect": {**EFFECT, "metadata": "x"}}),
        "`metadata` of its parameter 'effect' is not an object",
    ),
    "metadata in a text": (definition(metadata="{}"), "`metadata` is not an object"),
    "a name for people that is no text": (definition(displayName=1), "`displayName` is not a string"),
    "a data-plane mode": (
        definition(mode="Microsoft.Kubernetes.Data"), "its mode 'Microsoft.Kubernetes.Data' sees no tags",
    ),
    "an escaped expression": (
        definition(policyRule=rule("deny", {"field": "[[concat('tags[', 'x', ']')]", "exists": "false"})),
        "an expression starts with `[[`, as in an ARM template",
    ),
    "an ARM template": (
        {"$schema": "x", "resources": [definition()]}, "an ARM template; use only the definition in it",
    ),
    "an initiative": ({"properties": {"policyDefinitions": []}}, "an initiative; use its definitions"),
    "an array": ([definition()], "it has no JSON object; a file must have one policy definition"),
    "null": (None, "it has no JSON object"),
    "an empty object": ({}, "it has no `policyRule`"),
    "properties in a list": ({"properties": []}, "`properties` is not an object"),
    "a name that ARM refuses": (definition("a/b"), "'a/b' cannot be the name of a policy definition"),
    "a name of signs": (definition("--"), "'--' cannot be the name of a policy definition"),
    "a number for a name": ({**definition(), "name": 7}, "`name` is not a string"),
    "a long name": (
        definition("n" * 49), "its name has 49 characters; with '-unless-excepted' behind it, it may have 48",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("value", "message"), BAD.values(), ids=BAD)
def test_bad_input_names_the_file_and_what_is_wrong(value: object, message: str) -> None:
    (problem,) = problems({"good.json": definition("good"), "bad.json": value})
    assert problem.startswith("bad.json: ")
    assert message in problem


def test_every_bad_file_is_named_at_once() -> None:
    found = problems({"b.json": definition(policyRule=None, mode="Microsoft.KeyVault.Data"), "a.json": []})
    assert [line.partition(": ")[0] for line in found] == ["a.json", "b.json", "b.json"]


@pytest.mark.parametrize("other", ["no-storage", "NO-STORAGE", "no_storage", "no storage"])
def test_two_of_one_name(other: str) -> None:
    (problem,) = problems({"a.json": definition(), "b.json": definition(other)})
    assert problem == f"b.json: its name {other!r} is that of a.json too; names must differ"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "x.json:1:2: not JSON: expecting property name enclosed in double quotes"),
        (b"", "x.json:1:1: not JSON: expecting value"),
        (b'{"a": 1 // why\n}', "x.json:1:9: not JSON: expecting ',' delimiter"),
        (b"\xff\xfe{", "x.json: not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b'{"IF": 1, "if": 2}', "x.json: not JSON: an object has the key 'if' twice"),
        (b'{"a": NaN}', "x.json: not JSON: NaN is not a JSON number"),
        (b'{"a": 1e999}', "x.json: not JSON: Out of range float values are not JSON compliant: inf"),
        (b'{"a": "\\ud800"}', "x.json: not JSON: 'utf-8' codec can't encode character"),
        (b"[" * 101 + b"]" * 101, "x.json: not JSON: nested more than 100 levels deep"),
        (b"[" * 200_000, "x.json: not JSON: maximum recursion depth exceeded"),
    ],
)
def test_what_is_no_json(data: bytes, message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        given.read({"good.json": b"\xef\xbb\xbf{}", "x.json": data})
    assert caught.value.subject == "x.json"
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(message)


@pytest.mark.parametrize(
    ("exceptions", "message"),
    [
        (KnownBypasses(approved=("EX-1", "  ")), "bypasses.approved: an id is blank"),
        (KnownBypasses(approved=("[EX-1]",)), "bypasses.approved: '[EX-1]' starts with `[`"),
        (KnownBypasses(TagNames(ticket="a[b]")), "bypasses.tags: 'a[b]' has a bracket"),
        (KnownBypasses(TagNames(id="X", ticket="x")), "are not three different tags"),
    ],
)
def test_exceptions_that_no_policy_can_compare(exceptions: KnownBypasses, message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        tagged.build({}, exceptions)
    assert caught.value.code == "bypasses-unfit"
    assert len(caught.value.problems) == 1
    assert message in caught.value.problems[0]


JUNK: tuple[Any, ...] = (
    None, True, 0, 1.5, "", "x", "[", "[parameters('effect')]", "deny", "tags[policyExceptionId]", "'", "\n",
    [], [1], [None], ["Deny"], {}, {"a": 1}, {"type": "String"},
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where the parts of a JSON value stand."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in below for place in places(part, (*at, key)))]


def test_whatever_is_given_it_is_taken_or_refused_by_name() -> None:
    chance = random.Random(6)  # noqa: S311 - mistakes, no secrets
    taken = refused = 0
    for _ in range(4000):
        value: Any = {"x": copy.deepcopy(definition(parameters={"effect": EFFECT, "p": TEXT}))}
        for _ in range(chance.randrange(1, 4)):
            *way, last = chance.choice(places(value)[1:] or [("x",)])
            spot = value
            for key in way:
                spot = spot[key]
            spot[last] = copy.deepcopy(chance.choice(JUNK))
        before = json.dumps(value)
        try:
            one = tagged.build({"x.json": value["x"]}, EXCEPTIONS)
        except Misconfigured as error:
            assert all(line.startswith("x.json: ") for line in error.problems)  # noqa: PT017 - both ends are right
            refused += 1
        else:
            json.dumps(one.files)
            taken += 1
        assert json.dumps(value) == before
    assert min(taken, refused) > 500
