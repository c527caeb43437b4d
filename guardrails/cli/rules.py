"""List the rules with their responses, or explain one rule.


The command first checks the ruleset. It shows every mistake with its line and its fix, and each exclusion and override
that has ended. --registered, --counts and --as-of read the register.

Exit codes: 0: done. 1: with --counts, no sweep has run with this ruleset; with --as-of, the record does not go
back to that time, or is damaged. 2: the ruleset has mistakes.
"""

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from guardrails.cli.options import add_format, add_ruleset, moment, ruleset_of
from guardrails.cli.rule_text import Option, changes_of, options_of, rule_named, to_plain
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.patterns import modern
from guardrails.exemption.times import spell_time
from guardrails.rules.base import Case, Declared, Rule
from guardrails.ruleset.bound_rules import BoundRule
from guardrails.ruleset.bypass_rules import BypassRule
from guardrails.ruleset.loaded import Written
from guardrails.ruleset.model import Ruleset
from guardrails.ruleset.patterns import Comparison
from guardrails.ruleset.rule_pages import ADVICE, every_rule, text_of
from guardrails.sweep.matches import Counted, counted, last_counted, uncounted

if TYPE_CHECKING:
    from guardrails.decisions.watch import Run
    from guardrails.wiring import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "rule", nargs="?", metavar="CODE|NAME", help="the rule to explain, such as EXG101 or expiry-missing"
    )
    add_ruleset(parser)
    online = parser.add_mutually_exclusive_group()
    online.add_argument(
        "--registered", action="store_true",
        help="for a ruleset of version 1: show the exemptions that its patterns would no longer match in version 2",
    )  # fmt: skip
    online.add_argument(
        "--counts", action="store_true",
        help="show how many exemptions each exclusion, override and owner matched at the last sweep",
    )  # fmt: skip
    online.add_argument(
        "--as-of", type=moment, metavar="TIME", help="print the ruleset that was in force then, from the record"
    )
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """List them all, or explain one; or print the ruleset of a time."""
    if args.as_of:
        return _as_of(args, screen)
    ruleset, now = ruleset_of(args), datetime.now(UTC)
    for one in (*ruleset.warnings, *ruleset.ended(now)):
        screen.note(one)
    bound = everywhere(ruleset)
    if args.counts:
        return _count(ruleset, now, args.format, screen)
    if args.registered:
        _compare(ruleset, args.format, screen)
    elif args.rule:
        rule = rule_named(args.rule, every_rule())
        if args.format == "json":
            screen.json(_full_json(rule, bound.get(rule.name)))
        else:
            _explain(rule, bound.get(rule.name), screen)
    elif args.format == "json":
        screen.json([_json(rule, bound.get(rule.name)) for rule in every_rule().values()])
    else:
        _list(ruleset, bound, screen)
    return 0


def _as_of(args: argparse.Namespace, screen: Screen) -> int:
    if args.rule or args.ruleset:
        message = "--as-of reads the ruleset from the record, so it takes neither a rule nor --ruleset"
        raise Misconfigured(message, code="not-with-as-of", remedy="Leave them out")
    from guardrails.cli import rules_as_of  # noqa: PLC0415 - all else here is offline

    return rules_as_of.run(args.as_of, args.format, screen)


type Bound = BoundRule | BoundRule[BypassRule]


def _compare(ruleset: Ruleset, form: str, screen: Screen) -> None:
    """Show the registered exemptions that a pattern would match no more in version 2."""
    compared = Comparison(ruleset.patterns if ruleset.version == 1 else ())
    if not compared.found:
        screen.note("no pattern for exemptions would change in version 2, so there is nothing to compare")
    refused: list[Permanent] = []

    async def work(service: "Service") -> int:
        count = 0
        async for stored in service.register.rows(refused.append):
            count += 1
            compared.add(ExemptionId.parse(stored.row.id), stored.row.assignment, stored.row.owner)
        return count

    from guardrails.cli.online import with_service  # noqa: PLC0415 - all else here is offline

    count = with_service(work) if compared.found else 0
    changed = len({text for ids in compared.found.values() for text in ids})
    if form == "json":
        screen.json([_compared(one, ids) for one, ids in compared.found.items()])
    else:
        for one, ids in compared.found.items():
            screen.line(f"{ruleset.source}:{one.place}: {one.path}: {one.text}", style="bold")
            for text in ids or ["none"]:
                screen.line(text, indent=2)
    if compared.found:
        screen.note(f"{changed:,} of {count:,} registered exemptions would no longer match; write ** to keep them")
    for error in refused:
        screen.problem(str(error))


def _compared(one: Written, ids: list[str]) -> dict[str, Any]:
    return {"path": one.path, "place": one.place, "pattern": one.text, "version_2": modern(one.text), "exemptions": ids}


def _count(ruleset: Ruleset, now: datetime, form: str, screen: Screen) -> int:
    """Show how many exemptions each exclusion, override and owner matches; return the exit code."""

    async def last(service: "Service") -> "Run | None":
        return await service.register.sweeps.last()

    from guardrails.cli.online import with_service  # noqa: PLC0415 - see _compare

    matches = last_counted(with_service(last))
    known = matches if matches is not None and matches.is_of(ruleset) else None
    found = counted(ruleset, known)
    if form == "json":
        sweep = known and {"at": spell_time(known.at), "exemptions": known.exemptions, "whole": known.whole}
        screen.json({"ruleset": ruleset.digest, "sweep": sweep, "items": [one.to_json(now) for one in found]})
    else:
        columns = ("what", "exemptions", "flag", "where", "about", "reason")
        screen.table(columns, [_counted_row(one, now) for one in found])
    if known is None:
        message, remedy = uncounted(ruleset, matches)
        raise Permanent(message, code="not-counted", subject=ruleset.source, remedy=remedy)
    partly = "" if known.whole else ", which could not see all scopes: exg sweep show"
    screen.note(f"{number_of(known.exemptions, 'exemption')} counted by the sweep of {spell_time(known.at)}{partly}")
    return 0


def _counted_row(one: Counted, now: datetime) -> tuple[str, ...]:
    count = "unknown" if one.exemptions is None else str(one.exemptions)
    return one.what, count, ", ".join(one.flags(now)), one.at, one.about, one.reason


def everywhere(ruleset: Ruleset) -> dict[str, Bound]:
    """Return name -> rule for what is on where no override says otherwise."""
    return {**ruleset.limits.bound(), **ruleset.limits.bypass_bound()}


def _list(ruleset: Ruleset, bound: dict[str, Bound], screen: Screen) -> None:
    rows = [
        (rule.code, rule.name, *_answer(bound.get(rule.name), rule), ", ".join(rule.soc2), text_of(rule).title)
        for rule in every_rule().values()
    ]
    screen.table(("code", "rule", "severity", "response", "grace", "SOC 2", "requirement"), rows)
    screen.line()
    screen.line(f"{ruleset.source} ({ruleset.digest}): mode {ruleset.mode}, {len(bound)} of {len(rows)} rules on")
    others = ((len(ruleset.limits.overrides), "override"), (len(ruleset.exclusions), "exclusion"))
    for count, what in others:
        if count:
            screen.line(f"{number_of(count, what)}; the table shows the values outside them")


def _answer(bound: Bound | None, rule: Declared) -> tuple[str, str, str]:
    """Return severity, response and grace."""
    if bound is None:
        return str(rule.severity), "off", ""
    return str(bound.severity), str(bound.response), _grace(bound)


def _grace(bound: Bound) -> str:
    seconds = int(bound.grace.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return ""


def _explain(rule: Declared, bound: Bound | None, screen: Screen) -> None:
    text = text_of(rule)
    severity, response, grace = _answer(bound, rule)
    screen.line(f"{rule.code} {rule.name}", style="bold")
    screen.line(text.title)
    screen.line(
        f"severity {severity}, response {response}{f' after {grace}' if grace else ''}, SOC 2 {', '.join(rule.soc2)}"
    )
    for heading, paragraphs in text.sections.items():
        screen.line()
        screen.line("How to fix it" if heading == ADVICE else heading, style="bold")
        for paragraph in (rule.remediation, *paragraphs) if heading == ADVICE else paragraphs:
            screen.line(paragraph, hang=0)
    options = options_of(rule)
    if options:
        screen.line()
        screen.line("Options", style="bold")
        rows = [(one.name, one.kind, short(one.default), _other(one, bound), one.doc) for one in options]
        screen.table(("option", "type", "default", "in the ruleset", "means"), rows)
    if isinstance(rule, Rule):
        _cases(rule, screen)
    screen.line()
    for reference in text.references:
        screen.line(reference)


def _cases(rule: Rule, screen: Screen) -> None:
    for title, cases in (("Passes", rule.good), ("Violations", rule.bad), ("Unknown", rule.unclear)):
        if cases:
            screen.line()
            screen.line(title, style="bold")
            for case in cases:
                screen.line(_case(case), indent=2)


def _other(option: Option, bound: Bound | None) -> str:
    """Return an option's value in the ruleset where it is not the default."""
    value = value_in(option, bound)
    return "the default" if value == option.default else short(value)


def value_in(option: Option, bound: Bound | None) -> Any:
    """Return an option's value in the ruleset; its default where the rule is off."""
    return option.default if bound is None else to_plain(getattr(bound.options, option.name))


def short(value: Any) -> str:
    """Return an option's value as YAML would take it."""
    return json.dumps(value, ensure_ascii=False)


def _case(case: Case) -> str:
    changes = ", ".join(f"{name} {short(value)}" for name, value in changes_of(case))
    return f"{case.title}: {changes}" if changes else case.title


def _json(rule: Declared, bound: Bound | None) -> dict[str, Any]:
    severity, response, grace = _answer(bound, rule)
    return {
        "code": rule.code,
        "name": rule.name,
        "title": text_of(rule).title,
        "about": "bypasses" if isinstance(rule, BypassRule) else "exemptions",
        "enabled": bound is not None,
        "severity": severity,
        "response": response,
        "grace": grace or "0d",
        "soc2": list(rule.soc2),
        "remediation": rule.remediation,
    }


def _full_json(rule: Declared, bound: Bound | None) -> dict[str, Any]:
    text = text_of(rule)
    return {
        **_json(rule, bound),
        "sections": {heading: list(paragraphs) for heading, paragraphs in text.sections.items()},
        "options": [
            {"name": o.name, "type": o.kind, "default": o.default, "value": value_in(o, bound), "means": o.doc}
            for o in options_of(rule)
        ],
        "references": list(text.references),
    }
