"""Files that a Bicep file loads: what is known of them, and what the compiler refuses."""

from typing import Any

import pytest

from guardrails.evaluation.values import Unknown
from tests.files.bicep import errors, plan, read, value


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("loadTextContent('a.txt')", "x\r\ny"),
        ("loadTextContent('u.txt', 'utf-16')", "é"),
        ("loadTextContent('u.txt')", "é"),
        ("loadFileAsBase64('a.txt')", "eA0KeQ=="),
        ("loadJsonContent('d/a.json')", {"a": [{"b c": 1}], "n": 1, "f": 1.5}),
        ("loadJsonContent('d/a.json', '$.a[0][\\'b c\\']')", 1),
        ("loadJsonContent('d/a.json', 'a')", [{"b c": 1}]),
        ("loadYamlContent('y.yaml', 'a.b')", "2027-01-31"),
        ("loadDirectoryFileInfo('d', '*.json')", [
            {"relativePath": "d/a.json", "baseName": "a.json", "extension": ".json"},
            {"relativePath": "d/B.json", "baseName": "B.json", "extension": ".json"},
        ]),
        ("map(loadDirectoryFileInfo('d'), x => x.extension)", [".json", ".json", ""]),
    ],
)  # fmt: skip
def test_files_are_loaded_as_the_compiler_loads_them(expression: str, wanted: Any) -> None:
    files: dict[str, str | bytes] = {
        "a.txt": "x\r\ny",
        "u.txt": b"\xff\xfe\xe9\0",
        "d/a.json": '{"a": [{"b c": 1}], "n": 1.0, "f": 1.50 // c\n}',
        "d/B.json": "{}",
        "d/c": "",
        "y.yaml": "a:\n  b: 2027-01-31\n",
    }
    assert value(expression, files) == wanted


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("loadTextContent('nowhere.txt')", "BCP091"),
        ("loadTextContent(p)", "BCP032"),
        ("loadTextContent('a.txt', 'utf-7')", "BCP070"),
        ("loadTextContent('large.txt')", "BCP184"),
        ("loadFileAsBase64('large.txt')", "BCP184"),
        ("loadTextContent()", "BCP071"),
        ("loadJsonContent('a.txt')", "BCP186"),
        ("loadJsonContent('a.json', 'b')", "BCP235"),
        ("loadYamlContent('twice.yaml')", "BCP340"),
    ],
)
def test_a_file_that_the_compiler_does_not_load_refuses_the_deployment(call: str, wanted: str) -> None:
    files = {"a.txt": "[1 2]", "a.json": "{}", "large.txt": "x" * 140_000, "twice.yaml": "a: 1\na: 2"}
    assert errors(read(f"param p string\nvar v = {call}\n", files))[0].rule == wanted


@pytest.mark.parametrize(
    "call",
    [
        "loadTextContent('../../etc/passwd')",
        "loadJsonContent('cut.json')",
        "loadTextContent('b.txt')",
        "loadYamlContent('bad.yaml')",
    ],
)  # fmt: skip
def test_what_is_loaded_and_not_certain_is_unknown(call: str) -> None:
    files: dict[str, str | bytes] = {"cut.json": '{"a": 1', "b.txt": b"\xe9", "bad.yaml": "a: [\n"}
    found = plan(f"output o object = {call}\n", files)
    assert isinstance(found.outputs["o"], Unknown)
    assert found.outcome == "unknown"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("format('$.subs[\\'{0}\\']', config.chosen)", "one"),
        ("'$.subs.${toUpper(config.names[1])}'", "two"),
        ("{ a: '$.subs.A' }.a", "one"),
        ("string(config.chosen)", None),
        ("length(config.names) > 1 ? '$.subs.A' : '$.subs.B'", None),
    ],
)
def test_a_text_that_the_compiler_computes_says_what_is_loaded(path: str, wanted: str | None) -> None:
    files: dict[str, str | bytes] = {
        "all.json": '{"subs": {"A": "one", "B": "two"}}',
        "config.json": '{"chosen": "A", "names": ["a", "b"]}',
    }
    bicep = f"var config = loadJsonContent('config.json')\nvar path = {path}\n"
    found = plan(f"{bicep}output o string = loadJsonContent('all.json', path)\n", files)
    if wanted is None:
        assert isinstance(found.outputs["o"], Unknown)
        assert found.outcome == "unknown"
    else:
        assert found.outputs["o"] == wanted


@pytest.mark.parametrize("path", ["format('{0}', p)", "resourceGroup().name", "'$.${p}'"])
def test_a_text_that_only_a_deployment_knows_loads_nothing(path: str) -> None:
    found = read(f"param p string\nvar v = loadJsonContent('a.json', {path})\n", {"a.json": "{}"})
    assert errors(found)[0].rule == "BCP032"


def test_a_text_that_the_variable_of_a_loop_says_loads_nothing() -> None:
    found = read("var v = [for i in [ 'a', 'b' ]: loadJsonContent('${i}.json')]\n", {"a.json": "{}", "b.json": "{}"})
    assert errors(found)[0].rule == "BCP032"


def test_loaded_files_take_part_in_the_plan() -> None:
    found = plan("var v = loadJsonContent('data.json')\n", {"data.json": '{"a": 1}'})
    assert found.paths == ["main.bicep", "data.json"]
