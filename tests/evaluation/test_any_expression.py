"""Whatever an expression is made of, it has a value that JSON can say, is Unknown, or is refused: nothing else."""

import json

from hypothesis import given
from hypothesis import strategies as st

from guardrails.evaluation.calls import CALLS
from guardrails.evaluation.functions import MODULES
from guardrails.evaluation.values import nulled, unknowns
from tests.evaluation.arm import exemption, plan, template

NAMES = sorted({*(name for names in MODULES.values() for name in names), *CALLS})
VALUES = [
    "'a'", "'B'", "''", "'é'", "'\u00adx'", "'\U0001f600'", "'2027-01-31T00:00:00-05:00'", "'P1M'", "'yyyy-MM-dd'",
    "'{0:D3}'", "'{\"a\": 1}'", "'A.B/c'", "'/a/b'", "'10.0.0.0/24'", "0", "1", "-1", "9223372036854775807",
    "json('1.5')", "true()", "false()", "null()", "createArray()", "createArray(1, 'a')", "createObject()",
    "createObject('a', 1)", "reference('x')",
    "resourceGroup()", "subscription().displayName", "utcNow()", "parameters('p')", "parameters('t')", "variables('v')",
    "lambda('x', lambdaVariables('x'))", "lambda('x', 'y', less(lambdaVariables('x'), lambdaVariables('y')))",
]  # fmt: skip
EXPRESSIONS = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.one_of(
        st.builds(lambda name, some: f"{name}({', '.join(some)})", st.sampled_from(NAMES), st.lists(inner, max_size=4)),
        st.builds(lambda one, name: f"{one}.{name}", inner, st.sampled_from(["a", "id", "name"])),
        st.builds(lambda one, other: f"{one}[{other}]", inner, inner),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS)
def test_it_is_computed_or_unknown_or_refused(expression: str) -> None:
    text = f"[{expression}]"
    found = plan(
        template(
            exemption(properties={"metadata": {"k": text}}),
            parameters={"p": {"type": "string"}, "t": {"type": "string", "defaultValue": "[utcNow()]"}},
            variables={"v": {"a": ["b"]}},
            outputs={"x": {"type": "object", "value": text}},
        )
    )
    values = [found.outputs, found.exemptions[0].properties]
    json.dumps(nulled(values))
    assert all(one.reason for _, one in unknowns(values))
    assert (found.outcome == "refused") == any(one.level == "error" for one in found.diagnostics)
