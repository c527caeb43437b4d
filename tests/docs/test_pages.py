"""The generated pages are there, fresh, and true."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from guardrails.cli import docs
from guardrails.cli.main import main
from guardrails.cli.rule_text import changes_of, options_of
from guardrails.rules.base import Rule
from guardrails.ruleset.model import load_ruleset
from guardrails.ruleset.rule_pages import ADVICE, HEADINGS, every_rule, text_of
from guardrails.runtime.settings import Settings

ROOT = Path(__file__).parents[2]


def test_every_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--check"]) == 0, capsys.readouterr().err


def test_a_stale_missing_or_left_over_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--root", str(tmp_path)]) == 0
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 0
    (tmp_path / "docs/settings.md").write_text("edited")
    (tmp_path / "docs/rules/expired.md").unlink()
    (tmp_path / "docs/rules/of-old.md").write_text("a rule that is no more")
    capsys.readouterr()

    assert main(["docs", "--check", "--root", str(tmp_path)]) == 1
    wanted = "stale: docs/rules/expired.md, docs/settings.md, docs/rules/of-old.md. Run: python -m guardrails docs"
    assert capsys.readouterr().err == f"guardrails: {wanted}\n"

    assert main(["docs", "--root", str(tmp_path)]) == 0
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 0
    assert not (tmp_path / "docs/rules/of-old.md").exists()


def test_making_pages_is_deterministic() -> None:
    assert docs.pages() == docs.pages()


@pytest.mark.parametrize("name", list(every_rule()))
def test_a_rule_page_says_all_that_the_rule_declares(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its cases are shown by `exg rules CODE`, to which the page of all rules leads."""
    declared = every_rule()[name]
    page = (ROOT / "docs/rules" / f"{declared.name}.md").read_text(encoding="utf-8")
    text = text_of(declared)
    assert tuple(text.sections) == HEADINGS
    assert text.references
    assert all(reference.startswith("https://") for reference in text.references)
    for wanted in (declared.code, declared.name, text.title, declared.remediation, *declared.soc2, *text.references):
        assert wanted in page
    for option in options_of(declared):
        assert f"| `{option.name}` | {option.kind} |" in page
        assert option.doc in page
    assert main(["rules", declared.code]) == 0
    shown = capsys.readouterr().out
    for case in (*declared.good, *declared.bad, *declared.unclear) if isinstance(declared, Rule) else ():
        assert f"\n  {case.title}" in shown
        assert all(name in shown for name, _ in changes_of(case))
    index = (ROOT / "docs/rules/README.md").read_text(encoding="utf-8")
    assert "`exg rules CODE`" in index
    assert f"[{declared.code}]({declared.name}.md)" in index


@pytest.mark.parametrize("name", list(every_rule()))
def test_how_to_fix_a_violation_is_said_once(name: str) -> None:
    """The page shows the remediation and the advice as one paragraph: the advice adds something to it."""
    declared = every_rule()[name]
    said = words(declared.remediation)
    for sentence in re.split(r"(?<=\.) ", " ".join(text_of(declared).sections[ADVICE])):
        assert len(words(sentence) - said) >= len(words(sentence)) / 2, sentence


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "docs/rules").glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_tables_have_as_many_cells_in_every_line() -> None:
    for page in [*(ROOT / "docs/rules").glob("*.md"), ROOT / "docs/settings.md"]:
        width = 0
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (cells and width) or cells == width, f"{page.name}: {line}"
            width = cells


def test_settings_page_and_sample_are_in_step() -> None:
    ruleset = load_ruleset()
    declared = {item.metadata["name"] for item in fields(Settings)}
    named = {route.address_setting for route in ruleset.routes} | {
        route.secret_setting for route in ruleset.routes if route.secret_setting
    }
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))

    assert set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)) == declared | named | {"FUNCTIONS_WORKER_RUNTIME"}
    assert set(sample["Values"]) == declared | named | {"FUNCTIONS_WORKER_RUNTIME"}
    assert all(isinstance(value, str) for value in sample["Values"].values())


def test_the_sample_holds_no_secret_and_works() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
    secrets = {item.metadata["name"] for item in fields(Settings) if item.metadata["secret"]} | {"TEAMS_WEBHOOK_URL"}
    assert {values[name] for name in secrets} <= {"", "UseDevelopmentStorage=true"}
    settings = Settings.read(values)
    defaults = Settings.read({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert settings == defaults
