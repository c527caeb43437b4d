from typing import Any, Final

import pytest

from guardrails.evaluation.deploy import deploy
from guardrails.evaluation.plan import Plan
from guardrails.evaluation.values import Unknown
from guardrails.evaluation.world import World
from tests.files.bicep import GROUP, errors, library, parameters, read

_MAIN: Final = "param a string\nparam b object = {}\nparam c int?\noutput o array = [ a, b, c ]\n"
_FILES: Final = {
    "main.bicep": _MAIN,
    "shared.bicep": (
        "var hidden = 'h'\n@export()\nvar shown = '${hidden}!'\n@export()\nfunc f(x string) string => '${x}${hidden}'\n"
    ),
    "scoped.bicep": "func f() string => resourceGroup().location\n@export()\nvar place = f()\n",
    "base.bicepparam": "using none\nvar x = 'base'\nparam a = '${x}-a'\nparam b = { k: a, l: 1 }\n",
}
_MORE: Final = {"k": "base-a", "l": 1, "m": "base-a"}


def _deployed(text: str, files: dict[str, str] | None = None) -> Plan:
    files = {**_FILES, **(files or {})}
    given = parameters(text, files)
    return deploy(read(files["main.bicep"], files), World(GROUP), given)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("param a = 'x'", ["x", {}, None]),
        ("var v = 'y'\nparam a = '${v}${1 + 1}'\nparam b = { a: a }", ["y2", {"a": "y2"}, None]),
        ("param b = { k: a }\nparam a = 'later'", ["later", {"k": "later"}, None]),
        ("import { shown, f } from 'shared.bicep'\nparam a = f(shown)", ["h!h", {}, None]),
        ("import * as s from 'shared.bicep'\nparam a = s.f(s.shown)\nparam c = length('abc')", ["h!h", {}, 3]),
        ("extends 'base.bicepparam'", ["base-a", {"k": "base-a", "l": 1}, None]),
        ("extends 'base.bicepparam'\nparam b = { m: 2 }", ["base-a", {"m": 2}, None]),
        ("extends 'base.bicepparam'\nparam b = union(base.b, { m: base.a })", ["base-a", _MORE, None]),
        ("extends 'base.bicepparam'\nvar x = 'mine'\nparam c = 3", ["base-a", {"k": "base-a", "l": 1}, 3]),
        ("param a = 'x'\nparam c = null", ["x", {}, None]),
    ],
)  # fmt: skip
def test_values_are_those_that_the_file_gives(text: str, wanted: list[Any]) -> None:
    found = _deployed(f"using 'main.bicep'\n{text}\n")
    assert found.diagnostics == []
    assert found.outputs["o"] == wanted


def test_what_the_deployers_machine_says_is_unknown() -> None:
    found = _deployed(
        "using 'main.bicep'\nparam a = readEnvironmentVariable('TEAM', 'web')\n"
        "param b = { s: az.getSecret('s', 'g', 'v', 'n') }\nparam c = externalInput('x', {})\n"
    )
    a, b, c = found.outputs["o"]
    assert isinstance(a, Unknown)
    assert "TEAM" in a.reason
    assert isinstance(b["s"], Unknown)
    assert isinstance(c, Unknown)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("param a = 'x'", "BCP261"),
        ("using 'nowhere.bicep'\nparam a = 'x'", "BCP091"),
        ("using 'main.bicep'\nusing 'main.bicep'\nparam a = 'x'", "BCP278"),
        ("using 'main.bicep'", "BCP258"),
        ("using 'main.bicep'\nparam a = 'x'\nparam z = 1", "BCP259"),
        ("using 'main.bicep'\nparam a = 'x'\nparam a = 'y'", "BCP028"),
        ("using 'main.bicep'\nparam a = nothing", "BCP057"),
        ("using 'main.bicep'\nparam a = a", "BCP080"),
        ("using 'main.bicep'\nparam a = resourceGroup().name", "BCP071"),
        ("using 'main.bicep'\nparam a = resourceId('A.B/c', 'd')", "BCP057"),
        ("using 'main.bicep'\nparam a = utcNow()", "BCP065"),
        ("using 'main.bicep'\nparam a string = 'x'", "BCP018"),
        ("using 'main.bicep'\nresource a 'x' = {}", "BCP007"),
        ("using 'main.bicep'\nparam a = 1", "BCP033"),
        ("using 'main.bicep'\nimport { place } from 'scoped.bicep'\nparam a = 'x'", "BCP452"),
        ("using 'main.bicep'\nimport * as s from 'scoped.bicep'\nparam a = 'x'", "BCP452"),
        ("using 'main.bicep'\nparam a = null", "BCP033"),
        ("using 'main.bicep'\nvar v = toLower(1)\nparam a = 'x'", "BCP070"),
        ("using 'main.bicep'\nvar v int = 'x'\nparam a = 'x'", "BCP033"),
        ("using 'main.bicep'\n@secure()\nparam a = 'x'", "BCP057"),
        ("using 'main.bicep'\nextends 'nowhere.bicepparam'\nparam a = 'x'", "BCP091"),
        ("using 'main.bicep'\nextends 'base.bicepparam'\nextends 'base.bicepparam'", "BCP405"),
        ("using 'main.bicep'\nvar base = 'x'\nparam a = base", "BCP438"),
        ("using 'main.bicep'\nextends 'main.bicepparam'\nparam a = 'x'", "BCP104"),
    ],
)
def test_what_the_compiler_refuses_is_refused(text: str, wanted: str) -> None:
    assert wanted in [one.rule for one in errors(parameters(text, _FILES))]


def test_a_file_for_no_template_or_one_of_a_registry_gives_its_values_all_the_same() -> None:
    for using in ("none", "'br/public:avm/res/a:1'"):
        found = parameters(f"using {using}\nparam a = 'x'\n", _FILES)
        assert (found.using, [*found.values], errors(found)) == ("", ["a"], [])


def test_what_cannot_be_read_of_a_file_is_not_said_to_be_missing() -> None:
    found = parameters("using 'main.bicep'\nparam a = [\n", _FILES)
    assert [one.rule for one in errors(found)] == ["BCP018"]


def test_the_template_is_named_by_its_path_from_the_root() -> None:
    files = {"x/main.bicep": "param a string\n"}
    found = library(files)
    assert parameters("using '../x/main.bicep'\nparam a = ''\n", files, "y/p.bicepparam").using == "x/main.bicep"
    assert found.template("x/main.bicep") is found.template("x/main.bicep")
