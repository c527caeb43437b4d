r"""Judge exemptions in files, offline: show each finding, its remediation, and the planned action.

The files hold what Azure returns: one exemption or a list. For a subscription, use the answer of ARM, which
has all fields. The answer has the subscription's own exemptions, those below the subscription, and inherited ones:
  at=/subscriptions/ID/providers/Microsoft.Authorization
  az rest --method get --url "$at/policyExemptions?api-version=2026-01-01-preview" > exemptions.json
  az rest --method get --url "$at/policyAssignments?api-version=2025-03-01" > assignments.json
  az policy set-definition list --subscription ID > initiatives.json
  exg judge exemptions.json --api-version 2026-01-01-preview \
    --assignments assignments.json --assignments initiatives.json
`az rest` saves only one page of a list. If there are more, `judge` prints the command for the next page. Run it, and
pass that file too.

If the ruleset has overrides by category or severity of policies, pass the policy definitions with --assignments too:
  az policy definition list --subscription ID > definitions.json

`judge` also reads the output of `az policy exemption list`, PowerShell and Resource Graph. They leave out some fields,
and a rule that needs one of these is then unknown; see docs/sources.md. From azure-cli 2.77 on, `az policy exemption
list` and `az policy assignment list` leave out inherited exemptions and assignments. Without --assignments, each rule
that needs the assignment is unknown. The rules duplicate and assignment-not-applicable need the whole tenant: use
`scan`.

Exit codes: 0: all pass. 1: a violation. 2: an input could not be read. 3: no violation, but a rule is unknown, or a
page of a list is missing.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guardrails.cli.options import (
    add_criteria,
    add_format,
    add_ruleset,
    api_version,
    criteria_of,
    moment,
    note_ruleset,
    ruleset_of,
)
from guardrails.cli.screen import Cell, Screen
from guardrails.criteria.model import Weakened, line_of
from guardrails.criteria.weakened import Criteria
from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Assessment, Finding, Verdict, assess
from guardrails.decisions.decide import Plan, Situation, decide
from guardrails.decisions.facts import facts_of
from guardrails.decisions.fix import Fix, fix_of
from guardrails.exemption.body import fingerprint
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import NO_POLICIES, Author
from guardrails.exemption.model import Exemption
from guardrails.files.arm_json import NoObject, Problem, Reading, read_bytes
from guardrails.files.assignments import Assignments
from guardrails.files.exemptions import exemptions_of
from guardrails.files.powershell import CUT_OFF
from guardrails.rules import names_of, rule_of, rules_of
from guardrails.rules.base import Stage
from guardrails.rules.selection import policies_of
from guardrails.ruleset.model import Ruleset


@dataclass(frozen=True, slots=True)
class Judged:
    """One exemption, and what became of it."""

    exemption: Exemption
    assessment: Assessment
    plan: Plan
    fix: Fix
    weakened: Weakened

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "id": self.exemption.id.text,
            "verdict": str(self.assessment.verdict),
            "findings": [finding.to_json() for finding in self.assessment.findings],
            "fix": self.fix.to_json(),
            "plan": self.plan.to_json(),
            "criteria_weakened": self.weakened.to_json(),
        }


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a JSON file; - for standard input")
    parser.add_argument(
        "--assignments",
        action="append",
        default=[],
        metavar="FILE",
        help="a file with assignments, initiatives or policy definitions; may be repeated",
    )
    parser.add_argument(
        "--api-version",
        type=api_version,
        metavar="VERSION",
        help="the api-version in the request's URL; it decides whether an absent field means its default",
    )
    parser.add_argument(
        "--now",
        type=moment,
        default=None,
        metavar="TIME",
        help="judge as of this time, such as 2027-06-30T00:00:00Z; default: now",
    )
    add_ruleset(parser)
    add_criteria(parser)
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Judge all that can be read; say on standard error what cannot."""
    ruleset, now = ruleset_of(args), args.now or datetime.now(UTC)
    note_ruleset(ruleset, now, screen)
    complaints = Complaints(screen)
    assignments, criteria = _assignments(args.assignments, complaints), criteria_of(args)
    judged = [
        judge(exemption, ruleset, assignments, now, criteria)
        for exemption in _exemptions(args.files, ruleset, args.api_version or "", complaints)
    ]
    if args.format == "json":
        screen.json([one.to_json() for one in judged])
    else:
        _show(judged, ruleset, screen)
    verdicts = {one.assessment.verdict for one in judged}
    if complaints.refused:
        return 2
    if Verdict.VIOLATION in verdicts:
        return 1
    return 3 if Verdict.UNKNOWN in verdicts or complaints.pages else 0


def judge(
    exemption: Exemption, ruleset: Ruleset, assignments: Assignments, now: datetime, criteria: Criteria
) -> Judged:
    """Return the findings on an exemption of which the register knows nothing, and what would be done."""
    assignment = assignments.find(exemption.assignment_id)
    policies = assignments.policies(policies_of(exemption, assignment)) if ruleset.asks_policies else NO_POLICIES
    facts = facts_of(exemption, None, ruleset, now, assignment, policies=policies)
    assessment = assess(exemption, facts, ruleset)
    situation = Situation(
        exemption,
        assessment,
        None,
        ruleset,
        content=fingerprint(exemption.body),
        author=facts.author.name if isinstance(facts.author, Author) else "",
        now=now,
        mode=ruleset.mode,
    )
    weakened = criteria.by_exemption(exemption, assignment)
    return Judged(exemption, assessment, decide(situation), fix_of(exemption, facts, ruleset), weakened)


class Complaints:
    """What could not be read, said at once, and counted.

    Attributes:
        refused: how many inputs, or parts of them, could not be read.
        pages: how many files hold a page of a list whose next page is not given.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.refused = 0
        self.pages = 0

    def refuse(self, file: str, problem: Problem) -> None:
        """Say what is wrong with an input."""
        self.refused += 1
        then = f". {problem.remedy} (see exg judge --help)" if problem.remedy else ""
        self._screen.problem(f"{file}: {problem}{then}")

    def report(self, file: str, reading: Reading, files: Iterable[str]) -> None:
        """Say what is wrong with a file, and which page of its list is not among `files`, those given with it."""
        for problem in reading.problems:
            self.refuse(file, problem)
        given = {Path(other).name for other in files if other != file}
        wanting = [note for note in reading.notes if note.rest not in given]
        for note in wanting:
            self.note(file, note)
        self.pages += bool(wanting)

    def note(self, file: str, problem: Problem) -> None:
        """Say what is worth knowing of an input that could be read."""
        self._screen.note(f"{file}: {problem}")


def _assignments(files: Sequence[str], complaints: Complaints) -> Assignments:
    """Return what the files given with --assignments hold. What is left out of them is not known, and no mistake."""
    bodies: list[Mapping[str, Any]] = []
    for file in files:
        reading = _read(file)
        left_out: list[Problem] = [problem for problem in reading.problems if isinstance(problem, NoObject)]
        left_out += [Problem(reading.cut_off, CUT_OFF)] if reading.cut_off else []
        problems = tuple(one for one in reading.problems if one not in left_out)
        complaints.report(file, replace(reading, problems=problems), files)
        for problem in left_out:
            complaints.note(file, Problem(problem.place, f"left out: {problem.message}"))
        bodies += [item.body for item in reading.items]
    assignments = Assignments(bodies)
    if files and not len(assignments) and not complaints.refused:
        say = complaints.refuse if any(bodies) else complaints.note
        wrong = "the file has no assignments, initiatives or policies"
        say(files[0], Problem("", wrong, remedy="Save them with az rest"))
    return assignments


def _read(file: str) -> Reading:
    try:
        return read_bytes(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes(), file)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        said = error.strerror if isinstance(error, OSError) else str(error)
        remedy = "Name a file that exists and that you may read, or - for standard input"
        return Reading(problems=(Problem("", f"cannot be read: {said}", remedy=remedy),))


def _exemptions(
    files: Sequence[str], ruleset: Ruleset, api_version: str, complaints: Complaints
) -> Iterator[Exemption]:
    """Yield what is an exemption, once: lists of several scopes repeat what is inherited."""
    seen: dict[str, tuple[str, str]] = {}
    for file in files:
        reading = _read(file)
        read = exemptions_of(reading, ruleset.names, api_version)
        complaints.report(file, replace(reading, problems=read.problems), files)
        for place, exemption in read.exemptions:
            here, content = f"{file}: {place}", fingerprint(exemption.body)
            before, first = seen.setdefault(exemption.id.key, (content, here))
            if first == here:
                yield exemption
            elif before == content:
                complaints.note(file, Problem(place, f"the same exemption as in {first}; judged once"))
            else:
                said = f"differs from the exemption with the same id in {first}; both are judged"
                complaints.note(file, Problem(place, said))
                yield exemption


def _show(judged: list[Judged], ruleset: Ruleset, screen: Screen) -> None:
    if screen.terminal and judged:
        screen.table(("verdict", "exemption"), [_row(one) for one in judged], lines=True)
    else:
        for one in judged:
            screen.line(f"{one.assessment.verdict}  {one.exemption.id.text}")
            fix = one.fix.to_json()
            for finding in one.assessment.findings:
                head, *rest = finding_lines(finding.to_json(), fix)
                screen.line(head, indent=2)
                for line in rest:
                    screen.line(line, indent=4)
            for line in (*command_lines(fix), weakened_line(one.weakened)):
                screen.line(line, indent=2)
            for line in _plan_lines(one.plan):
                screen.line(line, indent=2)
    _sum_up(judged, screen)
    on = rules_of(filter(ruleset.judges, names_of(Stage.AZURE)))
    swept = [name for name, rule in on.items() if rule.swept]
    if judged and swept:
        screen.note(
            f"not judged: {' and '.join(swept)}; only a scan or a sweep, which sees all exemptions, judges these"
        )


def _row(one: Judged) -> tuple[Cell, ...]:
    fix = one.fix.to_json()
    found = [line for finding in one.assessment.findings for line in finding_lines(finding.to_json(), fix)]
    where = [one.exemption.id.name, f"at {one.exemption.id.scope}"]
    return str(one.assessment.verdict), [
        *where,
        *found,
        *command_lines(fix),
        weakened_line(one.weakened),
        *_plan_lines(one.plan),
    ]


def finding_lines(finding: Mapping[str, Any], fix: Mapping[str, Any]) -> list[str]:
    """Return a finding for people: what, the evidence, how to fix it. All in their JSON forms; `fix` may be {}."""
    head = f"{finding['code']} {finding['rule']} ({finding['severity']}): "
    if finding["status"] == Verdict.UNKNOWN:
        return [f"{head}unknown: {finding['text']}"]
    evidence = ", ".join(f"{name}: {_value(value)}" for name, value in finding["evidence"].items())
    changes = (change for change in fix.get("changes", ()) if change["rule"] == finding["rule"])
    exact = [f"{one['field']}: {_value(one['current'])} now; allowed: {one['allowed']}" for one in changes]
    how = [f"fix: {line}" for line in exact or [finding["remediation"]]]
    return [head + finding["text"], *([f"evidence: {evidence}"] if evidence else []), *how]


def command_lines(fix: Mapping[str, Any]) -> list[str]:
    """Return the command of a fix (its JSON form) for people; none where it has none."""
    return [f"command: {fix['command']}"] if fix.get("command") else []


def weakened_line(weakened: Weakened) -> str:
    """Return the criteria that are weakened, for people."""
    return f"criteria weakened: {line_of(weakened)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return "none" if value is None or value == "" else str(value)


def _plan_lines(plan: Plan) -> list[str]:
    """Return a plan for people. Its reasons repeat the findings, so only the others are shown."""
    if plan.action is not None:
        done = plan.answer
    elif plan.withheld is not None:
        done = f"{plan.withheld.name} in enforce mode; audit mode changes nothing"
    else:
        done = plan.answer if plan.answer in ("none", "alert") else f"{plan.answer} (nothing to change)"
    reasons = [line for line in plan.reasons if not line.startswith(("EXG", "audit mode:"))]
    return [f"answer: {done}", *(f"because: {line}" for line in reasons)]


def _sum_up(judged: list[Judged], screen: Screen) -> None:
    counts = {verdict: sum(one.assessment.verdict is verdict for one in judged) for verdict in Verdict}
    answers = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    screen.line(f"{number_of(len(judged), 'exemption')}: {answers}")
    found = [(one.exemption, finding) for one in judged for finding in one.assessment.findings]
    wanting = sum("none of the files given" in finding.text for _, finding in found)
    if wanting:
        screen.note(
            f"{number_of(wanting, 'finding')} unknown because the assignment, its initiative or its policies are"
            " missing: pass them with --assignments (see exg judge --help)"
        )
    lacking = [exemption.source for exemption, finding in found if _is_for_want_of_a_field(exemption, finding)]
    if doubtful := sum(bool(source.doubt) for source in lacking):
        screen.note(
            f"{number_of(doubtful, 'finding')} unknown because a file does not name its api-version: "
            "pass the one of its URL with --api-version"
        )
    if names := sorted({source.name for source in lacking if not source.doubt}):
        leave = "does not return" if len(names) == 1 else "do not return"
        screen.note(
            f"{number_of(len(lacking) - doubtful, 'finding')} unknown because {' and '.join(names)} {leave} all fields:"
            " save the answer of ARM with az rest (see exg judge --help)"
        )


def _is_for_want_of_a_field(exemption: Exemption, finding: Finding) -> bool:
    """Whether a rule is unknown because its source does not return a field that it needs."""
    needs = exemption.not_returned.intersection(rule_of(finding.rule).needs)
    return finding.status is Verdict.UNKNOWN and not exemption.source.returns.issuperset(needs)
