"""Write the generated pages: docs/rules, docs/notices, schemas, docs/settings.md, docs/sources.md and sample settings.

The pages are made from the code of the rules, the notices and the settings, and from the shipped ruleset. What this
ruleset says is written to guardrails/ruleset/shipped.json. --check writes nothing, and exits with 1 if a page is stale.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from guardrails.check.config import SCHEMA as CONFIG_SCHEMA
from guardrails.cli import migration
from guardrails.cli.check_page import page as check_page
from guardrails.cli.check_schema import schema as check_schema
from guardrails.cli.notice_schema import MEANINGS, file_of, schemas
from guardrails.cli.rule_text import Option, options_of
from guardrails.cli.rules import Bound, everywhere
from guardrails.cli.scan_schema import schema as scan_schema
from guardrails.cli.screen import Screen
from guardrails.cli.source_text import FILES, NOTES, SOURCES
from guardrails.dataclass import fields, replace
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Unread
from guardrails.exemption.severity import Severity
from guardrails.exemption.sources import BASE, EVERY, MODE, PRINCIPALS, SELECTORS, SYSTEM, VALIDATION
from guardrails.exemption.times import spell_time
from guardrails.notices.notice import SERVICE, SEVERITIES, Kind
from guardrails.policy.condition import refusal_of
from guardrails.rules import all_rules
from guardrails.rules.base import Declared, Rule, Stage, Unknown
from guardrails.rules.sample import BODY, FACTS, read
from guardrails.ruleset.bypass_rules import BypassRule, bypass_rules
from guardrails.ruleset.load import load
from guardrails.ruleset.loaded import to_keep
from guardrails.ruleset.model import DEFAULT_PATH, Ruleset, ruleset_from
from guardrails.ruleset.rule_pages import ADVICE, every_rule, text_of
from guardrails.ruleset.schema import published
from guardrails.runtime.settings import Settings

_SOURCE: Final = Path(__file__).parents[2]
"""The repository, where this is run from its source."""

COMMAND: Final = "exg docs"
_RULES: Final = "docs/rules"
_NOTICES: Final = "docs/notices"
_POLICIES: Final = "../../infra/policies/README.md#rules"
_CRITERIA: Final = (
    "https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022"
)
_TOOLS: Final = {tool: f"[{tool}](../glossary.md#policy)" for tool in ("EPAC", "AzPolicyFactory")}
"""Tool that deploys exemptions from files of its own -> its name, linked to what it is."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is stale")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the folder of the repository; default: the repository of this program"
    )


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write what differs, or name it."""
    root: Path = args.root or _repository()
    if not root.is_dir():
        raise Misconfigured(
            "there is no such folder", code="no-repository", subject=str(root), remedy="Name a clone with --root."
        )
    made = pages()
    stale = [path for path, text in made.items() if _read(root / path) != text]
    left = [path for path in _pages_there(root) if path not in made]
    if not args.check:
        for path in stale:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path], encoding="utf-8", newline="\n")
        for path in left:
            (root / path).unlink()
        changed = [*stale, *(f"{path} (removed)" for path in left)]
        screen.line(f"written: {', '.join(changed)}" if changed else "every generated page is fresh")
        return 0
    if stale or left:
        screen.problem(f"stale: {', '.join([*stale, *left])}. Run: {COMMAND}")
        return 1
    screen.line(f"{len(made)} generated pages, all fresh")
    return 0


def _repository() -> Path:
    """Return the repository from whose source this is run. Raises Misconfigured where it is installed elsewhere."""
    if (_SOURCE / "pyproject.toml").is_file():
        return _SOURCE
    raise Misconfigured(
        "the generated pages belong to the repository, and this is an installed package", code="bad-use",
        remedy="Name the repository's folder with --root.",
    )  # fmt: skip


def pages() -> dict[str, str]:
    """Return path -> content of every generated file, relative to the repository."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    loaded = load(text, DEFAULT_PATH.name)
    ruleset = ruleset_from(loaded, text, DEFAULT_PATH.name)
    bound = everywhere(ruleset)
    made = {f"{_RULES}/README.md": _index(ruleset, bound)}
    for rule in every_rule().values():
        made[f"{_RULES}/{rule.name}.md"] = _page(rule, bound.get(rule.name), ruleset)
    made[f"{_NOTICES}/README.md"] = _notices()
    for name, schema in schemas().items():
        made[f"{_NOTICES}/{name}"] = _json(schema)
    made["guardrails/ruleset/shipped.json"] = _json(to_keep(text, loaded))
    made["docs/ruleset.schema.json"] = _json(published(tuple(Kind)))
    made["docs/scan.schema.json"] = _json(scan_schema())
    made["docs/check.schema.json"] = _json(check_schema())
    made["docs/check-config.schema.json"] = _json(CONFIG_SCHEMA)
    made["docs/check.md"] = check_page(_made_from("guardrails/cli/check_page.py, and the readers and functions"))
    made["docs/settings.md"] = _settings(ruleset)
    made["docs/sources.md"] = _sources()
    made["docs/migration.md"] = _migration()
    made["local.settings.sample.json"] = json.dumps(sample_settings(ruleset), indent=2) + "\n"
    return made


def named_settings(ruleset: Ruleset) -> dict[str, str]:
    """Return name -> meaning of the settings that the ruleset's routes name. All are secrets."""
    named: dict[str, str] = {}
    for route in ruleset.routes:
        named[route.address_setting] = f"Address of the route `{route.name}` ({route.channel})."
        if route.secret_setting:
            named[route.secret_setting] = f"Signing secret of the route `{route.name}`: `whsec_` and base64."
    return named


def sample_settings(ruleset: Ruleset) -> dict[str, Any]:
    """Return local.settings.json as Azure Functions Core Tools read it, with every setting and no secret."""
    values = {"FUNCTIONS_WORKER_RUNTIME": "python"}
    for item in fields(Settings):
        values[item.metadata["name"]] = item.metadata["sample"] or (
            "" if item.metadata["secret"] else str(item.default)
        )
    return {"IsEncrypted": False, "Values": values | dict.fromkeys(named_settings(ruleset), "")}


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _pages_there(root: Path) -> Iterator[str]:
    for folder, pattern in ((_RULES, "*.md"), (_NOTICES, "*.schema.json")):
        for path in sorted((root / folder).glob(pattern)):
            yield f"{folder}/{path.name}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _made_from(source: str) -> str:
    return f"<!-- Made by `{COMMAND}` from {source} -->"


def _index(ruleset: Ruleset, bound: Mapping[str, Bound]) -> str:
    azure = [rule for rule in all_rules().values() if rule.stage is not Stage.CODE]
    return _joined(
        _made_from("guardrails/rules and guardrails/ruleset/bypass_rules.py"),
        "# Rules",
        "A rule judges one exemption or one bypass. The result is a pass, a violation with its evidence, or unknown"
        " with a reason. Unknown is never a pass, and never a reason to revert.",
        "The column *response* shows what the service would do in `enforce` mode. The shipped ruleset is in"
        f" `{ruleset.mode}` mode. In your [ruleset](../ruleset.md), you can switch each rule on or off, set its"
        " options, and override them for a scope. The SOC 2 criteria are the [Trust"
        f" Services Criteria]({_CRITERIA}) of 2017.",
        "`exg rules CODE` shows a page in the terminal, with the values of your ruleset. It also shows *cases*:"
        " example exemptions that pass, break the rule or are unknown. All cases start from the same compliant"
        f" exemption of a storage account: written at {spell_time(FACTS.written_at)}, with the expiry"
        f" {BODY['properties']['expiresOn']}, and judged at {spell_time(FACTS.now)}.",
        "## Exemptions",
        '<a id="where-each-rule-runs"></a>\nA sweep runs all of these rules. After an event, the service runs'
        f" all except {_swept()}. A scan runs all of these rules, but does not read the register. So [some"
        " rules](../scan.md#gaps) find nothing in a scan. Two columns show where else a rule runs:",
        "- *policy*: `in part` means that a [policy definition](../prevention.md) sees [some of the"
        " violations](../../infra/policies/README.md#rules) when the exemption is written.\n- *check*: `yes` means that"
        " [`exg check`](../check.md) judges code by the rule. `if known` means that the result is unknown without the"
        " assignment. `no` means that the rule needs history or an author.",
        _listed(azure, bound, ("policy", "check"), {rule.name: _where(rule, ruleset) for rule in azure}),
        "## Exemptions in code",
        "Only [`exg check`](../check.md) runs these rules. It judges code before it is deployed. Some are about"
        f" files of {_TOOLS['EPAC']} (Enterprise Azure Policy as Code) or {_TOOLS['AzPolicyFactory']}.",
        _listed((one for one in all_rules().values() if one.stage is Stage.CODE), bound),
        "## Bypasses",
        "The service reports [bypasses](../bypasses.md) and never changes them. These rules are on unless the ruleset"
        " switches them off.",
        _listed(bypass_rules().values(), bound),
    )


def _swept() -> str:
    """Return the rules that only a sweep or a scan can run, in words."""
    return " and ".join(f"`{rule.name}`" for rule in all_rules().values() if rule.swept)


def _where(rule: Rule, ruleset: Ruleset) -> tuple[str, str]:
    """Return whether Azure Policy and a check of code run a rule that is not about code."""
    form = "no" if isinstance(rule.control, str) or isinstance(refusal_of(rule, ruleset), str) else "in part"
    if rule.stage is Stage.AZURE:
        return form, "no"
    return form, "if known" if needs_assignment(rule) else "yes"


def needs_assignment(rule: Rule) -> bool:
    """Whether a rule that can say something of a case is unknown without the assignment."""
    if rule.swept:
        return True
    for case in (*rule.good, *rule.bad):
        exemption, facts = read(case)
        said = rule.check(exemption, replace(facts, assignment=Unread("")), rule.options(**case.options))
        if isinstance(said, Unknown):
            return True
    return False


def _listed(
    rules: Iterable[Declared],
    bound: Mapping[str, Bound],
    more: tuple[str, ...] = (),
    cells: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> str:
    """Return a table of rules, with `more` columns before the requirement; `cells`: rule -> their cells."""
    rows = [
        (
            f"[{rule.code}]({rule.name}.md)",
            f"`{rule.name}`",
            str(rule.severity),
            str(bound[rule.name].response) if rule.name in bound else "off",
            ", ".join(rule.soc2),
            *cells.get(rule.name, ()),
            text_of(rule).title,
        )
        for rule in rules
    ]
    return _table(("code", "rule", "severity", "response", "SOC 2", *more, "requirement"), rows)


def _notices() -> str:
    rows = [
        (
            f"[`{kind}`]({file_of(kind)})",
            "/".join(SEVERITIES[kind]) if len(SEVERITIES[kind]) < len(Severity) else "any",
            "the service" if kind in SERVICE else "an exemption",
            MEANINGS[kind],
        )
        for kind in Kind
    ]
    return _joined(
        _made_from("guardrails/cli/notice_schema.py"),
        "# Kinds of notices",
        "Each kind has a JSON Schema (2020-12). It describes `data` in a signed webhook and in an Event Grid event."
        " [notice.schema.json](notice.schema.json) accepts every kind. See also"
        " [notices, routes and channels](../notices.md).",
        _table(("kind", "severity", "about", "meaning"), rows),
    )


def _control(rule: Rule | BypassRule, ruleset: Ruleset) -> str:
    """Return what Azure Policy can do about a rule, by the shipped ruleset; "" where only a check of code runs it."""
    if isinstance(rule, BypassRule):
        return f"Azure Policy: no policy for this rule. {rule.control}"
    if rule.stage is Stage.CODE:
        return ""
    found = refusal_of(rule, ruleset)
    if isinstance(rule.control, str) or isinstance(found, str):
        return f"Azure Policy: [no policy for this rule]({_POLICIES})."
    does = [*([] if found.by_caller else ["reports"]), *(["refuses"] if found.deny else [])]
    return f"Azure Policy: [{' and '.join(does)}]({_POLICIES})."


def _page(rule: Rule | BypassRule, bound: Bound | None, ruleset: Ruleset) -> str:
    text = text_of(rule)
    answer = str(bound.response) if bound else "off"
    facts = f"Severity: {rule.severity}. Shipped response: {answer}. SOC 2: {', '.join(rule.soc2)}."
    if isinstance(rule, Rule):
        source = f"{rule.check.__module__.replace('.', '/')}.py"
        if rule.needs and rule.stage is not Stage.CODE:  # code is no such source
            facts += f" Needs a [source](../sources.md) that returns {_names(rule.needs)}."
        facts += "".join(f" About files of {linked}." for tool, linked in _TOOLS.items() if tool in text.title)
    else:
        source = "guardrails/ruleset/bypass_rules.py"
        facts += " About [bypasses](../bypasses.md)."
    parts = [
        _made_from(source),
        f"# {rule.code} {rule.name}",
        text.title,
        f"{facts} {_control(rule, ruleset)}".rstrip(),
    ]
    for heading, paragraphs in text.sections.items():
        if heading != ADVICE:
            parts += [f"**{heading}.** {paragraphs[0]}", *paragraphs[1:]]
    parts += [f"**How to fix it.** {' '.join((rule.remediation, *text.sections[ADVICE]))}"]
    if options := options_of(rule):
        parts += [_options(options)]
    return _joined(*parts, " · ".join((*(f"<{reference}>" for reference in text.references), "[all rules](README.md)")))


def _options(options: Sequence[Option]) -> str:
    if not options:
        return "None."
    rows = [(f"`{one.name}`", one.kind, _code(one.default), one.doc) for one in options]
    return _table(("option", "type", "default", "meaning"), rows)


def _code(value: Any) -> str:
    """Return a value as a code span; its fence is longer than any run of backticks in it (CommonMark, code spans)."""
    text = json.dumps(value, ensure_ascii=True)
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if fence == "``" else f"`{text}`"


def _settings(ruleset: Ruleset) -> str:
    rows = []
    for item in fields(Settings):
        secret = " **Secret.**" if item.metadata["secret"] else ""
        default = f"`{item.default}`" if item.default else ""
        rows.append((f"`{item.metadata['name']}`", default, item.metadata["doc"] + secret))
    named = [(f"`{name}`", "", f"{doc} **Secret.**") for name, doc in named_settings(ruleset).items()]
    return _joined(
        _made_from("guardrails/runtime/settings.py and guardrails/ruleset.yaml"),
        "# Settings of the app and the command line",
        "These are app settings of the function app, and environment variables of the command line. The program reports"
        " all mistakes in the settings at once, and does nothing until you fix them. For Azure Functions Core Tools,"
        " copy `local.settings.sample.json`, which has all settings, to `local.settings.json`.",
        _table(("setting", "default", "meaning"), rows),
        "## Settings that the ruleset names",
        "Keep the address and the signing secret of a route out of the ruleset. Put them into settings, and name these"
        " settings in the route under `notices`. The shipped ruleset names:",
        _table(("setting", "default", "meaning"), named),
        "## Settings of Azure Functions",
        _table(
            ("setting", "value", "meaning"),
            [("`FUNCTIONS_WORKER_RUNTIME`", "`python`", "The worker, for Core Tools. Azure sets it itself.")],
        ),
    )


def _sources() -> str:
    optional = (SELECTORS, VALIDATION, MODE, SYSTEM)
    rows = []
    for source, more in EVERY:
        cells = ["yes" if name in source.returns else "no" for name in optional]
        if source.returns.issuperset({SELECTORS}) and not source.principals:
            cells[0] = "in part"
        rows.append((f"{source.name}{more and f' ({more})'}", *cells))
    judged = [rule for rule in all_rules().values() if rule.stage is not Stage.CODE]
    needs = [(f"`{name}`", _names(rule.name for rule in judged if name in rule.needs)) for name in optional]
    return _joined(
        _made_from("guardrails/exemption/sources.py and guardrails/rules"),
        "# Fields that each source of exemptions returns",
        SOURCES,
        f"All sources return {_names(sorted(BASE))}. They differ in these fields:",
        _table(("source", *(f"`{name}`" for name in optional)), rows),
        f"*In part*: without selectors of the kinds {_names(PRINCIPALS)}.",
        _table(("field", "rules that may be unknown without it"), needs),
        NOTES,
        "## Files",
        FILES,
    )


def _migration() -> str:
    parts = [_made_from("guardrails/cli/migration.py"), "# Migration: replace old names", migration.INTRODUCTION]
    for heading, text, columns, rows in migration.sections():
        table = _table(columns, [[f"`{cell}`" for cell in row] for row in rows]) if columns else ""
        parts += filter(None, (f"## {heading}", text, table))
    return _joined(*parts)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
