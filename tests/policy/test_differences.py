"""`policy build --compare`: what a change of the ruleset does to the definitions, in words; and nothing is written."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli import whole
from guardrails.cli.main import main
from guardrails.policy.build import build
from guardrails.policy.differences import differences
from guardrails.ruleset.model import parse_ruleset

ROUTE = "notices: [{route: audit, channel: webhook, address_setting: A, secret_setting: S}]\n"
BASE = "version: 2\nmode: audit\nrules: {expiry-missing: alert, expiry-too-far: alert}\n" + ROUTE


def made(text: str = BASE) -> dict[str, str]:
    return build(parse_ruleset(text), {})


def definition(condition: Any, **more: Any) -> str:
    rule = {"if": condition, "then": {"effect": "[parameters('effect')]"}}
    return json.dumps({"name": "d", "properties": {"policyRule": rule, **more}})


def words(old: Any, new: Any) -> dict[str, Any]:
    (one,) = differences({"definitions/d.json": definition(old)}, {"definitions/d.json": definition(new)})
    return dict(one.changes)


def test_the_same_ruleset_is_no_difference() -> None:
    assert differences(made(), made()) == []


def test_a_rule_that_is_added_and_one_that_goes() -> None:
    more = made(BASE.replace("expiry-too-far: alert", "ticket-missing: alert"))
    found = {one.path: one for one in differences(made(), more)}
    gone, new = (found[f"definitions/{name}.json"] for name in ("exg102-expiry-too-far", "exg201-ticket-missing"))
    assert (gone.kind, new.kind, new.name) == ("removed", "added", "exg201-ticket-missing")
    assert new.changes["effects"] == ["added: effect: one of Audit, Disabled; default Audit"]
    refuses = found["definitions/exg201-ticket-missing-deny.json"]
    assert refuses.changes["effects"] == ["added: effect: one of Audit, Deny, Disabled; default Audit"]
    assert 'added: type is "Microsoft.Authorization/policyExemptions"' in new.changes["conditions"]
    initiative = found["initiatives/exemption-guardrails.json"]
    assert any(one.startswith("added: ticket-missing: ") for one in initiative.changes["members"])
    assert any(one.startswith("removed: expiry-too-far: ") for one in initiative.changes["members"])
    assert "added: effect-ticket-missing: one of Audit, Disabled; default Audit" in initiative.changes["effects"]
    assert {one.path for one in found.values() if not one.changes} <= {"README.md", "policies.bicep"}


def test_an_option_is_a_parameter_and_its_bound_and_an_exclusion_a_condition() -> None:
    shorter = made(BASE.replace("expiry-too-far: alert", "expiry-too-far: {options: {months: 6}}"))
    (one,) = [one for one in differences(made(), shorter) if one.name == "exg102-expiry-too-far"]
    assert one.changes["parameters"] == ["changed: maximumDays: Integer; default 368 becomes Integer; default 186"]
    old, new = one.changes["conditions"]
    assert old.removeprefix("removed: ").replace("368", "186") == new.removeprefix("added: ")
    spared = made(BASE + "exclusions: [{scope: /subscriptions/1111, reason: known}]\n")
    for name in ("exg101-expiry-missing", "exg102-expiry-too-far"):
        (one,) = [one for one in differences(made(), spared) if one.name == name]
        assert one.changes == {
            "conditions": ['added: not (id is "/subscriptions/1111" or id is like "/subscriptions/1111/*")']
        }


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"field": "type", "notEquals": "a"}, 'type is not "a"'),
        ({"field": "x", "exists": "false"}, "x is not there"),
        ({"value": "[utcNow()]", "greaterOrEquals": "2027"}, '[utcNow()] is at least "2027"'),
        ({"anyOf": [{"field": "a", "in": ["b"]}, {"not": {"field": "c", "like": "*"}}]},
         '(a is one of ["b"] or not c is like "*")'),
        ({"count": {"value": ["a"], "where": {"field": "b", "contains": "c"}}, "equals": 0},
         'the count of ["a"] where b contains "c" is 0'),
        ({"field": "a", "newOperator": 1}, '{"field": "a", "newOperator": 1}'),
        ({}, "{}"),
        ("other", '"other"'),
    ],
)  # fmt: skip
def test_a_condition_in_words(condition: Any, said: str) -> None:
    assert words({"field": "z", "equals": 1}, condition)["conditions"] == ["removed: z is 1", f"added: {said}"]


def test_conditions_that_must_all_hold_are_compared_one_by_one() -> None:
    a, b, c = ({"field": name, "equals": 1} for name in "abc")
    assert words({"allOf": [a, {"allOf": [b]}]}, {"allOf": [a, c]}) == {
        "conditions": ["removed: b is 1", "added: c is 1"]
    }
    assert words({"allOf": [a, b]}, {"allOf": [b, a]}) == {"texts": ["its JSON is written otherwise"]}


DEEP = definition(json.loads('{"not":' * 3000 + '{"field": "a", "equals": 1}' + "}" * 3000))


@pytest.mark.parametrize("there", ["", "{", "[]", '{"properties": 5}', "null", "[" * 100_000, DEEP])
def test_what_is_in_its_place_and_is_none_is_named(there: str) -> None:
    (one,) = differences({"definitions/d.json": there}, {"definitions/d.json": definition({"field": "a", "equals": 1})})
    assert one.changes == {"texts": ["what is there cannot be read, and is replaced"]}


# The command


def command(*argv: object) -> int:
    return main(["policy", "build", *map(str, argv)])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def ruleset(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(BASE, encoding="utf-8")
    return path


def test_compare_writes_nothing_and_says_by_its_exit_code_whether_something_changes(
    tmp_path: Path, ruleset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command("--out", out, "--ruleset", ruleset, "--compare") == 1
    assert not out.exists()
    assert "added: definitions/exg101-expiry-missing.json" in capsys.readouterr().out
    assert command("--out", out, "--ruleset", ruleset) == 0
    before = snapshot(out)
    capsys.readouterr()
    assert command("--out", out, "--ruleset", ruleset, "--compare") == 0
    assert capsys.readouterr() == ("", "nothing would change\n")
    ruleset.write_text(BASE.replace(", expiry-too-far: alert", ""), encoding="utf-8")
    assert command("--out", out, "--ruleset", ruleset, "--compare", "--format", "json") == 1
    differences = json.loads(capsys.readouterr().out)
    assert {(one["name"], one["kind"]) for one in differences} >= {("exg102-expiry-too-far", "removed")}
    assert snapshot(out) == before


def test_two_rulesets_are_compared_whatever_they_are_called(
    tmp_path: Path, ruleset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "older.yaml"
    other.write_text(BASE, encoding="utf-8")
    assert command("--out", tmp_path / "out", "--ruleset", ruleset, "--compare", other) == 0
    other.write_text(BASE.replace("expiry-missing: alert, ", ""), encoding="utf-8")
    capsys.readouterr()
    assert command("--out", tmp_path / "out", "--ruleset", ruleset, "--compare", other) == 1
    assert "added: definitions/exg101-expiry-missing.json" in capsys.readouterr().out


def test_files_of_others_in_the_folder_are_no_difference(tmp_path: Path, ruleset: Path) -> None:
    out = tmp_path / "out"
    command("--out", out, "--ruleset", ruleset)
    (out / "definitions/theirs.json").write_text("{}", encoding="utf-8")
    (out / "notes.md").write_text("mine", encoding="utf-8")
    assert command("--out", out, "--ruleset", ruleset, "--compare") == 0


def test_a_ruleset_that_is_broken_is_named_and_nothing_is_compared(
    tmp_path: Path, ruleset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 2\nrules: {no-such: alert}\n", encoding="utf-8")
    assert command("--ruleset", ruleset, "--compare", broken) == 2
    assert "broken.yaml" in capsys.readouterr().err


def test_a_form_without_a_comparison_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--out", tmp_path / "out", "--format", "json") == 2
    assert "--format needs --compare" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# All or nothing


def test_a_write_that_fails_in_the_middle_leaves_all_as_it_was(
    tmp_path: Path, ruleset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command("--out", out, "--ruleset", ruleset)
    (out / "definitions/exg102-expiry-too-far.json").unlink()
    (out / "definitions/exg102-expiry-too-far.json").mkdir()
    before = snapshot(out)
    ruleset.write_text(
        BASE.replace("expiry-missing: alert", "expiry-missing: alert, ticket-missing: alert"), encoding="utf-8"
    )
    capsys.readouterr()
    assert command("--out", out, "--ruleset", ruleset) == 2
    assert "exg102-expiry-too-far.json" in (said := capsys.readouterr().err)
    assert "Nothing was changed." in said
    assert snapshot(out) == before
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_a_disk_that_is_full_is_found_out_before_anything_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    real = Path.write_text

    def full(path: Path, text: str, *args: Any, **more: Any) -> int:
        if text == "last":
            raise OSError(28, "No space left on device", str(path))
        return real(path, text, *args, **more)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        whole.write_whole(tmp_path, {"a": "new", "b/c": "last"}, ["gone"])
    assert snapshot(tmp_path) == {"a": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_to_go_and_cannot_takes_nothing_along(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        whole.write_whole(tmp_path, {"a": "new", "b": "new"}, ["folder"])
    assert snapshot(tmp_path) == {"a": b"old"}
    whole.write_whole(tmp_path, {"b/c": "new"}, ["a", "absent"])
    assert snapshot(tmp_path) == {"b/c": b"new"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("move", range(1, 7))
def test_who_interrupts_it_finds_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, move: int, *, after: bool
) -> None:
    for name in ("a", "b", "gone"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    before, real, moves = snapshot(tmp_path), Path.replace, count(1)

    def interrupted(path: Path, target: Path) -> Path:
        this = next(moves) == move
        moved = path if this and not after else real(path, target)
        if this:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        whole.write_whole(tmp_path, {"a": "new", "b": "new", "c": "new"}, ["gone"])
    assert snapshot(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "gone"]


def test_what_cannot_be_put_back_is_kept_in_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    real = Path.replace

    def stuck(path: Path, target: Path) -> Path:
        if target == tmp_path / "a":
            raise OSError(5, "Input/output error", str(target))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", stuck)
    with pytest.raises(OSError, match="Input/output"):
        whole.write_whole(tmp_path, {"a": "new"}, [])
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".new-")
    assert (left / "old-0").read_text(encoding="utf-8") == "old"
