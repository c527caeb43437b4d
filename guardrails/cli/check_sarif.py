"""What `check` found, as SARIF 2.1.0 (OASIS) in the form that GitHub code scanning takes. Pure.

GitHub shows an alert in a pull request where all lines of its region are in the diff, so each region is one line. It
follows an alert by `partialFingerprints.primaryLocationLineHash`: it is made of what an exemption is, not of its line.
Texts of messages hold strangers' words: links and placeholders in them are escaped (SARIF 2.1.0, 3.11.5 and 3.11.6).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import NAMESPACE_OID, uuid5

from guardrails import __version__
from guardrails.channels.text import plain
from guardrails.check.answer import Answer, Judged, Placed, Problem
from guardrails.cli.check_text import evidence_text, fix_text, place_text
from guardrails.decisions.assess import Verdict
from guardrails.evaluation.values import Place
from guardrails.exemption.severity import Severity
from guardrails.rules import rules_of
from guardrails.rules.base import Rule, title_of

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
MOST: Final = 25_000
"""Results that GitHub takes of one run."""
_LONGEST: Final = 2_000
_PLACES: Final = 100
_TAGS: Final = 20
_ROOT: Final = "%SRCROOT%"
_LEVELS: Final = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}
_SCORES: Final = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "3.0", Severity.INFO: "1.0"}


class Baseline(NamedTuple):
    """What was before the change, with `--diff`.

    Attributes:
        commit: the hash of the commit.
        state_of: what a finding was there.
        as_before: what could not be read there, either.
    """

    commit: str
    state_of: Callable[[Placed], str]
    as_before: Collection[Problem]


def as_sarif(answer: Answer, *, strict: bool, docs: str, code: int, baseline: Baseline | None = None) -> dict[str, Any]:
    """Return the log: one run.

    Args:
        strict: findings that are unknown are results, too.
        docs: the address of a copy of the folder docs, "" for none.
        code: the exit code of the command.
        baseline: each result says what it was there.
    """
    found = [(one, placed) for one, placed in answer.findings if strict or placed.finding.status is Verdict.VIOLATION]
    rules = rules_of({placed.finding.rule for _, placed in found}).values()
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    was_there = baseline.as_before if baseline else ()
    problems = [one for one in answer.problems if one not in was_there]
    notifications = [_notification(one, "warning" if one in was_there else "error") for one in answer.problems]
    notifications += [_notification(one, "warning") for one in answer.warnings]
    if len(found) > MOST:
        notifications.append(_notification(Problem("", 0, 0, f"{len(found) - MOST:,} results are left out")))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "exg check", "semanticVersion": __version__, "rules": [*_rules(rules, docs)]}
                },
                "automationDetails": {"id": "exg-check/"},
                **({"baselineGuid": str(uuid5(NAMESPACE_OID, baseline.commit))} if baseline else {}),
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
                "invocations": [
                    {"executionSuccessful": not problems, "exitCode": code, "toolExecutionNotifications": notifications}
                ],
                "results": [*_results(found[:MOST], numbers, baseline)],
            }
        ],
    }


def _rules(rules: Iterable[Rule], docs: str) -> Iterator[dict[str, Any]]:
    for rule in rules:
        help_uri = {"helpUri": f"{docs.rstrip('/')}/rules/{rule.name}.md"} if docs else {}
        yield {
            "id": rule.code,
            "name": "".join(part.capitalize() for part in rule.name.split("-")),
            "shortDescription": {"text": message(title_of(rule))},
            "fullDescription": {"text": message(title_of(rule))},
            "help": {"text": message(rule.remediation)},
            **help_uri,
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            "properties": {
                "tags": ["security", "azure-policy", *(f"soc2/{one}" for one in rule.soc2)][:_TAGS],
                "security-severity": _SCORES[rule.severity],
            },
        }


def _results(
    found: Iterable[tuple[Judged, Placed]], numbers: dict[str, int], baseline: Baseline | None
) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    for one, placed in found:
        finding = placed.finding
        mark = _fingerprint(one, placed, entries)
        seen[mark] += 1
        unknown = finding.status is Verdict.UNKNOWN
        related = [_location(place, number) for number, place in enumerate(_related(one, placed)[:_PLACES], 1)]
        yield {
            "ruleId": finding.code,
            "ruleIndex": numbers[finding.code],
            "level": "note" if unknown else _LEVELS[finding.severity],
            "message": {"text": message(_text(one, placed))},
            "locations": [_location(placed.place)],
            **({"relatedLocations": related} if related else {}),
            "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{seen[mark]}"},
            **({"baselineState": str(baseline.state_of(placed))} if baseline else {}),
        }


def _text(one: Judged, placed: Placed) -> str:
    finding = placed.finding
    unknown = "unknown: " if finding.status is Verdict.UNKNOWN else ""
    parts = [f"{unknown}{finding.text} ({one.label})"]
    if not unknown:
        parts += [evidence_text(finding.evidence), f"fix: {fix_text(placed)}"]
    return ". ".join(filter(None, parts))


def _related(one: Judged, placed: Placed) -> list[Place]:
    places = [one.place] if one.place != placed.place else []
    return [*places, *one.via]


def _fingerprint(one: Judged, placed: Placed, entries: Counter[str]) -> str:
    """Return a hash of what a finding is about, whatever its line: its rule, its exemption, and what of that."""
    about = one.id if isinstance(one.id, str) else one.name if isinstance(one.name, str) else ""
    if not about:  # the number among those of its file and rule that have no name: stable while others are stable
        key = f"{placed.finding.code}\0{one.place.path}"
        entries[key] += 1
        about = str(entries[key])
    parts = (placed.finding.code, one.place.path, one.parameters or "", about.lower(), placed.at)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _location(place: Place, number: int = 0) -> dict[str, Any]:
    region = {"startLine": max(place.line, 1), **({"startColumn": place.column} if place.column else {})}
    made: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri_of(place.path), "uriBaseId": _ROOT}, "region": region}
    }
    if number:
        made |= {"id": number, "message": {"text": message(f"from {place_text(place)}")}}
    return made


def _notification(problem: Problem, level: str = "error") -> dict[str, Any]:
    place = Place(problem.path, problem.line, problem.column)
    located = {"locations": [_location(place)]} if problem.path else {}
    return {"level": level, "message": {"text": message(problem.message)}, **located}


def uri_of(path: str) -> str:
    """Return a path from the root as a relative URI."""
    try:
        name = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # no file system has such a name
        name = path.encode("utf-8", "backslashreplace")
    uri = quote(name, safe="/-._~!$&'()*+,;=@")
    return f"./{uri}" if ":" in uri.partition("/")[0] or uri.startswith("/") else uri


def message(text: str) -> str:
    """Return a text for a message: on one line, with no link and no placeholder in it."""
    safe = plain(text, _LONGEST).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return safe.replace("{", "{{").replace("}", "}}")
