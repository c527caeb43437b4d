from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.evaluation.expressions import Literal, Member, Object
from guardrails.files.bicep_expressions import ExpressionParser
from guardrails.files.bicep_parameters_parser import ParametersParser
from guardrails.files.bicep_parser import Parser
from guardrails.files.bicep_syntax import Block
from tests.files.bicep import EXEMPTION, errors, faults, plan, read, value

_RESOURCE = (
    f"resource {{}} '{EXEMPTION}' = {{{{\n  name: '{{}}'\n"
    "  properties: {{\n    exemptionCategory: 'Waiver'\n  }}\n}}\n"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("''", ""),
        ("'a$b'", "a$b"),
        (r"'it\'s'", "it's"),
        (r"'\n\r\t\\\$'", "\n\r\t\\$"),
        (r"'\${a}'", "${a}"),
        (r"'\u{e9}\u{1F600}'", "é😀"),
        (r"'\u{d83d}\u{de00}'", "😀"),
        ("'${1 + 1}-${'x${'y'}'}'", "2-xy"),
        ("'a${null}'", "a"),
        ("''''''", ""),
        ("'''\nfirst\n  second'''", "first\n  second"),
        ("'''\r\nfirst\r\nsecond\r\n'''", "first\r\nsecond\r\n"),
        (r"'''\n ${no}'''", r"\n ${no}"),
        ("'''it''s'''", "it''s"),
        ("'''quote''''", "quote'"),
        ("$'''\n${1}$${2}$$$'''", "1$2$$$"),
        ("$$'''${no} $${1}'''", "${no} 1"),
        ("$$'''$$${1}'''", "$1"),
    ],
)
def test_texts_have_the_characters_that_they_stand_for(text: str, wanted: str) -> None:
    assert value(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 + 2 * 3 - 4 / 2 % 3", 5),
        ("-1 + -2", -3),
        ("!true || true && false", False),
        ("1 < 2 == true", True),
        ("null ?? 'a' == 'a'", True),
        ("true ? 1 : false ? 2 : 3", 1),
        ("true\n  ? 'yes'\n  : 'no'", "yes"),
        ("[ 1, 2, 3 ][^1]", 3),
        ("{ a: { b: [ 'c' ] } }.a['b'][0]", "c"),
        ("{ a: 1 }.?b.c.d", None),
        ("({ a: { b: 1 } }.?a)!.b", 1),
        ("{\n  a: 1 // c\n\n  /* c */\n  'b c': 2\n}", {"a": 1, "b c": 2}),
        ("[\n  1\n  2 /* c */\n  // c\n]", [1, 2]),
        ("[ 1, ...[ 2, 3 ] ]", [1, 2, 3]),
        ("[for i in range(0, 2): i]", [0, 1]),
        ("[\n  // c\n  for (x, i) in [ 'a' ]: { x: x, i: i }\n]", [{"x": "a", "i": 0}]),
        ("map([ 1 ], x =>\n  x + 1)", [2]),
        ("reduce([ 1, 2 ], 0, (\n  a,\n  b\n) => a + b)", 3),
        ("concat(\n  'a',\n  'b'\n)", "ab"),
        ("format('{0}{1}', sys.toUpper('a'), az.resourceGroup().name)", "Arg-one"),
        ("{ format: 1, forEach: 2, resource: 3, true_: 4 }", {"format": 1, "forEach": 2, "resource": 3, "true_": 4}),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_expressions_are_read_as_the_language_says(text: str, wanted: Any) -> None:
    assert value(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("var x = 'a", "BCP003:1:9"),
        ("var x = 'a\nvar y = 1", "BCP004:1:9"),
        ("var x = '''a\n", "BCP140:1:9"),
        (r"var x = '\q'", "BCP006:1:10"),
        (r"var x = '\u{110000}'", "BCP133:1:10"),
        ('var x = "a"', "BCP103:1:9"),
        ("var x = $a", "BCP001:1:9"),
        ("var x =", "BCP009:1:8"),
        ("var x 1", "BCP018:1:8"),
        ("var x = 1 2", "BCP019:1:11"),
        ("var = 1", "BCP015:1:5"),
        ("var x = 9223372036854775808", "BCP010:1:9"),
        ("var x = '${\n1}'", "BCP004:1:12"),
        ("var x = '${[ 1 ]}'", "BCP087:1:12"),
        ("var x = [ 1 2 ]", "BCP236:1:13"),
        ("var x = [ 1,\n2 ]", "BCP238:1:13"),
        ("var x = f(1, )", "BCP009:1:14"),
        ("var x = f(1\n2)", "BCP237:1:12"),
        ("var x = (1, 2)", "BCP243:1:9"),
        ("var x = { 1: 2 }", "BCP022:1:11"),
        ("var x = { true: 2 }", "BCP022:1:11"),
        ("var x = a[]", "BCP117:1:11"),
        ("x = 1", "BCP007:1:1"),
        ("/* never\nends", "BCP002:1:1"),
        ("#disable-next-line\nvar x = 1", "BCP007:1:1"),
        ("@description('x') var x = 1", "BCP019:1:19"),
        ("@secure\nparam x string", "BCP152:1:1"),
        ("param x string 1", "BCP008:1:16"),
        ("output x string 1", "BCP018:1:17"),
        ("resource x\n", "BCP068:1:11"),
        ("resource x 'a/b@1' = 1", "BCP118:1:22"),
        ("import x from 'y'", "BCP354:1:8"),
    ],
)
def test_what_is_no_bicep_is_said_with_its_place_and_the_compilers_code(text: str, wanted: str) -> None:
    first = errors(read(text))[0]
    assert f"{first.rule}:{first.place.line}:{first.place.column}" == wanted


def test_a_broken_value_costs_only_itself() -> None:
    found = plan(
        _RESOURCE.format("first", "first")
        + f"resource broken '{EXEMPTION}' = {{\n  name: 'broken'\n  properties: {{\n    displayName: 'it\n"
        + "    exemptionCategory: 'Waiver'\n  }\n}\n"
        + _RESOURCE.format("last", "last")
    )
    assert [one.name for one in found.exemptions] == ["first", "broken", "last"]
    assert found.exemptions[1].properties["exemptionCategory"] == "Waiver"
    assert found.exemptions[1].properties["displayName"].place.line == 10
    assert found.outcome == "refused"


@pytest.mark.parametrize("behind", ["+", "[]", "? 1", "== ", ".", "{" * 100])
def test_what_is_wrong_behind_a_bracket_that_ends_a_line_costs_only_that_property(behind: str) -> None:
    found = plan(
        f"resource broken '{EXEMPTION}' = {{\n  name: 'broken'\n  metadata: {{\n    a: 1\n  }} {behind}\n"
        "  properties: {\n    exemptionCategory: 'Waiver'\n  }\n}\n" + _RESOURCE.format("last", "last")
    )
    assert [one.name for one in found.exemptions] == ["broken", "last"]
    assert found.exemptions[0].properties == {"exemptionCategory": "Waiver"}
    assert found.outcome == "refused"


@pytest.mark.parametrize("bracket", ["  properties: {\n    metadata: {\n", "  properties: {\n    a: [\n", "  b: f(\n"])
def test_a_bracket_that_is_not_closed_hides_no_other_declaration(bracket: str) -> None:
    found = plan(
        f"resource open '{EXEMPTION}' = {{\n  name: 'open'\n" + bracket + "\n" + _RESOURCE.format("last", "last")
    )
    assert [one.name for one in found.exemptions][-1] == "last"
    assert found.exemptions[-1].properties == {"exemptionCategory": "Waiver"}
    assert found.outcome == "refused"


def test_a_broken_declaration_is_one_fault_and_its_name_no_further_one() -> None:
    template = read("param team = 'a'\n  b\n  c\nvar x = '${team}-x'\noutput o string = x\n")
    assert faults(template) == ["BCP279:1"]
    assert template.incomplete


def test_faults_of_a_lambda_or_list_leave_the_rest_of_the_file() -> None:
    assert faults(read("var a = map([ 1 ], x => )\nvar b = [\n  1\n  ^\n  2\n]\nvar c = d\n")) == [
        "BCP009:1",
        "BCP009:4",
        "BCP057:7",
    ]


def test_places_are_those_of_the_text_whatever_ends_its_lines() -> None:
    for end in ("\n", "\r\n", "\r"):
        lines = [
            "/* a",
            "b */ var x = '''",
            "é",
            "'''",
            "",
            "// c",
            "var y = {",
            "  k: 'v'",
            "  l: [",
            "    1 + n",
            "  ]",
            "}",
        ]
        (first,) = errors(read(end.join(lines)))
        assert (first.rule, first.place.line, first.place.column) == ("BCP057", 10, 9), repr(end)


def test_lines_that_are_read_at_once_are_read_as_others_are() -> None:
    lines = [
        "a: 'x'",
        "b: 'x${y}z$'",
        "c: y",
        "d: true",
        "e: null",
        "f: [ 'x', 'y' ]",
        "g: {",
        "h: 'i'",
        "}",
        "j: [",
        "'k'",
        "'l'",
        "]",
    ]
    quick = ExpressionParser("{\n  " + "\n  ".join(lines) + "\n}", "f").expression()
    slow = ExpressionParser("{\n  " + " // c\n  ".join(lines) + "\n}", "f").expression()
    assert _bare(quick) == _bare(slow)
    assert isinstance(quick, Object)
    assert [one.place.line for one in quick.members] == [2, 3, 4, 5, 6, 7, 8, 11]
    assert [one.place.column for one in quick.members] == [3] * 8
    assert isinstance(quick.members[6].value, Object)
    inner = quick.members[6].value.members[0]
    assert isinstance(inner, Member)
    assert isinstance(inner.value, Literal)
    assert inner.place[1:] == (9, 3)


def _bare(node: Any) -> Any:
    """Return a node without its places."""
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not hasattr(node, "__slots__"):
        return node
    names = [name for name in node.__slots__ if name != "place"]
    return (type(node).__name__, *(_bare(getattr(node, name)) for name in names))


def test_a_resource_read_at_once_is_read_as_others_are() -> None:
    text = _RESOURCE.format("a", "a")
    quick, slow = (Parser(one, "f").file().declarations[0] for one in (text, text.replace("= {", "=  {", 1)))
    assert isinstance(quick, Block)
    assert isinstance(slow, Block)
    assert (quick.name, quick.place, quick.keyword, quick.target) == (slow.name, slow.place, slow.keyword, slow.target)
    assert _bare(quick.body) == _bare(slow.body)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "[" * 5000,
        "{a:" * 5000,
        "'${" * 5000,
        "!" * 5000 + "true",
        "f(" * 5000,
        "x" + ".y" * 5000,
        "x" + "[0]" * 5000,
        "1" + " + 1" * 5000,
        "true" + " && true" * 5000,
        "true ? 1 : " * 5000 + "1",
        "x => " * 5000 + "1",
        "'" + "a" * 1_000_000,
        "/*" * 100_000,
        "'''" + "'" * 100_000,
        "$" * 100_000,
        "\r" * 100_000,
        "1" * 100_000,
        "a" * 100_000,
    ],
)
def test_no_text_exhausts_the_stack_or_the_time(text: str) -> None:
    template = read(f"var x = {text}\nvar last = nothing\n")
    assert faults(template)
    assert len(template.diagnostics) < 50


def test_a_file_of_many_faults_is_read_to_its_end() -> None:
    assert len(errors(read("param p nothing\n" * 2000))) == 3999


_WHOLE = """targetScope = 'resourceGroup'
@description('d')
param a string = 'x'
type t = { b: 'c' | 'd', *: int[]? }
func f(n int) string => '${n}'
var v = [for (x, i) in [1, 2]: { ...{ k: x }, 'l${i}': x }]
resource r 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = if (true) {
  name: '${a}-${f(1)}'
  properties: {
    exemptionCategory: 'Waiver'
    description: '''
      text'''
  }
}
module m 'm.bicep' = [for g in v: if (g.k > 1) {
  name: 'm'
  params: { p: g.?k ?? 1 }
}]
output o string = r.properties.?x[^1]!.y
"""


@settings(max_examples=300)
@given(
    st.integers(0, len(_WHOLE)),
    st.integers(0, 40),
    st.sampled_from(["", "'", "'''", "{", "}", "[", "(", "\n", "${", "/*", "é\0", "\ud800"]),
)
def test_a_file_with_any_piece_cut_out_or_put_in_is_read(at: int, cut: int, put: str) -> None:
    text = _WHOLE[:at] + put + _WHOLE[at + cut :]
    parser = Parser(text, "f.bicep")
    parser.file()
    assert all(1 <= one.place.line <= text.count("\n") + 2 for one in parser.faults)
    assert len(parser.faults) < 100
    ParametersParser(text, "f.bicepparam").file()
    plan(text.encode("utf-8", "replace").decode())


def test_encodings_are_known_by_their_marks() -> None:
    text = "output o string = 'é'\n"
    for data in (
        text.encode(),
        text.encode("utf-8-sig"),
        b"\xff\xfe" + text.encode("utf-16-le"),
        b"\xfe\xff" + text.encode("utf-16-be"),
    ):
        assert faults(read(data)) == []
    assert faults(read(text.encode("latin-1"))) == ["encoding:1"]
