"""What every rule must be: declared in full, with cases that come out as they say."""

import ast
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import guardrails.rules
from guardrails.dataclass import MISSING, fields
from guardrails.exemption.severity import Severity
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Rule, Unknown, Violation
from tests.rules.looks import outcome

RULES = list(all_rules().values())
FOLDER = Path(guardrails.rules.__file__).parent
HELPERS = {"base", "callers", "control", "risks", "sample", "selection", "words"}
OPTION_TYPES = (bool, int, str, tuple[str, ...])
EXPECTED = {"good": "Pass", "bad": "Violation", "unclear": "Unknown"}


def _cases() -> list[Any]:
    return [
        pytest.param(rule, case, EXPECTED[group], id=f"{rule.name}-{group}-{case.title}")
        for rule in RULES
        for group in EXPECTED
        for case in getattr(rule, group)
    ]


def _module(rule: Rule) -> str:
    return rule.name.replace("-", "_")


@pytest.mark.parametrize(("rule", "case", "expected"), _cases())
def test_case_comes_out_as_declared(rule: Rule, case: Case, expected: str) -> None:
    said = outcome(rule, case)
    assert type(said).__name__ == expected, said
    if isinstance(said, Violation):
        assert said.text
        assert not said.text.endswith(".")
        assert json.loads(json.dumps(said.evidence)) == said.evidence
    if isinstance(said, Unknown):
        assert said.reason
        assert not said.reason.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_good_cases_keep_all_rules(rule: Rule) -> None:
    for case in (Case("the sample"), *rule.good):
        if case.options:
            continue  # it is good only under options of its own
        for other in RULES:
            said = outcome(other, case)
            assert type(said).__name__ == "Pass", (case.title, other.name, said)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_declared_in_full(rule: Rule) -> None:
    assert re.fullmatch(r"EXG[1-46]\d\d", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert isinstance(rule.severity, Severity)
    assert rule.soc2
    assert all(re.fullmatch(r"CC[1-9]\.\d", criterion) for criterion in rule.soc2)
    assert rule.remediation[0].isupper()
    assert rule.remediation.endswith(".")
    assert rule.good
    assert rule.bad
    titles = [case.title for group in EXPECTED for case in getattr(rule, group)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_options_are_typed_and_documented(rule: Rule) -> None:
    hints = get_type_hints(rule.options)
    for declared in fields(rule.options):
        assert declared.default is not MISSING
        assert hints[declared.name] in OPTION_TYPES
        assert declared.metadata["doc"]
        assert type(declared.default) is (tuple if hints[declared.name] == tuple[str, ...] else hints[declared.name])
    hash(rule.options())  # frozen: options can be a cache key


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_docstring_has_the_fixed_headings(rule: Rule) -> None:
    text = ast.get_docstring(ast.parse((FOLDER / rule.stage / f"{_module(rule)}.py").read_text("utf-8")))
    assert text
    assert text.splitlines()[0].endswith(".")
    headings = re.findall(r"^([A-Z][A-Za-z ]+):(?= |$)", text, re.MULTILINE)
    assert headings == ["What it does", "Why", "Example", "Instead", "References"]
    links = text[text.index("References:") :].splitlines()[1:]
    assert links
    allowed = r"- https://(learn\.microsoft\.com|www\.aicpa-cima\.com)/\S+"
    assert all(re.fullmatch(allowed, line) for line in links)


def test_codes_and_names_are_unique_and_ordered() -> None:
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES) >= 20
    assert list(all_rules()) == [rule.name for rule in RULES]


def test_each_file_is_one_rule_of_its_name() -> None:
    files = [path for path in FOLDER.rglob("*.py") if path.stem != "__init__"]
    assert {path.stem for path in files if path.parent == FOLDER} == HELPERS
    names = {(path.parent.name, path.stem) for path in files if path.parent != FOLDER}
    assert names == {(rule.stage, _module(rule)) for rule in RULES}


def test_rules_do_not_import_one_another() -> None:
    rules = {f"guardrails.rules.{rule.stage}.{_module(rule)}" for rule in RULES}
    for rule in RULES:
        tree = ast.parse((FOLDER / rule.stage / f"{_module(rule)}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            assert not rules & set(names), (rule.name, names)
            assert not any(name.startswith("azure") for name in names)
