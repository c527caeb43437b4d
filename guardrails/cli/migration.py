"""What docs/migration.md says: names that changed, from the tables that the program itself goes by. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from guardrails.channels.webhook import OLD_NAMES, OLD_VALUES
from guardrails.cli.retired import FOLDER, NAMES
from guardrails.cli.schema_version import NAMES as JSON_NAMES
from guardrails.cli.schema_version import VALUES as JSON_VALUES
from guardrails.notices.renames import Names, inverse
from guardrails.ruleset import schema
from guardrails.runtime import settings

INTRODUCTION: Final = """\
Names of commands, settings and fields follow [the glossary](glossary.md). The old names work until release 1.0. Each
use prints one warning with the new name, on standard error or in the log. Stored names do not change: rows, histories
and queue messages keep their names, the previous release can read them, and histories stay verifiable."""

_JSON: Final = """\
`--schema-version 1` prints the old names; use it with `--format`. The default is 2. With 2, an object begins with
`"schema_version": 2`. A list has no version. In the tables, `findings.remediation` is the field `remediation` of each
object in the list `findings`, and `truncated: remediation` means that `truncated` has the value `remediation`."""

_NOTICES: Final = """\
These fields are in `data`, which has `"schema_version": 2`. Each field is there under its old and its new name, with
the same value. The [schemas](notices/README.md) mark the old names as deprecated."""

_PAGES: Final = """\
[ways.md](ways.md) links to [bypasses.md](bypasses.md). The pages of rules and the schemas of notices keep their
addresses."""


class Section(NamedTuple):
    """A section of the page; the last two of the columns are the old name and the new one."""

    heading: str
    text: str
    columns: Sequence[str]
    rows: Iterable[Sequence[str]]


def sections() -> Iterator[Section]:
    """Yield them in order."""
    both = ("old", "new")
    yield Section("Commands", "", both, [*_commands()])
    yield Section(
        "Settings",
        "If an old and a new name are set to different values, the program reports a mistake and does nothing.",
        both,
        settings.RETIRED.items(),
    )
    yield Section(
        "Sections of the ruleset",
        "The program refuses a file that has the old and the new name of a section.",
        both,
        schema.RETIRED.items(),
    )
    yield Section("JSON and CSV of commands", _JSON, ("command", *both), [*_json()])
    yield Section("Notices by webhook and Event Grid", _NOTICES, both, [*_notices()])
    yield Section("Pages", _PAGES, (), ())


def _commands() -> Iterator[Sequence[str]]:
    for old, new in NAMES.items():
        *before, _ = old.split()
        yield old, " ".join([*before, new])
    yield FOLDER


def _json() -> Iterator[Sequence[str]]:
    for command, names in JSON_NAMES.items():
        yield from ((command, *row) for row in _places(names))
    for command, values in JSON_VALUES.items():
        yield from ((command, *row) for row in _values(values, {}))


def _notices() -> Iterator[Sequence[str]]:
    yield from _places(OLD_NAMES)
    yield from _values(OLD_VALUES, inverse(OLD_NAMES))


def _places(names: Names) -> Iterator[Sequence[str]]:
    """Yield the whole place of each name, as it was and as it is."""
    for place in names:
        parts = place.split(".")
        yield ".".join(names.get(".".join(parts[: n + 1]), part) for n, part in enumerate(parts)), place


def _values(values: Mapping[str, Names], places: Names) -> Iterator[Sequence[str]]:
    """Yield the values that changed, behind the place where they are. `places`: that of version 1 -> that of today."""
    for place, texts in values.items():
        yield from ((f"{place}: {old}", f"{places.get(place, place)}: {new}") for new, old in texts.items())
