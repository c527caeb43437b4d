"""scan --by: a folder with one file for each owner, subscription or assignment, and an index of them.

The index, index.json, also says which files a scan wrote: only these are replaced, or deleted once they are of no
group.
"""

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from guardrails.cli.schema_version import Form
from guardrails.cli.screen import Screen
from guardrails.dataclass import dataclass
from guardrails.errors import Misconfigured
from guardrails.lazy_regex import lazy_regex
from guardrails.report.coverage_forms import SCHEMA
from guardrails.report.line import spelled
from guardrails.report.model import Report
from guardrails.report.parts import STEM, Part, parts
from guardrails.report.texts import totals

INDEX: Final = f"{SCHEMA}#/$defs/index"
"""What the index names as its schema."""

ENDINGS: Final = {"html": ".html", "csv": ".csv", "json": ".json", "markdown": ".md"}
"""The forms of the files, and how their names end."""

_INDEX_NAME: Final = "index.json"
_OURS: Final = lazy_regex(rf"{STEM}(\.coverage\.json|{'|'.join(map(re.escape, ENDINGS.values()))})", re.ASCII)


class Index(NamedTuple):
    """An Output: the parts of a report. Version 1 had no index, so it is always of today's version."""

    report: Report
    parts: list[Part]
    folder: "Folder"

    def pieces(self, _form: str) -> Iterable[str]:
        """Return the index as JSON."""
        report = self.report
        document = {
            "$schema": INDEX,
            "generated_at": spelled(report.made_at or report.at),
            "judged_at": spelled(report.at),
            "by": self.folder.by,
            "format": self.folder.form,
            "counts": _counts(report),
            "groups": [
                {
                    "name": part.label,
                    "files": [path.name for path, _ in self.folder.files(part)],
                    "counts": _counts(part.report),
                }
                for part in self.parts
            ],
        }
        return [json.dumps(Form()(document), indent=2) + "\n"]

    def show(self, screen: Screen) -> None:
        """Print the groups, and the sums."""
        self.sum_up(screen)

    def sum_up(self, screen: Screen) -> None:
        """Print how many each group has, and the sums of all."""
        rows = [
            (str(part.report.total), str(part.report.violations), str(part.report.grades["unknown"]), part.label)
            for part in self.parts
        ]
        screen.table(("seen", "violation", "unknown", self.folder.by), rows)
        screen.line()
        for one in self.report.missing:
            screen.line(f"not seen: {one}", style="unknown")
        screen.line(totals(self.report))


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder that --by writes into. `written`: the names of files that an earlier scan wrote there."""

    path: Path
    by: str
    form: str
    written: frozenset[str]

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Folder":
        """Return the folder that arguments name. Raises Misconfigured (cannot-write) before Azure is asked."""
        form = args.format or "html"
        if args.compare:
            raise _wrong("--by and --compare exclude each other", "Use one of them.")
        if form not in ENDINGS:
            raise _wrong(f"--by does not write {form}", f"Give --format {', '.join(ENDINGS)}.")
        if len(args.out) != 1:
            raise _wrong("--by needs one folder", "Name it with --out DIR, once.")
        path = Path(args.out[0])
        if not path.parent.is_dir() or (path.exists() and not path.is_dir()):
            raise _wrong(
                f"{path} is not a folder and cannot be created", "Name a folder, or a new one in an existing folder."
            )
        if form == "html":
            import guardrails.report.page  # noqa: F401, PLC0415 - a missing package is to be said before Azure is read
        return cls(path, args.by, form, _written(path / _INDEX_NAME, args.by, form))

    @property
    def index_path(self) -> Path:
        """The index."""
        return self.path / _INDEX_NAME

    def files(self, part: Part) -> list[tuple[Path, str]]:
        """Return the files of a part, and their forms."""
        path = self.path / f"{part.stem}{ENDINGS[self.form]}"
        return [(path, self.form), *([(coverage_file(path), "coverage")] if self.form == "csv" else [])]

    def index(self, report: Report) -> Index:
        """Return the index of a report, and its parts."""
        return Index(report, parts(report, self.by), self)

    def prepare(self, index: Index) -> None:
        """Make the folder, and delete the files of an earlier scan that are of no group any more.

        Raises Misconfigured (cannot-write), and nothing is deleted, where a file is in the way that no scan wrote.
        """
        names = {path.name for part in index.parts for path, _ in self.files(part)}
        if strange := sorted(name for name in names - self.written if (self.path / name).exists()):
            raise _wrong(f"{self.path / strange[0]} exists, and no scan wrote it", "Name another folder.")
        try:
            self.path.mkdir(exist_ok=True)
            for name in self.written - names:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            message = f"{error.filename or self.path} cannot be written: {error.strerror}"
            raise _wrong(message, "Name another folder.") from error


def coverage_file(path: Path) -> Path:
    """Return the file for the coverage of a CSV file."""
    stem = path.stem if path.suffix.lower() == ".csv" else path.name
    return path.with_name(f"{stem}.coverage.json")


def _written(index: Path, by: str, form: str) -> frozenset[str]:
    """Return the files that an index lists; none where there is no index. Raises Misconfigured for a foreign one."""
    if not index.exists():
        return frozenset()
    try:
        document = json.loads(index.read_text(encoding="utf-8"))
        schema, made = document["$schema"], (document["by"], document["format"])
        names = frozenset(name for group in document["groups"] for name in group["files"])
        ours = schema == INDEX and all(map(_OURS.fullmatch, names))
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        ours = False
    if not ours:
        raise _wrong(f"{index} exists, and no scan wrote it", "Name another folder.")
    if made != (by, form):
        raise _wrong(f"{index.parent} holds files by {made[0]} as {made[1]}", "Name another folder for these.")
    return names


def _counts(report: Report) -> Mapping[str, Any]:
    return {"exemptions": report.exemptions, "bypasses": report.total - report.exemptions, **report.verdicts()}


def _wrong(message: str, remedy: str) -> Misconfigured:
    return Misconfigured(message, code="cannot-write", remedy=remedy)
