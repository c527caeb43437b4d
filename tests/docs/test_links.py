"""What README and docs point at is there: files, headings, make targets, commands; the worked ruleset is true."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from guardrails.cli.main import COMMANDS, module_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Kind
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import Mode, parse_ruleset
from guardrails.ruleset.schema import schema
from tests.limits import bound_at

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r'<a id="([a-z0-9-]+)"></a>')
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
# A command runs to the end of its code span or line; a span may break a line in a paragraph.
MAKE = re.compile(r"(?:`|^)make ([a-z][a-z-]*)", re.MULTILINE)
COMMAND = re.compile(r"(?:python -m guardrails|\bexg)(?:\s+([a-z][a-z-]*)(?:\s+([a-z][a-z-]*)\b)?)?")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PROD = "/subscriptions/11111111-2222-3333-4444-555555555555"
DEV = "/subscriptions/66666666-7777-8888-9999-000000000000"
NAME = "/providers/Microsoft.Authorization/policyExemptions/x"
NOW = datetime(2027, 6, 29, tzinfo=UTC)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them, and those that it names itself."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    out = set(NAMED.findall(text))
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found[slug] = found.get(slug, -1) + 1
        out.add(f"{slug}-{again}" if again else slug)
    return out


def trouble(page: Path, target: str) -> str:
    """Return what is wrong with a link; "" where it leads somewhere, or out of the repository."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return "" if target.startswith("https://") else f"{target} is not https"
    path, _, anchor = target.partition("#")
    file = (page.parent / unquote(path)).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return f"{target}: no such file"
    if anchor and anchor not in anchors(file):
        return f"{target}: no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    assert [wrong for target in LINK.findall(text) if (wrong := trouble(page, target))] == []


def test_a_link_that_leads_nowhere_is_found_out() -> None:
    page = ROOT / "README.md"
    assert trouble(page, "docs/none.md") == "docs/none.md: no such file"
    assert trouble(page, "../elsewhere.md") == "../elsewhere.md: no such file"
    assert trouble(page, "docs/ruleset.md#none") == "docs/ruleset.md#none: no such heading"
    assert trouble(page, "docs/ruleset.md#patterns") == ""


def test_the_readme_leads_to_every_page() -> None:
    seen: set[Path] = set()
    wanted = [ROOT / "README.md"]
    while wanted:
        page = wanted.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
        wanted += [(page.parent / one.partition("#")[0]).resolve() for one in targets if "://" not in one]
    assert {str(page.relative_to(ROOT)) for page in set(PAGES) - seen} <= {"CHANGELOG.md"}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(page.read_text(encoding="utf-8"))) <= targets


def words_of(command: str) -> set[str]:
    """Return the words that may follow a command; none where a file or an id follows."""
    parser = argparse.ArgumentParser()
    module_of(command).arguments(parser)
    positional = [action for action in parser._actions if not action.option_strings]
    return {str(word) for action in positional for word in action.choices or ()}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_exists(page: Path) -> None:
    for command, word in COMMAND.findall(page.read_text(encoding="utf-8")):
        assert not command or command in COMMANDS, f"python -m guardrails {command}"
        if word and (words := words_of(command)):
            assert word in words, f"python -m guardrails {command} {word}"


def test_the_pages_say_what_each_kind_and_command_is_for() -> None:
    kinds, commands = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/respond.md", "docs/commands.md"))
    assert {kind for kind in Kind if f"| `{kind}` |" not in kinds} == set()
    assert {name for name in COMMANDS if f"`exg {name}" not in commands} == {"docs"}


def test_the_worked_ruleset_is_one_and_does_as_the_page_says() -> None:
    page = (ROOT / "docs/ruleset.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(snippets) == 1
    ruleset = parse_ruleset(snippets[0], "docs/ruleset.md")
    assert ruleset.mode is Mode.ENFORCE

    prod = bound_at(ruleset, PROD + NAME)
    assert (prod["expiry-missing"].response, prod["expiry-missing"].grace) == (Response.REVERT, timedelta(days=3))
    assert "expired" not in prod  # what is not named is off
    dev = bound_at(ruleset, DEV + NAME)
    assert dev["expiry-missing"].response is Response.ALERT
    assert dev["expiry-missing"].grace == timedelta(days=3)  # field by field
    assert "whole-initiative" not in dev

    excluded = ExemptionId.parse(f"{PROD}/resourceGroups/Break-Glass{NAME}")
    assert ruleset.exclusion_for(excluded, NOW) is not None
    assert ruleset.exclusion_for(excluded, NOW + timedelta(days=1)) is None
    assert ruleset.names.read({"change_number": "CHG1", "ticket": "T-1"})["ticket"] == "CHG1"


def test_every_section_of_a_ruleset_is_explained() -> None:
    page = (ROOT / "docs/ruleset.md").read_text(encoding="utf-8")
    explained = re.findall(r"^## `(\w+)`$", page, re.MULTILINE)
    assert explained == list(schema(tuple(Kind))["properties"])
