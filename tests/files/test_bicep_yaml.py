from typing import Any

import pytest

from guardrails.evaluation.values import Unknown
from guardrails.files.bicep_yaml import NoYaml, read


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2027-01-31", "2027-01-31"),
        ("yes", "yes"),
        ("True", True),
        ("0123", 123),
        ("0x1F", 31),
        ("0o17", 15),
        ("-1_000", -1000),
        ("+5", 5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("'007'", "007"),
        ('"null"', "null"),
        ("a: ~", {"a": None}),
        ("a: NULL", {"a": None}),
        ("a:\nb: 1", {"a": None, "b": 1}),
        ("{a: , b: 1}", {"a": "", "b": 1}),
        ("- \n- x", [None, "x"]),
        ("[a, [1, {b: c}]]", ["a", [1, {"b": "c"}]]),
        ("a: !!str 1", {"a": "1"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >\n  x\n  y\n", {"a": "x y\n"}),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  a: 3", {"x": {"a": 1, "b": 2}, "y": {"a": 3, "b": 2}}),
        ("a: 1\n---\nb: 2", {"a": 1}),
    ],
)
def test_values_are_what_the_compilers_parser_makes_of_them(text: str, wanted: Any) -> None:
    found = read(text)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize("text", ["a: !!binary aGk=", "a: .inf", "a: NaN", "a: 9223372036854775808", "a: !x 1"])
def test_what_is_not_certain_is_unknown(text: str) -> None:
    assert isinstance(read(text)["a"], Unknown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "a: 1\na: 2",
        "? [a]\n: b",
        "a: *b",
        "[" * 3000,
        "a: &a [x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)),
    ],
)
def test_what_is_no_yaml_or_too_much_is_said(text: str) -> None:
    with pytest.raises(NoYaml):
        read(text)
