"""A report in parts: one for each owner, subscription or assignment, under a name that is safe for a file. Pure."""

import hashlib
import re
import unicodedata
from collections import Counter
from typing import Final, NamedTuple

from guardrails.dataclass import replace
from guardrails.report.bypasses import BypassCount
from guardrails.report.groups import groupings
from guardrails.report.line import Line
from guardrails.report.model import Report

BY: Final = ("owner", "subscription", "assignment")
"""What a report can be parted by."""

STEM: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{16}"
"""What `Part.stem` matches, as a regular expression."""

_READABLE: Final = 40
"""Characters of the readable piece of a file's name."""


class Part(NamedTuple):
    """What one owner, subscription or assignment has.

    Attributes:
        label: what it is called; a stranger's text, unescaped.
        stem: the name of its file, without an ending: readable, then a digest of what the group goes by, so that two
            groups never have one name, whatever they are called. ASCII, lower case, no path.
        report: all that is its, with counts of its own; the coverage is that of the whole scan.
    """

    label: str
    stem: str
    report: Report


def parts(report: Report, by: str) -> list[Part]:
    """Return the parts of a report by one of BY, the worst first. Each line is in exactly one."""
    grouping = next(one for one in groupings(report) if one.name == by)
    lines: list[list[Line]] = [[] for _ in grouping.groups]
    for line, number in zip(report.lines, grouping.places, strict=True):
        lines[number].append(line)
    return [
        Part(group.label, _stem(by, group.key, group.label), _part(report, f"{by} {group.label}", some))
        for group, some in zip(grouping.groups, lines, strict=True)
    ]


def _part(report: Report, name: str, lines: list[Line]) -> Report:
    note = f"this report is about {name} only: {len(lines):,} of the {report.total:,} exemptions and bypasses"
    made = replace(
        report,
        lines=[],
        grades=Counter(),
        states=Counter(),
        rules={},
        bypass_counts={kind: BypassCount(kind, whole=one.whole) for kind, one in report.bypass_counts.items()},
        missing=list(report.missing),
        notes=[note, *report.notes],
        coverage=report.coverage.unjudged_yet(),
    )
    for line in lines:
        made.add(line)
    return made


def _stem(by: str, key: str, label: str) -> str:
    digest = hashlib.sha256(f"{by}|{key}".encode("utf-8", "backslashreplace")).hexdigest()[:16]
    plain = unicodedata.normalize("NFKD", label[: _READABLE * 4]).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain[:_READABLE])
    return "-".join([*(words or [by]), digest])
