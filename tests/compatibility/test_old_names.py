"""Commands, options, settings, sections of the ruleset and addresses that have other names now: they still work."""

import argparse
import re
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli.main import COMMANDS, module_of
from guardrails.cli.retired import FOLDER, NAMES, modern
from guardrails.errors import Misconfigured
from guardrails.ruleset import schema
from guardrails.ruleset.model import parse_ruleset
from guardrails.runtime import settings
from guardrails.runtime.settings import Settings
from tests.docs.test_links import trouble
from tests.reconcile.world import World

from .conftest import FIXTURES, Run

ROOT = Path(__file__).parents[2]
STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
HEAD = "version: 2\nmode: audit\nrules: {expired: alert}\n"
PAIRS = [
    ("letters", "dead-letters"),
    ("letters list --format json", "dead-letters list --format json"),
    ("letters show notices-1", "dead-letters show notices-1"),
    ("letters drop none", "dead-letters drop none"),
    ("letters replay none", "dead-letters replay none"),
    ("deadletters replay FIXTURES/blobs --dry-run", "dead-letters replay --from FIXTURES/blobs --dry-run"),
    (
        "deadletters replay --format json --dry-run FIXTURES/blobs",
        "dead-letters replay --from FIXTURES/blobs --dry-run --format json",
    ),
    ("deadletters replay --dry-run -- FIXTURES/blobs", "dead-letters replay --from FIXTURES/blobs --dry-run"),
    ("register ways --format csv", "register bypasses --format csv"),
    ("register ways --way tag --way=override", "register bypasses --kind tag --kind override"),
    ("doctor --only letters --only=letters", "doctor --only dead-letters"),
    ("--traceback letters", "--traceback dead-letters"),
]
"""What was written once, and what is written today."""


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=[old for old, _ in PAIRS])
async def test_an_old_command_does_what_the_new_one_does_and_names_it(
    before: World, run: Run, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    monkeypatch.delenv("GUARDRAILS_FACTS_MINUTES")
    then, now = await run(*old.split()), await run(*new.split())
    assert (then.code, then.out) == (now.code, now.out)
    warning, *rest = [line for line in then.err.splitlines() if "exceptions" not in line]
    assert rest == [line for line in now.err.splitlines() if "exceptions" not in line]
    assert warning.startswith("guardrails: `")
    assert warning.endswith("; the old name works until 1.0")
    assert f"` is now `{new.removeprefix('--traceback ').split()[0]}" in warning


def test_a_word_that_is_no_name_stays() -> None:
    """A folder, an id or a value may be called what a command was called."""
    for words in (
        ["dead-letters", "show", "letters"], ["register", "list", "--owner", "ways"], ["register", "list", "--way"],
        ["history", "letters"], ["doctor", "--only", "log"], ["judge", "letters"], [], ["--help"], ["--"],
    ):  # fmt: skip
        assert modern(words) == (words, "")


def retired_words() -> set[str]:
    words = {old.split()[-1] for old in NAMES}
    return words | {FOLDER[0].split()[0]}


def helps(parser: argparse.ArgumentParser) -> str:
    inner = [one for action in parser._actions for one in _parsers(action)]
    return "\n".join([parser.format_help(), *map(helps, inner)])


def _parsers(action: argparse.Action) -> list[argparse.ArgumentParser]:
    return list(action.choices.values()) if isinstance(action, argparse._SubParsersAction) else []


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_has_no_old_name(command: str) -> None:
    parser = argparse.ArgumentParser(description=module_of(command).__doc__)
    module_of(command).arguments(parser)
    text = " ".join(re.sub(r"-\n +", "-", helps(parser) + COMMANDS[command]).lower().split())  # as it wraps
    assert not {word for word in retired_words() if re.search(rf"(?<![\w-])(?<!dead ){word}(?![\w-])", text)}


def test_an_old_setting_is_read_and_named(caplog: pytest.LogCaptureFixture) -> None:
    for old, new in settings.RETIRED.items():
        caplog.clear()
        assert Settings.read({**STORAGE, old: "7"}).cache_minutes == "7"
        assert [record.message for record in caplog.records] == [
            f"the setting {old} is now {new}; the old name works until 1.0"
        ]
        assert Settings.read({**STORAGE, old: "7", new: " 7 "}).cache_minutes == "7"


def test_two_values_of_one_setting_are_a_mistake() -> None:
    for old, new in settings.RETIRED.items():
        with pytest.raises(Misconfigured) as caught:
            Settings.read({**STORAGE, old: "7", new: "8"})
        assert caught.value.problems == (f"{new}: its old name {old} is set too, to another value; remove {old}",)


def test_a_new_setting_alone_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert Settings.read({**STORAGE, "GUARDRAILS_CACHE_MINUTES": "3"}).cache_minutes == "3"
    assert Settings.read({**STORAGE, "GUARDRAILS_FACTS_MINUTES": ""}).cache_minutes == "10"
    assert caplog.records == []


def test_an_old_section_says_the_same_as_the_new_one() -> None:
    for old, new in schema.RETIRED.items():
        section = "{approved: [A-1], tags: {id: waiver}}"
        before, now = (parse_ruleset(f"{HEAD}{name}: {section}\n", "r.yaml") for name in (old, new))
        assert before.bypasses == now.bypasses
        assert now.warnings == ()
        assert before.warnings == before.retired
        assert before.retired == (f"r.yaml:4:1: {old}: it is called {new} now; the old name works until 1.0",)


def test_both_sections_are_one_mistake_with_its_line() -> None:
    for old, new in schema.RETIRED.items():
        with pytest.raises(Misconfigured) as caught:
            parse_ruleset(f"{HEAD}{new}: {{approved: [A-1]}}\n{old}: {{approved: [A-2]}}\n", "r.yaml")
        assert caught.value.problems == (
            f"r.yaml:5:1: {old}: it is the old name of {new}, and the file has both; move its content to {new}",
        )


def test_what_is_wrong_in_an_old_section_is_named_with_its_line() -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_ruleset(f"{HEAD}exceptions:\n  accepted:\n  - {{scope: /subscriptions/s}}\n", "r.yaml")
    assert caught.value.problems == ("r.yaml:6:5: bypasses.accepted[0]: reason must be given",)


@pytest.mark.parametrize(
    "words", [("judge", "FIXTURES/exemptions.json"), ("rules",), ("policy", "build", "--check"), ("scan",)]
)
async def test_a_command_warns_once_of_an_old_section(before: World, run: Run, words: tuple[str, ...]) -> None:
    ran = await run(*words)
    assert [line for line in ran.err.splitlines() if "bypasses now" in line] == [
        "ruleset.yaml:12:1: exceptions: it is called bypasses now; the old name works until 1.0"
    ]


def test_the_published_schema_takes_an_old_section_and_says_that_it_is_old() -> None:
    published: dict[str, Any] = schema.published()
    for old, new in schema.RETIRED.items():
        section = published["properties"][old]
        assert section["deprecated"] is True
        assert section["properties"] == published["properties"][new]["properties"]


@pytest.mark.parametrize("address", (FIXTURES / "addresses.txt").read_text(encoding="utf-8").split())
def test_every_page_of_before_is_there(address: str) -> None:
    """Notices, alerts and messages that were sent name some of them, and people have kept others."""
    assert trouble(ROOT / "README.md", address) == ""


def test_the_migration_page_names_every_old_name() -> None:
    page = (ROOT / "docs/migration.md").read_text(encoding="utf-8")
    for old, new in [*NAMES.items(), FOLDER, *settings.RETIRED.items(), *schema.RETIRED.items()]:
        assert re.search(rf"\| `{re.escape(old)}` \| `[^`]*{re.escape(new)}` \|", page), old
