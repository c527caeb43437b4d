"""One term per concept: no word that retired.md lists is used, in names, texts or pages."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from guardrails.notices.notice import Kind

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = ROOT / "tests" / "docs" / "retired.md"
READ: Final = {".py", ".md", ".yaml", ".yml", ".html", ".css", ".js", ".json", ".bicep", ".sh", ".toml"}
APART: Final = {
    "docs/scan.schema.1.json",  # the form of before
    "tests/docs/retired.md", "docs/migration.md", "CHANGELOG.md",  # which name what is retired, or was written before
    "guardrails/cli/retired.py", "guardrails/cli/schema_version.py",  # old names that still work
    "tests/docs/test_terms.py", "tests/compatibility/test_old_names.py", "tests/compatibility/test_schema_version.py",
    *(f"docs/notices/{kind}.schema.json" for kind in Kind),  # which have old names that are marked as deprecated
}  # fmt: skip
"""Files that may hold retired words: they are about them."""
LEFT_OUT: Final = {"node_modules", "fixtures", "__pycache__", "build"}
STORED: Final = ("# stored name", "<!-- stored name --> |")
"""End a line, of code or of a table in a page, that spells a name under which something is stored: those stay."""
WORD: Final = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])")


class Retired(NamedTuple):
    """A row of the table, as patterns on words separated by single spaces."""

    words: re.Pattern[str]
    unless: re.Pattern[str] | None
    names_only: bool
    phrases: tuple[list[str], ...]

    def may_be_in(self, text: str) -> bool:
        """Tell whether a text has all words of one of the phrases, even inside other words, in any case."""
        text = text.lower()
        return any(all(word in text for word in phrase) for phrase in self.phrases)


def phrases(cell: str) -> list[str]:
    """The phrases of a cell, as words separated by single spaces."""
    return [" ".join(WORD.findall(phrase)).lower() for phrase in cell.split(",") if phrase.strip()]


def pattern(cell: str) -> re.Pattern[str] | None:
    """A pattern of any of a cell's phrases; None for an empty cell."""
    found = phrases(cell)
    return re.compile(rf"\b(?:{'|'.join(found)})\b") if found else None


def retired() -> list[Retired]:
    """Return the retired words."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1] in ("everywhere", "in names"):
            words = pattern(cells[0])
            assert words
            of = tuple(phrase.split() for phrase in phrases(cells[0]))
            found.append(Retired(words, pattern(cells[3]), cells[1] == "in names", of))
    return found


RETIRED: Final = retired()
NAME: Final = re.compile(r"\b(?:def|class) +(\w+)|\b(\w+)(?: *:[^=]*)?= |\b(?:as|for) (\w+)\b")


def used(line: str, retired: list[Retired] = RETIRED) -> list[str]:
    """Return the retired words in a line."""
    if line.rstrip().endswith(STORED):
        return []
    text = " ".join(WORD.findall(line)).lower()
    names = " ".join(" ".join(WORD.findall(" ".join(name))) for name in NAME.findall(line)).lower()
    found = []
    for words, unless, names_only, _ in retired:
        where = names if names_only else text
        found += words.findall(unless.sub(" ", where) if unless else where)
    return found


def lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line with retired words, and those words."""
    maybe = [one for one in RETIRED if one.may_be_in(text)]
    for number, line in enumerate(text.splitlines() if maybe else (), 1):
        likely = [one for one in maybe if one.may_be_in(line)]
        if likely and (words := used(line, likely)):
            yield number, words


def files() -> list[Path]:
    """Return the files that people read or write."""
    roots = [ROOT / name for name in ("guardrails", "sandbox", "tests", "tools", "infra", "docs", "findings")]
    found = [file for root in roots for file in root.rglob("*") if file.suffix in READ and file.is_file()]
    found += [file for file in ROOT.iterdir() if file.is_file() and (file.suffix in READ or file.name == "Makefile")]
    names = {file.relative_to(ROOT).as_posix(): file for file in found}
    return [
        file for name, file in sorted(names.items())
        if name not in APART and not LEFT_OUT & set(Path(name).parts) and "lock" not in file.name
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "He mends it", "    told = 1", "class _Letter:", "lettersLeft", "how it stands", "the two ways past a policy",
        "def reach(host):", "async with a as under:", "MEND", "the rate lane",
    ],
)  # fmt: skip
def test_a_retired_word_is_seen(line: str) -> None:
    assert used(line)
    assert list(lines(f"a line before\n{line}\n")) == [(2, used(line))]


@pytest.mark.parametrize(
    "line",
    [
        "a dead letter", "deadLetterDestination", "DEAD_LETTERS", "under a scope", "amend, intellect, understands",
        '    "mend": text,  # stored name', "| `lanes` | a rate limit <!-- stored name --> |",
        "to reach a host", "a stand-in",
    ],
)  # fmt: skip
def test_an_ordinary_word_is_not(line: str) -> None:
    assert not used(line)


def test_no_retired_word_is_used() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {', '.join(words)}"
        for file in files()
        for number, words in lines(file.read_text(encoding="utf-8"))
    ]
    assert not found, f"{len(found)} lines; see {TABLE.name} for what to write instead:\n" + "\n".join(found[:50])
