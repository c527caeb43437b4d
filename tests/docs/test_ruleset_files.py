"""A ruleset file: schema and loader agree, and every mistake is shown at once, with its line and what is right."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from guardrails.errors import Misconfigured
from guardrails.notices.notice import Kind
from guardrails.rules import all_rules
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.bypass_rules import FORMER, bypass_rules
from guardrails.ruleset.model import Mode, Ruleset, load_ruleset, parse_ruleset
from guardrails.ruleset.schema import published
from tests.limits import bound_at

ROOT = Path(__file__).parents[2]
HEAD = "version: 1\nmode: audit\n"
SCHEMA = published(tuple(Kind))
FITS = jsonschema_rs.Draft202012Validator(SCHEMA, offline=True)
DID = " (did you mean revert?)"
REVERT = "'revert' is not allowed; it must be one of"
PEOPLE = "because people decide which of the exemptions to delete"
GRACE = "'grace' is not known here; it may be one of enabled, response, severity"
NEVER = "because the service reports bypasses and never changes them"
P = "r.yaml:3:44: rules.ticket-format.options.pattern: "
MOST = "{99999999999} would be taken for text; write a repetition like {0,3}, of at most 1000"
OK = HEAD + "rules: {expired: alert}\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        parse_ruleset(text, "r.yaml")
    assert caught.value.code == "ruleset-broken"
    assert f"{len(caught.value.problems)} mistake" in str(caught.value)
    return list(caught.value.problems)


def test_the_schema_is_json_schema() -> None:
    stored = json.loads((ROOT / "docs/ruleset.schema.json").read_text(encoding="utf-8"))
    jsonschema_rs.Draft202012Validator(stored, offline=True)
    assert stored == json.loads(json.dumps(SCHEMA))
    assert list(stored["properties"]["rules"]["properties"]) == [*all_rules(), *bypass_rules()]


GOOD = {
    "least": OK,
    "shipped": (ROOT / "guardrails/ruleset.yaml").read_text(encoding="utf-8"),
    "sandbox": (ROOT / "sandbox/ruleset.yaml").read_text(encoding="utf-8"),
    "off for editors of YAML 1.2": HEAD + "rules: {expired: 'off', expiry-missing: alert}\n",
    "long form": HEAD + "rules: {expired: {enabled: true, response: tag, grace: 12h, severity: high, options: {}}}\n",
    "a list option": HEAD + "rules: {never-exempt: {response: revert, options: {definitions: [a, b]}}}\n",
    "exclusion": OK + "exclusions: [{scope: '/subscriptions/*', reason: r, expires: 2027-06-30}]\n",
    "override": OK + "overrides: [{scope: '*', rules: {expired: off}}]\n",
    "bypasses": HEAD + "rules: {bypass-ended: off, bypass-unreadable: alert, bypass-end-missing: {severity: low}}\n",
    "bypasses in full": HEAD + "rules: {bypass-ended: {enabled: true, response: alert, severity: info}}\n",
    "bypasses in an override": OK + "overrides: [{scope: '*', rules: {bypass-ended: off}}]\n",
    "owner by author": OK + "owners: [{name: x, authors: [a]}]\n",
    "webhook": OK + "notices: [{route: a, channel: webhook, address_setting: A, secret_setting: B, kinds: [tagged]}]\n",
}  # fmt: skip
BAD = {
    "no rules": HEAD,
    "empty rules": HEAD + "rules: {}\n",
    "other version": OK.replace("1", "3", 1),
    "other mode": OK.replace("audit", "enforced"),
    "unknown section": OK + "rule: {}\n",
    "unknown rule": HEAD + "rules: {expird: alert}\n",
    "unknown response": HEAD + "rules: {expired: delete}\n",
    "true is no response": HEAD + "rules: {expired: true}\n",
    "empty rule": HEAD + "rules: {expired: }\n",
    "unknown option": HEAD + "rules: {expiry-too-far: {options: {month: 3}}}\n",
    "text for a number": HEAD + "rules: {expiry-too-far: {options: {months: twelve}}}\n",
    "too small": HEAD + "rules: {expiry-too-far: {options: {months: 0}}}\n",
    "text for a list": HEAD + "rules: {never-exempt: {options: {definitions: a}}}\n",
    "grace of a wrong form": HEAD + "rules: {expired: {grace: 7 days}}\n",
    "unknown severity": HEAD + "rules: {expired: {severity: fatal}}\n",
    "exclusion without reason": OK + "exclusions: [{scope: /x}]\n",
    "blank scope": OK + "exclusions: [{scope: '', reason: r}]\n",
    "owner of nothing": OK + "owners: [{name: x}]\n",
    "owner with an empty list": OK + "owners: [{name: x, authors: []}]\n",
    "unsigned webhook": OK + "notices: [{route: a, channel: webhook, address_setting: A}]\n",
    "unknown kind": OK + "notices: [{route: a, channel: teams, address_setting: A, kinds: [all]}]\n",
    "address in place of a setting": OK + "notices: [{route: a, channel: teams, address_setting: 'https://x'}]\n",
    "negative breaker": OK + "breaker: {reverts_per_hour: -1}\n",
    "former name": HEAD + "rules: {way-ended: alert}\n",
    "a revert of a duplicate": HEAD + "rules: {duplicate: revert}\n",
    "grace for a duplicate": HEAD + "rules: {duplicate: {response: alert, grace: 7d}}\n",
    "a tag on a bypass": HEAD + "rules: {bypass-ended: tag}\n",
    "a revert of a bypass": HEAD + "rules: {bypass-ended: {response: revert}}\n",
    "grace for a bypass": HEAD + "rules: {bypass-ended: {response: alert, grace: 7d}}\n",
    "an option for a bypass": HEAD + "rules: {bypass-review-missing: {options: {required: false}}}\n",
    "a tag on a bypass in an override": OK + "overrides: [{scope: '*', rules: {bypass-ended: tag}}]\n",
    "list for an object": HEAD + "rules: [expired]\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=list(GOOD))
def test_schema_and_loader_take(text: str) -> None:
    assert isinstance(parse_ruleset(text), Ruleset)
    FITS.validate(plain(text))


@pytest.mark.parametrize("text", BAD.values(), ids=list(BAD))
def test_schema_and_loader_refuse(text: str) -> None:
    assert mistakes(text)
    with pytest.raises(jsonschema_rs.ValidationError):
        FITS.validate(plain(text))


def plain(text: str) -> Any:
    """Read YAML as an editor does: dates are texts."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "r.yaml:1:1: the file is empty; it needs version, mode and rules"),
        ("# nothing\n", "r.yaml:1:1: the file is empty; it needs version, mode and rules"),
        ("hello", "r.yaml:1:1: the file: is string ('hello'); it must be an object"),
        (HEAD + "rules:\n\texpired: alert\n",
         "r.yaml:4:1: not YAML: found character that cannot start any token; there is a tab: indent with spaces"),
        (HEAD + "rules:\n  expired: {response: al", "r.yaml:5:1: not YAML: did not find expected ',' or '}'"),
        (HEAD + "rules: {expired: \"al\tert}\n", "r.yaml:4:1: not YAML: found unexpected end of stream"),
        (HEAD + "rules:\n  expired: alert\n  expired: revert\n",
         "r.yaml:5:3: rules: 'expired' occurs twice; keep one"),
        (HEAD + "rules:\n  expird: alert\n", "r.yaml:4:3: rules: 'expird' is not known here; did you mean expired?"),
        (HEAD + "rules:\n  expired: revrt\n",
         "r.yaml:4:12: rules.expired: 'revrt' is not allowed; it must be one of off, alert, tag, revert" + DID),
        (HEAD + "rules:\n  bypass-ended: revert\n",
         f"r.yaml:4:17: rules.bypass-ended: 'revert' is not allowed; it must be one of off, alert, {NEVER}"),
        (HEAD + "rules: {bypass-ended: {response: tag}}\n",
         f"r.yaml:3:34: rules.bypass-ended.response: 'tag' is not allowed; it must be one of alert, {NEVER}"),
        (HEAD + "rules: {bypass-ended: {grace: 7d}}\n",
         f"r.yaml:3:24: rules.bypass-ended: {GRACE}, {NEVER}"),
        (OK + "overrides:\n- scope: '*'\n  rules: {bypass-ended: tag}\n",
         f"r.yaml:6:25: overrides[0].rules.bypass-ended: 'tag' is not allowed; it must be one of off, alert, {NEVER}"),
        (HEAD + "rules:\n  duplicate: revert\n",
         f"r.yaml:4:14: rules.duplicate: 'revert' is not allowed; it must be one of off, alert, tag, {PEOPLE}"),
        (HEAD + "rules: {duplicate: {response: revert}}\n",
         f"r.yaml:3:31: rules.duplicate.response: 'revert' is not allowed; it must be one of alert, tag, {PEOPLE}"),
        (OK + "overrides:\n- scope: '*'\n  rules: {duplicate: revert}\n",
         f"r.yaml:6:22: overrides[0].rules.duplicate: {REVERT} off, alert, tag, {PEOPLE}"),
        (HEAD + "rules: {bypass-end: alert}\n",
         "r.yaml:3:9: rules: 'bypass-end' is not known here; did you mean bypass-ended?"),
        (HEAD + "rules: {expired: }\n",
         "r.yaml:3:18: rules.expired: is empty; it must be one of off, alert, tag, revert"),
        (HEAD + "rules: {expiry-too-far: {options: {months: twelve}}}\n",
         "r.yaml:3:44: rules.expiry-too-far.options.months: is string ('twelve'); it must be a number"),
        (HEAD + "rules: {ticket-format: {options: {pattern: 'SEC-('}}}\n",
         P + "'SEC-(' is not a regular expression that runs in linear time: missing ): SEC-("),
        (HEAD + "rules: {ticket-format: {options: {pattern: 'a{99999999999}'}}}\n",
         P + "'a{99999999999}' is not a regular expression that runs in linear time: " + MOST),
        (HEAD + 'rules: {expired: {grace: "7d\\n"}}\n',
         "r.yaml:3:26: rules.expired.grace: '7d\\n' has the wrong form; write it like 30m, 12h, 7d"),
        (OK + "exclusions:\n- {scope: /x, reason: y, expires: 2027-13-45}\n",
         "r.yaml:5:35: exclusions[0].expires: '2027-13-45' is not an ISO 8601 time such as 2027-06-30T00:00:00Z"),
        (OK + "notices:\n" + 2 * "- {route: a, channel: teams, address_setting: A}\n",
         "r.yaml:6:11: notices[1].route: the route 'a' occurs twice; rename one"),
        (HEAD + "rules:\n  ? [a, b]\n  : alert\n",
         "r.yaml:4:5: rules: a list or an object cannot be a key; it must be a text"),
        (OK + "---\nversion: 1\n", "r.yaml:4:1: not YAML: but found another document"),
    ],
    ids=lambda value: None if value.startswith("r.yaml") else repr(value[-30:]),
)  # fmt: skip
def test_a_mistake_is_shown_with_its_line_and_what_is_right(text: str, wanted: str) -> None:
    assert mistakes(text)[0] == wanted


@pytest.mark.parametrize(("former", "name"), FORMER.items())
def test_for_a_former_name_the_present_one_is_given(former: str, name: str) -> None:
    wanted = f"'{former}' is not known here; did you mean {name}?"
    assert mistakes(HEAD + f"rules: {{{former}: alert}}\n") == [f"r.yaml:3:9: rules: {wanted}"]
    text = OK + f"overrides:\n- {{scope: '*', rules: {{{former}: off}}}}\n"
    assert mistakes(text) == [f"r.yaml:5:24: overrides[0].rules: {wanted}"]


def test_all_mistakes_are_shown_at_once() -> None:
    text = (
        "version: 3\n"
        "mode: enforced\n"
        "rules:\n  expird: alert\n  expired: delete\n"
        "owners:\n- {name: x}\n"
        "notices:\n- {route: a, channel: webhook, address_setting: A}\n"
        "- {route: a, channel: smoke, address_setting: B}\n"
    )
    lines = sorted(int(problem.split(":")[1]) for problem in mistakes(text))
    assert lines == [1, 2, 4, 5, 7, 9, 10, 10]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "rules: &r\n  expired: *r\n",
        OK + "notices: [&x {route: *x, channel: webhook}]\n",
        HEAD + f"rules: {{expiry-too-far: {{options: {{months: {'9' * 5000}}}}}}}\n",
        HEAD + "rules: " + "[" * 5000,
        "version: 1\x00",
        "\ufeff\ufeff" + OK,
    ],
    ids=["loop", "loop in a list", "5,000 digits", "5,000 brackets", "zero byte", "two byte order marks"],
)
def test_what_would_break_a_reader_is_refused_too(text: str) -> None:
    assert all(problem.startswith("r.yaml:") and len(problem) < 700 for problem in mistakes(text))


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "utf16.yaml").write_bytes(OK.encode("utf-16"))
    for name in ("absent.yaml", "utf16.yaml"):
        with pytest.raises(Misconfigured) as caught:
            load_ruleset(tmp_path / name)
        error = caught.value
        assert (error.code, error.subject) == ("ruleset-broken", str(tmp_path / name))
        assert error.problems[0].startswith(f"{name}:1:1: cannot be read: ")
        assert "--ruleset" in error.remedy


def test_the_shipped_ruleset_changes_nothing_by_itself() -> None:
    assert load_ruleset().mode is Mode.AUDIT


def test_a_response_in_an_override_switches_on_what_is_off_elsewhere() -> None:
    text = HEAD + "rules: {expired: off}\noverrides: [{scope: '/subscriptions/1111*', rules: {expired: tag}}]\n"
    ruleset = parse_ruleset(text)
    there, elsewhere = (
        f"/subscriptions/{name}/providers/Microsoft.Authorization/policyExemptions/e" for name in ("1111", "2222")
    )
    assert {name: bound.response for name, bound in bound_at(ruleset, there).items()} == {"expired": Response.TAG}
    assert bound_at(ruleset, elsewhere) == {}


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("{tags: {id: x, ticket: X}}", "'X' is the tag of id too"),
        ("{tags: {expiry: exceptionticket}}", "'exceptionticket' is the tag of ticket too"),
        ("{approved: [' ']}", "has the wrong form; write it like EXC-0001"),
        ("{approved: ['[x]']}", "has the wrong form"),
    ],
)
def test_exceptions_that_no_policy_can_compare_are_refused(section: str, what: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_ruleset(f"version: 1\nmode: audit\nrules: {{expiry-missing: alert}}\nbypasses: {section}\n")
    (problem,) = caught.value.problems
    assert problem.startswith("ruleset.yaml:4:")
    assert what in problem
