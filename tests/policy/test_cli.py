"""python -m guardrails policy build: what it writes, finds stale, removes, and refuses."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli.main import main
from tests.policy.definitions import definition

ROOT = Path(__file__).parents[2]
RULESET = ROOT / "guardrails/ruleset.yaml"
STALE = "Run: python -m guardrails policy build\n"


def build(*argv: object) -> int:
    return main(["policy", "build", *map(str, argv)])


def test_what_is_in_the_repository_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert build("--check", "--ruleset", RULESET) == 0, capsys.readouterr().err


def test_it_writes_once_and_finds_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("--check", "--out", tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert build("--out", tmp_path) == 0
    assert build("--out", tmp_path, "--check") == 0
    assert build("--out", tmp_path) == 0
    assert capsys.readouterr().out.endswith("every file of the policies is up to date\n")

    path = tmp_path / "definitions/exg101-expiry-missing.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Audit", "Modify"), encoding="utf-8")
    (tmp_path / "policies.bicep").unlink()
    assert build("--out", tmp_path, "--check") == 1
    wanted = f"stale: policies.bicep, definitions/exg101-expiry-missing.json. {STALE}"
    assert capsys.readouterr().err == f"guardrails: {wanted}"


def test_what_an_older_build_made_goes_and_what_is_somebody_elses_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build("--out", tmp_path)
    kept = tmp_path / "definitions/theirs.json"
    kept.write_text(json.dumps(definition("theirs")), encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text("version: 1\nmode: audit\nrules: {expiry-missing: alert}\n", encoding="utf-8")
    capsys.readouterr()

    assert build("--out", tmp_path, "--ruleset", own, "--check") == 1
    assert "definitions/exg201-ticket-missing.json" in capsys.readouterr().err
    assert build("--out", tmp_path, "--ruleset", own) == 0
    assert sorted(path.name for path in (tmp_path / "definitions").iterdir()) == [
        "audit-exception-tags.json", "exemption-delete-deny.json", "exg101-expiry-missing-deny.json",
        "exg101-expiry-missing.json", "theirs.json",
    ]  # fmt: skip
    assert "own.yaml" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_given_definitions_are_read_from_sources_or_a_named_folder(tmp_path: Path) -> None:
    for folder in ("out/sources", "named"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "d.json").write_text(json.dumps(definition(f"of-{folder[:3]}")), encoding="utf-8")
    (tmp_path / "named/notes.txt").write_text("not one", encoding="utf-8")
    out = tmp_path / "out"
    assert build("--out", out) == 0
    assert (out / "definitions/of-out-unless-excepted.json").is_file()
    assert build("--out", out, "--definitions", tmp_path / "named") == 0
    assert (out / "definitions/of-nam-unless-excepted.json").is_file()
    assert not (out / "definitions/of-out-unless-excepted.json").exists()


@pytest.mark.parametrize(
    ("content", "said"), [("{", "d.json:1:2: not JSON"), ('{"name": "x", "properties": {}}', "d.json")]
)
def test_a_bad_definition_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/d.json").write_text(content, encoding="utf-8")
    assert build("--out", tmp_path) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sources"]


def test_a_folder_that_is_not_there_or_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("--out", tmp_path, "--definitions", tmp_path / "none") == 2
    assert "[cannot-read]" in capsys.readouterr().err
    (tmp_path / "file").write_text("", encoding="utf-8")
    for how in ((), ("--check",), ("--compare",)):
        assert build("--out", tmp_path / "file", *how) == 2
        assert ": cannot be read: Not a directory. Nothing was changed." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["definitions", "definitions/exg101-expiry-missing.json", "policies.bicep"])
@pytest.mark.parametrize("how", [(), ("--check",), ("--compare",)])
def test_what_may_not_be_read_is_named_and_is_neither_fresh_nor_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, how: tuple[str, ...]
) -> None:
    build("--out", tmp_path)
    (tmp_path / "policies.bicep").write_text("stale", encoding="utf-8")
    capsys.readouterr()
    for method in ("read_bytes", "iterdir"):
        real = getattr(Path, method)

        def refused(path: Path, real: Callable[[Path], Any] = real) -> Any:
            if path == tmp_path / name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(Path, method, refused)
    assert build("--out", tmp_path, *how) == 2
    said = capsys.readouterr()
    assert f"{name}: cannot be read: Permission denied. Nothing was changed." in said.err
    assert said.out == ""
    monkeypatch.undo()
    assert (tmp_path / "policies.bicep").read_text(encoding="utf-8") == "stale"


def test_a_broken_ruleset_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nmode: audit\nrules: {expiry-missin: alert}\n", encoding="utf-8")
    assert build("--out", tmp_path / "out", "--ruleset", tmp_path / "r.yaml") == 2
    assert "did you mean expiry-missing?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_larger_than_azure_takes_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scopes = (f"/subscriptions/{number:08}-1111-2222-3333-444455556666" for number in range(300))
    rules = "{expiry-too-far: {options: {months: 6}}}"
    overrides = "\n".join(f"  - {{scope: {one}, rules: {rules}}}" for one in scopes)
    ruleset = tmp_path / "r.yaml"
    head = "version: 2\nmode: audit\nrules: {expiry-missing: alert, expiry-too-far: alert}\noverrides:\n"
    ruleset.write_text(head + overrides + "\n", encoding="utf-8")
    assert build("--out", tmp_path / "out", "--ruleset", ruleset) == 2
    said = capsys.readouterr().err
    assert "[policy-too-large]" in said
    assert "definitions/exg102-expiry-too-far.json: 3,435 functions; Azure takes 2,048" in said
    assert "exg101" not in said
    assert not (tmp_path / "out").exists()


def test_more_metadata_keys_than_azure_counts_are_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ruleset(count: int) -> Path:
        keys = ", ".join(f"owner{number}" for number in range(count))
        path = tmp_path / "r.yaml"
        head = f"version: 2\nmode: audit\nmetadata: {{owner: [{keys}]}}\n"
        path.write_text(head + "rules: {owner-missing: alert, expiry-missing: alert}\n", encoding="utf-8")
        return path

    assert build("--out", tmp_path / "out", "--ruleset", ruleset(101)) == 2
    said = capsys.readouterr().err
    assert "definitions/exg203-owner-missing.json: 101 values in one count; Azure takes 100" in said
    assert "exg101" not in said
    assert not (tmp_path / "out").exists()
    assert build("--out", tmp_path / "out", "--ruleset", ruleset(100)) == 0


def test_policies_that_a_tenant_has_no_alias_for_are_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["expiresOn", "policyAssignmentId", "exemptionCategory", "DESCRIPTION", "assignmentScopeValidation"]
    names += ["resourceSelectors[*].selectors[*]", "resourceSelectors[*].selectors[*].kind", "metadata"]
    prefix = "microsoft.authorization/policyExemptions/"

    def printed(some: list[str]) -> Path:
        types = [{"resourceType": "policyExemptions", "aliases": [{"name": prefix + name} for name in some]}]
        path = tmp_path / "aliases.json"
        path.write_text(json.dumps({"namespace": "Microsoft.Authorization", "resourceTypes": types}), encoding="utf-8")
        return path

    assert build("--out", tmp_path / "out", "--aliases", printed(names[:-1])) == 2
    said = capsys.readouterr().err
    assert "[aliases-missing]" in said
    assert (
        "exg201-ticket-missing.json: the tenant has no alias Microsoft.Authorization/policyExemptions/metadata" in said
    )
    assert "exg101" not in said
    assert build("--out", tmp_path / "out", "--aliases", printed([])) == 2
    assert "[aliases-unread]" in capsys.readouterr().err
    assert build("--out", tmp_path / "out", "--aliases", tmp_path) == 2
    assert "[cannot-read]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert build("--out", tmp_path / "out", "--aliases", printed(names)) == 0


def test_without_an_action_it_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["policy"])
    assert leaving.value.code == 2
    assert "build" in capsys.readouterr().err
