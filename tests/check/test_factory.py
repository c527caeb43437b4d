"""`check` on files of AzPolicyFactory: which belong together, what is reported, and where."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from guardrails.cli import check_schema
from tests.azpolicyfactory.samples import CORP, config

from .conftest import Check, Write

ABOVE = "policyExemptions"
TO = ("--deploy-to", CORP)


def said(check: Check, *words: str, paths: tuple[str, ...] = ("",)) -> dict[str, Any]:
    ran = check(*TO, *words, paths=paths, place=False)
    found: dict[str, Any] = json.loads(ran.out)
    Draft202012Validator(check_schema.schema(), offline=True).validate(found)
    return found


def rules_of(answer: dict[str, Any]) -> dict[str, list[str]]:
    """Return path -> the rules about deployers that report it."""
    return {
        one["path"]: [each["rule"] for each in one["findings"] if each["code"] >= "EXG640"]
        for one in answer["exemptions"]
    }


def test_a_file_is_judged_as_it_would_be_sent(write: Write, check: Check) -> None:
    write(f"{ABOVE}/dev/a.json", json.dumps(config(expiresOn="2029-03-31T22:00:00Z"), indent=2))
    answer = said(check)
    (one,) = answer["exemptions"]
    assert (one["format"], one["deployed"], one["name"]) == ("azpolicyfactory", True, "pex-web")
    found = {each["rule"]: (each["line"], each["at"]) for each in one["findings"] if each["status"] == "violation"}
    assert found == {"expiry-too-far": (21, "/properties/expiresOn")}
    assert answer["deployments"][0]["outcome"] == "deploys"
    assert [file["path"] for file in answer["deployments"][0]["files"]] == [f"{ABOVE}/dev/a.json"]
    assert "files" not in answer


@pytest.mark.parametrize(
    ("changes", "rule", "line"),
    [
        ({"root": {"subscriptionId": None, "resourceGroupName": None, "subscriptonId": "x"}}, "scope-falls-back", 23),
        ({"root": {"subscriptionId": None}}, "deploys-nothing", 23),
        ({"expiresOn": None, "expireOn": "2027-03-31T22:00:00Z"}, "key-dropped", 21),
        ({"root": {"expiresOn": "2027-03-31T22:00:00Z"}}, "key-dropped", 25),
        ({"expiresOn": "2027-02-30T22:00:00Z"}, "end-not-a-time", 21),
        ({"expiresOn": "2026-03-31T22:00:00Z"}, "past-end-not-sent", 21),
        ({"expiresOn": None, "ExpiresOn": "2027-03-31T22:00:00+02:00"}, "end-follows-runner", 21),
        ({"people": {"CreatedBy": "me"}}, "metadata-replaced", 14),
        ({"root": {"managementGroupId": "online"}}, "scope-key-ignored", 25),
        ({"people": {"approvedBy": " MARA"}}, "approval-not-checked", 9),
        ({"people": {"approvedOn": "2027-01-01"}}, "approval-not-checked", 10),
    ],
)
def test_what_happens_without_a_word_is_reported_at_its_place(
    write: Write, check: Check, changes: dict[str, Any], rule: str, line: int
) -> None:
    write(f"{ABOVE}/dev/a.json", json.dumps(config(**changes), indent=2))
    (one,) = said(check)["exemptions"]
    (found,) = [each for each in one["findings"] if each["code"] >= "EXG640"]
    assert (found["rule"], found["status"]) == (rule, "violation")
    assert found["line"] == line
    assert "a0362fe" in found["evidence"]["deployer"]
    assert found["evidence"]["correction"]


def test_a_good_file_has_no_finding_about_its_deployer(write: Write, check: Check) -> None:
    write(f"{ABOVE}/dev/a.json", config({"_remark": "x"}, people={"more": 1}))
    assert rules_of(said(check)) == {f"{ABOVE}/dev/a.json": []}


def test_files_of_an_environment_are_deployed_together(write: Write, check: Check) -> None:
    write(f"{ABOVE}/policyExemption.schema.json", {"$schema": "http://json-schema.org/draft-07/schema#"})
    write(f"{ABOVE}/dev/a.json", config())
    write(f"{ABOVE}/dev/b.json", json.dumps(config(name="pex-b"))[:300])
    write(f"{ABOVE}/dev/c.json", "{}")
    write(f"{ABOVE}/prod/a.json", config())
    write(f"{ABOVE}/prod/b.json", config())
    write(f"{ABOVE}/prod/c.jsonc", config())
    answer = said(check)
    runs = {one["paths"][0]: (one["format"], one["outcome"], one["stage"]) for one in answer["deployments"]}
    assert runs == {
        f"{ABOVE}/dev/a.json": ("azpolicyfactory", "refused", "build"),
        f"{ABOVE}/prod/a.json": ("azpolicyfactory", "deploys", None),
    }
    found = {path: rules for path, rules in rules_of(answer).items() if rules}
    assert found == {
        f"{ABOVE}/dev/b.json": ["hides-from-checks"],
        f"{ABOVE}/prod/b.json": ["deployment-names-collide"],
        f"{ABOVE}/prod/c.jsonc": ["file-never-read"],
    }
    files = {
        one["path"]: (one["checks"] is None, one["build"]) for run in answer["deployments"] for one in run["files"]
    }
    assert files[f"{ABOVE}/dev/c.json"] == (True, "stops")
    assert files[f"{ABOVE}/prod/c.jsonc"] == (True, "not-seen")


def test_a_named_file_is_checked_by_itself(write: Write, check: Check) -> None:
    write(f"{ABOVE}/dev/a.json", config())
    write(f"{ABOVE}/dev/b.json", json.dumps(config())[:300])
    answer = said(check, paths=(f"{ABOVE}/dev/a.json",))
    assert [one["outcome"] for one in answer["deployments"]] == ["deploys"]
    assert any("by itself" in note for note in answer["notes"])


def test_an_environment_without_a_good_file_is_found_by_the_schema(write: Write, check: Check) -> None:
    write(f"{ABOVE}/policyExemption.schema.json", {"$schema": "http://json-schema.org/draft-07/schema#"})
    write(f"{ABOVE}/dev/a.json", "{}")
    for paths in ("",), (f"{ABOVE}/dev",):
        (run,) = said(check, paths=paths)["deployments"]
        assert (run["format"], run["outcome"], run["stage"]) == ("azpolicyfactory", "refused", "compile")


def test_a_time_zone_that_does_not_exist_is_bad_use(write: Write, check: Check) -> None:
    write(f"{ABOVE}/dev/a.json", config())
    ran = check("--time-zone", "Mars/Olympus")
    assert ran.code == 2
    assert "time zone" in ran.err


def test_a_ruleset_switches_a_rule_off(write: Write, check: Check) -> None:
    write(f"{ABOVE}/dev/a.json", config(expireOn="x"))
    rules = write("rules.yaml", "version: 2\nmode: audit\nrules: {key-dropped: off, deploys-nothing: alert}\n")
    assert rules_of(said(check, "--ruleset", str(rules))) == {f"{ABOVE}/dev/a.json": []}


def test_a_file_that_cannot_be_read_here_leaves_its_folder_unknown(write: Write, check: Check, repo: Path) -> None:
    write(f"{ABOVE}/dev/a.json", json.dumps(config()))
    (repo / ABOVE / "dev" / "link.json").symlink_to("/etc/hostname")
    (repo / ABOVE / "dev" / "old.json").write_bytes(b'{"policyExemption": {"name": "caf\xe9"}}')
    answer = said(check)
    (run,) = answer["deployments"]
    assert (run["outcome"], [one["build"] for one in run["files"]]) == ("unknown", ["kept", None, None])
    assert [one["path"] for one in answer["errors"]] == [f"{ABOVE}/dev/link.json"]
    assert {(one["path"].rpartition("/")[2], one["line"]) for one in answer["exemptions"]} == {
        ("a.json", 1), ("link.json", 1), ("old.json", 1),
    }  # fmt: skip
