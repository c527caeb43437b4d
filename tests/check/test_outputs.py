"""What is printed: SARIF, Markdown, JSON and text, whatever strangers call things."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, validator_for

from guardrails.check.answer import Answer, Judged, Placed, Problem
from guardrails.cli import check_schema
from guardrails.cli.check_json import as_json
from guardrails.cli.check_markdown import LONGEST, as_markdown
from guardrails.cli.check_sarif import MOST, as_sarif, message, uri_of
from guardrails.cli.check_text import inert, show
from guardrails.cli.screen import Screen
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Place
from guardrails.exemption.severity import Severity
from tests.reference import label, places

from .samples import deployment, finding, judged, placed, whole

HOSTILE = (
    "::error file=x::boom", "  ::set-output name=x::y", "##[error]boom", "a\n::error::b", "\x1b[31mred", "\u202egnol",
    "[click](https://evil.example)", "{0} {1}", "<script>", "`x`", "| a | b |", "![x](y)", "@everyone",
    "a\\[b](c)", "\ud800",
)  # fmt: skip

REFERENCE = Draft202012Validator({"format": "uri-reference"}, validate_formats=True, offline=True)
"""What a reference is: draft 4, which SARIF's schema is written in, does not know it by itself."""


def sarif_problems(log: Any) -> Iterator[str]:
    for path in places("schemas/sarif-2.1.0.json"):
        schema = json.loads(path.read_text("utf-8"))
        formats = {"uri-reference": REFERENCE.is_valid}
        validator = validator_for(schema, formats=formats, validate_formats=True, offline=True)
        yield from (f"{label(path)}: {one.instance_path}: {one.message[:200]}" for one in validator.iter_errors(log))


def sarif(answer: Answer, *, strict: bool = True, docs: str = "https://docs.example/docs") -> Any:
    return json.loads(json.dumps(as_sarif(answer, strict=strict, docs=docs, code=1)))


def hostile(text: str) -> Answer:
    """An answer in which a stranger's text is everywhere it can be."""
    one = judged(
        placed(finding(evidence={"x": text, text: [text]}, text="it is bad"), path=text), path=text, id=text, name=text,
        parameters=text, via=(Place(text, 1, 1),), properties={text: text},
    )  # fmt: skip
    return Answer([one], [deployment()], [Problem(text, 1, 1, text)], [text], ())


@pytest.mark.parametrize("answer", [whole(), Answer(), *map(hostile, HOSTILE)], ids=lambda _: "")
def test_sarif_is_valid_with_its_formats(answer: Answer) -> None:
    assert [*sarif_problems(sarif(answer))] == []


def test_sarif_says_what_was_found_and_what_was_not_read() -> None:
    (run,) = sarif(whole(), strict=False)["runs"]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [("EXG101", "error"), ("EXG101", "note")]
    region = run["results"][0]["locations"][0]["physicalLocation"]
    assert region == {
        "artifactLocation": {"uri": "infra/main.bicep", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 5},
    }
    assert (
        run["results"][1]["relatedLocations"][-1]["physicalLocation"]["artifactLocation"]["uri"] == "infra/caller.bicep"
    )
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    said = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert said == ["it is a named pipe, not a plain file", "the object is not closed"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://docs.example/docs/rules/expiry-missing.md"
    assert run["automationDetails"]["id"].endswith("/")


def test_what_is_unknown_is_a_result_only_where_that_fails() -> None:
    rules = [one["ruleId"] for one in sarif(whole(), strict=True)["runs"][0]["results"]]
    assert rules == ["EXG101", "EXG203", "EXG101"]
    assert "helpUri" not in sarif(whole(), docs="")["runs"][0]["tool"]["driver"]["rules"][0]


def fingerprints(*some: Judged) -> list[str]:
    results = sarif(Answer(list(some), [], [], [], ()))["runs"][0]["results"]
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in results]


def test_a_fingerprint_is_of_the_exemption_and_not_of_its_line() -> None:
    moved = judged(placed(line=70), line=40)
    assert fingerprints(judged(placed())) == fingerprints(moved)
    assert fingerprints(judged(placed())) != fingerprints(judged(placed(), id="/other"))
    assert fingerprints(judged(placed())) != fingerprints(judged(placed(), path="other.bicep"))
    twice = fingerprints(judged(placed()), judged(placed()))
    assert len(set(twice)) == 2
    nameless = [judged(placed(), id=None, name=None), judged(placed(), id=None, name=None)]
    assert len(set(fingerprints(*nameless))) == 2


def test_no_more_results_than_github_takes() -> None:
    one = judged(*[placed()] * (MOST + 1))
    (run,) = sarif(Answer([one], [], [], [], ()))["runs"]
    assert len(run["results"]) == MOST
    (left_out,) = run["invocations"][0]["toolExecutionNotifications"]
    assert left_out["message"]["text"] == "1 results are left out"


def test_messages_hold_no_link_and_no_placeholder() -> None:
    assert message("[a](b) {0} \\[c](d)") == "\\[a\\](b) {{0}} \\\\\\[c\\](d)"
    for text in HOSTILE:
        for one in sarif(hostile(text))["runs"][0]["results"]:
            said = one["message"]["text"]
            assert not re.search(r"(?<!\\)(?:\\\\)*\[", said)
            assert not re.search(r"(?<!\{)\{(?:\{\{)*(?!\{)", said)
            assert said.isprintable()


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("infra/main.bicep", "infra/main.bicep"),
        ("a b/ü.json", "a%20b/%C3%BC.json"),
        ("https://evil.example/x", "./https%3A//evil.example/x"),
        ("javascript:x", "javascript%3Ax"),
        ("100%.json", "100%25.json"),
    ],
)
def test_a_path_is_a_relative_uri(path: str, uri: str) -> None:
    assert uri_of(path).removeprefix("./") == uri.removeprefix("./")
    assert not re.match(r"[a-z]+:", uri_of(path))
    assert not uri_of(path).startswith("/")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_is_inert(text: str) -> None:
    made = "".join(as_markdown(hostile(text)))
    assert "\x1b" not in made
    assert "\u202e" not in made
    assert "<script>" not in made
    assert not re.search(r"(?<!\\)\]\(", made)
    for line in made.splitlines():
        assert not re.match(r"\s*::", line)
    assert "##[" not in inert(made)


def test_markdown_says_what_was_found_and_fits_a_comment() -> None:
    made = "".join(as_markdown(whole()))
    assert "infra/main\\[.\\]bicep:7 | EXG101 expiry-missing | high" in made
    assert "the object is not closed" in made
    many = Answer([judged(*[placed()] * 50, id=f"/{number}" * 50) for number in range(100)], [], [], [], ())
    assert len("".join(as_markdown(many))) < LONGEST
    assert "findings. JSON has all" in "".join(as_markdown(many))


@pytest.mark.parametrize("answer", [whole(), Answer(), *map(hostile, HOSTILE)], ids=lambda _: "")
def test_json_is_of_the_published_form_and_inert(answer: Answer) -> None:
    text = "".join(as_json(answer.to_json()))
    assert text.isascii()
    assert "##[" not in text
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if re.match(r"\s*::", line)]
    said = json.loads(text)
    assert said == answer.to_json()
    Draft202012Validator(check_schema.schema(), offline=True).validate(said)


def test_the_schema_is_closed_and_takes_explanations() -> None:
    said = whole().to_json()
    said["exemptions"][0]["explained"] = [
        {"at": "/properties/x", "from": [{"what": "the parameter x", "path": "a", "line": 1, "column": 2}]}
    ]
    validator = Draft202012Validator(check_schema.schema(), offline=True)
    validator.validate(said)
    assert [*validator.iter_errors(said | {"more": 1})]


def test_places_that_are_unknown_hold_null() -> None:
    one = whole().to_json()["exemptions"][1]
    assert [unknown["at"] for unknown in one["unknown"]] == ["/id", "/name"]
    assert (one["id"], one["name"], one["scope"] is not None) == (None, None, True)


CODE = {"infra/main.bicep": ["resource w 'x' = {"] * 6 + ["  expiresOn:   ends  // [x]"] + ["}"] * 30}


def printed(answer: Answer, capsys: pytest.CaptureFixture[str]) -> str:
    def lines(path: str, line: int) -> str:
        return CODE.get(path, ["::error::from a file"] * 99)[line - 1]

    show(answer, lines, Screen())
    return capsys.readouterr().out


def test_text_shows_the_line_the_reason_and_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(whole(), capsys)
    assert "infra/pipe.json: error: it is a named pipe, not a plain file\n" in out
    assert "infra/other.bicep:2:3: error: the object is not closed\n" in out
    assert "  EXG101 expiry-missing (high): it never expires\n    at infra/main.bicep:7:5\n" in out
    assert "    7 | expiresOn: ends // [x]\n" in out
    assert "    fix: expiresOn: a date\n" in out
    assert "  unknown: owner-missing: the parameter owner has no value\n" in out
    assert "deployed by infra/caller.bicep:3\n" in out
    assert "with the parameters of infra/main.bicepparam\n" in out
    assert (
        out.splitlines()[-1]
        == "2 deployments, 1 refused; 2 exemptions: 0 pass, 2 violation, 0 unknown; 1 file not read"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_inert(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(hostile(text), capsys)
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "##[" not in out
    assert not [line for line in out.splitlines() if re.match(r"\s*::", line)]


@pytest.mark.parametrize(
    ("answer", "fail_on", "strict", "code"),
    [
        (Answer(), "info", False, 0),
        (Answer([judged(placed())]), "info", False, 1),
        (Answer([judged(placed(finding(severity=Severity.LOW)))]), "medium", False, 0),
        (Answer([judged(placed(finding(severity=Severity.MEDIUM)))]), "medium", False, 1),
        (Answer([judged(whole().exemptions[0].findings[1])]), "info", False, 0),
        (Answer([judged(whole().exemptions[0].findings[1])]), "info", True, 3),
        (Answer([judged(placed())], [deployment(Outcome.UNKNOWN)]), "info", True, 1),
        (Answer([], [deployment(Outcome.UNKNOWN)]), "info", True, 3),
        (Answer([], [deployment(Outcome.UNKNOWN)]), "info", False, 0),
        (Answer([], [deployment(Outcome.REFUSED)]), "info", False, 2),
        (Answer([judged(placed())], [], [Problem("x", 0, 0, "y")]), "info", True, 2),
    ],
)
def test_exit_codes(answer: Answer, fail_on: str, strict: bool, code: int) -> None:
    assert answer.code(Severity(fail_on), strict=strict) == code


def test_a_finding_has_its_place() -> None:
    assert Placed(finding(), "/x", Place("a", 1, 2)).to_json()["path"] == "a"
