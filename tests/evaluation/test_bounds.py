"""What a stranger's template may cost is bounded: each of these ends at once, with an answer and one line."""

import json
from typing import Any

import pytest

from guardrails.evaluation.plan import Outcome
from tests.evaluation.arm import exemption, nested, plan, template
from tests.patience import bounded


def chain(first: str, following: str, turns: int) -> dict[str, str]:
    """Return variables of which each is made of the one before it: `V` in `following`."""
    return {"v0": first, **{f"v{n}": following.replace("V", f"variables('v{n - 1}')") for n in range(1, turns)}}


def output(expression: str, **sections: Any) -> dict[str, Any]:
    return template(outputs={"o": {"type": "object", "value": expression}}, **sections)


def loops(depth: int, turns: int) -> dict[str, Any]:
    inner = template(exemption())
    for _ in range(depth):
        inner = template(nested(inner, name="[concat('d', copyIndex())]", copy={"name": "c", "count": turns}))
    return inner


def deep(levels: int) -> dict[str, Any]:
    inner = template(exemption())
    for _ in range(levels):
        inner = template(nested(inner))
    return inner


COPY: dict[str, Any] = {"copy": [{"name": "a", "count": 800, "input": "[copyIndex('a')]"}]}
for _ in range(3):
    COPY = {"copy": [{"name": "a", "count": 800, "input": COPY}]}
F = {"parameters": [{"name": "x", "type": "int"}], "output": {"type": "int", "value": "[a.f(parameters('x'))]"}}
LAST = "[variables('v59')]"
DOUBLE = "lambda('a', 'b', createArray(lambdaVariables('a'), lambdaVariables('a')))"
SORT = "lambda('a', 'b', less(lambdaVariables('b'), lambdaVariables('a')))"
HEAD = json.dumps(template())[:-1]

CASES: dict[str, dict[str, Any] | str] = {
    "a loop of a million": template(exemption("[concat('e', copyIndex())]", copy={"name": "c", "count": 1_000_000})),
    "loops within loops": template(exemption(properties={"metadata": COPY})),
    "nested deployments in loops": loops(8, 100),
    "a list that doubles": output(
        "[variables('v59')]", variables=chain("[createArray('x')]", "[createArray(V, V)]", 60)
    ),
    "a text that doubles": output("[variables('v59')]", variables=chain("0123456789", "[concat(V, V)]", 60)),
    "a list that doubles in reduce": output(f"[reduce(range(0, 10000), createArray(), {DOUBLE})]"),
    "maps within maps": output("[map(range(0, 10000), lambda('x', map(range(0, 10000), lambda('y', 1))))]"),
    "a sort": output(f"[sort(map(range(0, 10000), lambda('x', mod(mul(lambdaVariables('x'), 7919), 10007))), {SORT})]"),
    "a replacement that grows": output(
        "[replace(variables('b'), 'a', variables('b'))]", variables={"b": "[padLeft('', 9999, 'a')]"}
    ),
    "a function that calls itself": output("[a.f(1)]", functions=[{"namespace": "a", "members": {"f": F}}]),
    "a long name": output(f"[variables('{'n' * 100_000}')]"),
    "a wide format": output("[format('{0,999999}{0,999999}', 'a')]"),
    "a long number": output(f"[int('{'9' * 50_000}')]"),
    "a long duration": output(f"[dateTimeAdd('2027-01-01', 'P{'9' * 5000}D')]"),
    "deep calls": output(f"[{'concat(' * 5000}'a'{')' * 5000}]"),
    "deep json()": output(f"[json('{'[' * 50_000}')]"),
    "templates within templates": deep(50),
    "deep JSON": HEAD + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "a long number in JSON": HEAD + ', "variables": {"a": ' + "9" * 100_000 + "}}",
    "text that is not closed": HEAD + ', "x": "' + '\\"' * 200_000,
    "a comment that is not closed": HEAD + ", /*" + "*/ /*" * 100_000,
    "junk": "{" + "a " * 200_000,
    "commas": '{"resources": [' + "," * 200_000,
}


@pytest.mark.parametrize("name", CASES)
def test_it_ends(name: str) -> None:
    with bounded():
        found = plan(CASES[name])
    assert len(found.diagnostics) <= 20
    assert len(json.dumps([str(one) for one in found.diagnostics])) < 20_000
    assert len(found.exemptions) < 50_000


@pytest.mark.parametrize("turns", [1_000_000, -1])
def test_a_loop_that_cannot_be_is_one_line(turns: int) -> None:
    found = plan(template(exemption(copy={"name": "c", "count": turns}), exemption("other")))
    assert (found.outcome, len(found.diagnostics)) == (Outcome.REFUSED, 1)
    assert [one.name for one in found.exemptions][-1] == "other"


def test_a_long_chain_of_variables_is_computed() -> None:
    assert plan(output("[variables('v499')]", variables=chain("x", "[V]", 500))).outputs["o"] == "x"


def test_a_resource_that_is_called_after_itself_is_refused_at_once() -> None:
    account = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-05-01"}
    named = {"a": {**account, "name": "[resourceInfo('b').id]"}, "b": {**account, "name": "[resourceInfo('a').name]"}}
    source = template(languageVersion="2.0")
    source["resources"] = {**named, "w": exemption(scope="[resourceInfo('a').id]")}
    with bounded():
        found = plan(source)
    assert found.outcome is Outcome.REFUSED
    assert "depends on itself" in found.diagnostics[0].message
