"""Bad input: one clear message that names file and place, the rest goes on, no traceback, exit 2."""

import json
import os
from pathlib import Path

import pytest

from guardrails.exemption.sources import NEWEST
from tests import reference

from .conftest import NOW, POLICIES, Run, Save, body

ID = body()["id"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"\xff\xfe", "it is empty"),
        (b"{\n  'id': 1}", "line 2, column 3: not JSON: expecting property name enclosed in double quotes"),
        (b'{"id": "\xff"}', "byte 9: not UTF-8 text: invalid start byte"),
        (b"[" * 200_000, "nested more than 100 levels deep"),
        (b"{}", "$: the exemption has no id. Give the exemption as Azure Resource Manager returns it. [not-an-exe"),
        (json.dumps({"id": ID.rpartition("/providers/")[0], "properties": {}}).encode(),
         "does not name a Microsoft.Authorization/policyExemptions"),
        (json.dumps(body(policyAssignmentId=None)).encode(), "the exemption names no policyAssignmentId"),
        (json.dumps(body(metadata=[1])).encode(), "metadata is a list, not a JSON object"),
        (json.dumps({"value": [7]}).encode(), "$.value[0]: this must be a JSON object, not a number"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)  # fmt: skip
def test_each_is_reported_and_the_rest_goes_on(run: Run, save: Save, content: bytes, said: str) -> None:
    bad, good = save("bad.json", content), save("good.json", body())
    known = ("--assignments", save("p.json", POLICIES), "--api-version", NEWEST)
    ran = run("judge", bad, good, *known, "--now", NOW, "--format", "json")
    assert ran.code == 2
    assert [one["verdict"] for one in ran.json] == ["pass"]
    assert ran.err.startswith(f"guardrails: {bad}: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_bad_item_in_a_list_costs_only_itself(run: Run, save: Save) -> None:
    items = [body("a"), {"id": "x"}, body("b"), None, body("c", resourceSelectors="all")]
    ran = run("judge", save("list.json", {"value": items}), "--now", NOW, "--format", "json")
    assert ran.code == 2
    assert [one["id"].rpartition("/")[2] for one in ran.json] == ["a", "b"]
    places = [line.split(": ")[2] for line in ran.err.splitlines()]
    assert sorted(places) == ["$.value[1]", "$.value[3]", "$.value[4]"]


def test_a_megabyte_of_metadata_is_judged(run: Run, save: Save) -> None:
    big = body(metadata={**body()["properties"]["metadata"], "note": "x" * 1_000_000, "owner": "y" * 1_000_000})
    ran = run(
        "judge", save("big.json", big), "--assignments", save("p.json", POLICIES), "--now", NOW, "--format", "json"
    )
    assert ran.code in (0, 1)
    assert len(ran.out) < 20_000


@pytest.mark.parametrize("expires", ["9999-12-31T23:59:59.9999999Z", "2027-03-31T00:00:00", "soon", "3021-01-01", ""])
def test_malformed_dates_are_judged(run: Run, save: Save, expires: str) -> None:
    ran = run("judge", save("a.json", body(expiresOn=expires)), "--now", NOW, "--format", "json")
    assert len(ran.json) == 1
    assert "Traceback" not in ran.err


def test_files_that_are_not_there(run: Run, tmp_path: Path) -> None:
    ran = run("judge", str(tmp_path / "no.json"), str(tmp_path), "a\0b")
    assert ran.code == 2
    then = "Name a file that exists and that you may read, or - for standard input"
    then += " (see python -m guardrails judge --help)"
    assert ran.err.splitlines() == [
        f"guardrails: {tmp_path / 'no.json'}: cannot be read: No such file or directory. {then}",
        f"guardrails: {tmp_path}: cannot be read: Is a directory. {then}",
        f"guardrails: ab: cannot be read: embedded null byte. {then}",
    ]


def test_assignments_without_any(run: Run, save: Save) -> None:
    given = save("a.json", body())
    ran = run("judge", given, "--assignments", given, "--now", NOW)
    assert ran.code == 2
    assert "the file has no assignments, initiatives or policies" in ran.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "the following arguments are required: COMMAND. COMMAND is one of judge, check, scan, rules, "),
        (("jugde",), "'jugde' is not known. Did you mean judge? (see python -m guardrails --help)"),
        (
            ("judge",),
            "the following arguments are required: FILE. FILE: a JSON file; - for standard input (see python -m ",
        ),
        (("judge", "a.json", "--now", "tomorrow"), "'tomorrow' is not an ISO 8601 time such as 2027-06-30T00:00:00Z"),
        (("judge", "a.json", "--now", ""), "it is empty"),
        (("judge", "a.json", "--format", "xml"), "'xml' is not known. Give one of table, json (see python -m "),
        (("judge", "a.json", "--api-version", "latest"), "'latest' is not an api-version such as 2026-01-01-preview"),
        (("rules", "expird"), "expird: there is no such rule. Did you mean expired?"),
        (("rules", "EXG100"), "Did you mean EXG10"),
        (("history", "/subscriptions/x"), "the id does not name a Microsoft.Authorization/policyExemptions"),
        (("restore", ""), "the exemption has no id"),
        (("dead-letters", "replay"), "one of the arguments ID --all --from is required"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_use_is_one_line_and_exit_2(run: Run, argv: tuple[str, ...], said: str) -> None:
    ran = run(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.startswith("guardrails: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("command", [("judge", "x.json"), ("rules",)], ids=["judge", "rules"])
def test_every_mistake_of_a_broken_ruleset_is_shown_and_nothing_is_judged(
    run: Run, save: Save, command: tuple[str, ...]
) -> None:
    own = save("own.yaml", "version: 1\nmode: audit\nrules:\n  expird: alert\n  expired: delete\n")
    ran = run(*command, "--ruleset", own)
    assert (ran.code, ran.out) == (2, "")
    first, *mistakes = ran.err.splitlines()
    assert first.startswith("guardrails: own.yaml: the ruleset has 2 mistakes; nothing was done.")
    assert [line.split(":")[1] for line in mistakes] == ["4", "5"]


def test_settings_that_are_missing_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    monkeypatch.setenv("GUARDRAILS_MODE", "enforce")
    ran = run("breaker")
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 3
    assert "AzureWebJobsStorage: there is no storage account" in ran.err


@pytest.mark.parametrize("command", [("register", "list"), ("reverts",)], ids=" ".join)
def test_without_any_login_one_line_says_how_to_log_in(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    for name in [name for name in os.environ if name.startswith(("AzureWebJobsStorage", "IDENTITY_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))  # no az there
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("AzureWebJobsStorage__accountName", "nobody")
    ran = run(*command)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "az login" in ran.err
    assert ran.err.endswith("[no-token]\n")


def test_every_file_of_the_corpus_is_judged_or_refused_with_one_message(run: Run) -> None:
    files = reference.files("corpus")
    assert len(files) > 30
    for path in files:
        ran = run("judge", str(path), "--now", NOW, "--format", "json")
        refused = [line for line in ran.err.splitlines() if line.startswith("guardrails: ")]
        if path.parent.name == "rest":
            empty = path.name.endswith("LIST_filtered_empty.json")
            assert bool(ran.json) + len(refused) + empty == 1, (path.name, ran.err)
        assert ran.code == (2 if refused else 1 if ran.json else 0), (path.name, ran.err)
