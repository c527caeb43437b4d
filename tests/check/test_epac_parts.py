"""A folder of EPAC that several processes plan, some files each, comes to what one process makes of it."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.check.epac_files import parts_of
from guardrails.cli import check_epac, check_run, forks
from guardrails.dataclass import replace
from guardrails.epac.lifecycle import joined
from guardrails.epac.plan import EpacPlan
from guardrails.evaluation.plan import Outcome
from tests.check.test_epac import BASELINE, ENTRY, HTTPS, deployed, file
from tests.cli.conftest import Ran, run_captured
from tests.oracles.epac import TEST, WEB
from tests.oracles.epac import run as plan_of
from tests.oracles.test_epac_command import written_out

type Entry = Mapping[str, Any]
type Files = Sequence[tuple[str, str]]

ROLE: Final = f"{WEB}/providers/Microsoft.Authorization/roleDefinitions/reader"
OTHERS: Final[Mapping[str, Files]] = {
    "the same id": file({"name": "drop"}),
    "an error": file({"name": "a:b"}),
    "a broken file": [("a.json", "{")],
    "a doubt": file({"name": "later", "expiresOn": "24:00"}),
    "a role": file({"name": "role", "scope": ROLE}),
    "a bad key": file({"name": "keys", "metadata": {"": "x"}}),
    "a root that is a list": [("a.json", "[{}]")],
}
"""What a second file holds that has something to do with the first."""
APART: Final[Mapping[str, Files]] = {
    "another": file({"name": "other", "metadata": {"owner": "web@contoso.com"}}),
    "what is left out": file({"name": "gone", "policyAssignmentId": f"{BASELINE}-gone"}, {"name": "x", "scope": TEST}),
    "what has ended": file({"name": "ended", "expiresOn": "2020-01-01T00:00:00Z"}),
    "a pattern": file({"name": "groups", "scope": f"{WEB}/resourceGroups/rg-*"}),
    "a key twice": [("a.json", json.dumps({"exemptions": [dict(ENTRY, name="y")]}).replace('"y"', '"z", "name": "y"'))],
    "what never settles": file({"name": "again", "metadata": {"owner": None}}),
}
"""What a second file holds that has nothing to do with it."""


def two(files: Files) -> list[tuple[str, str]]:
    """Return the first file and a second one."""
    first = [("0.json", file({"metadata": {"owner": "team"}}, {"name": "https", "policyAssignmentId": HTTPS})[0][1])]
    return [*first, *(("1.json", text) for _, text in files)]


def in_parts(files: Files, case: Mapping[str, Any]) -> EpacPlan | None:
    """Return the plan of files by the plan of each."""
    return joined([plan_of([one], case) for one in files])


def said(plan: EpacPlan) -> list[str]:
    """Return all that a plan says, but for what its entries are."""
    items = [repr(replace(one, entry=None)) for one in plan.items]  # type: ignore[arg-type]
    return [repr(replace(plan, items=[], apart=None)), *sorted(plan.apart or ()), *items]


def before() -> dict[str, Any]:
    """Return a world in which the first exemption of the first file is deployed."""
    plan = plan_of(file({"metadata": {"owner": "team"}}), {})
    return {"deployed": [deployed(plan, displayName="Another")]}


@pytest.mark.parametrize("second", [*APART, *OTHERS])
@pytest.mark.parametrize("there", [False, True], ids=["new", "deployed"])
def test_plans_of_parts_make_the_plan_of_all_or_none(second: str, there: bool) -> None:
    files = two({**APART, **OTHERS}[second])
    case = before() if there else {}
    made, whole = in_parts(files, case), plan_of(files, case)
    assert (made is not None) >= (second in APART)
    if made is not None:
        assert whole.outcome is Outcome.DEPLOYS
        assert said(made) == said(whole)


def test_what_is_deleted_is_planned_with_all_files() -> None:
    files = two(APART["another"])
    (old,) = before()["deployed"]
    case = {"deployed": [{**old, "id": f"{old['id']}-old", "name": "drop-old"}]}
    assert plan_of(files, case).deletes
    assert in_parts(files, case) is None


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Small folders are shared by two processes; how many parts each run had."""
    found: list[int] = []
    shared = forks.shared

    def counted(work: Callable[[int], object], parts: int, processes: int) -> list[object]:
        found.append(parts)
        return shared(work, parts, processes)

    monkeypatch.setattr(forks, "shared", counted)
    monkeypatch.setattr(check_epac, "_WORTH_SHARING", 0)
    monkeypatch.setattr(check_run, "_processors", lambda: 2)
    return found


type Check = Callable[[Files, str], Ran]


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command on files of an environment, beside which is a hidden one; answer in a form."""

    def checking(files: Files, form: str) -> Ran:
        folder = tmp_path / form
        if not folder.exists():
            (folder / ".git").mkdir(parents=True)
            arguments[form] = written_out(folder, [(name, text.encode()) for name, text in files], {})
            (folder / "Definitions/policyExemptions/corp/.hidden.json").write_text(files[0][1])
        said = ["--now", "2026-11-28T12:00:00Z", "--strict", "--format", form]
        return run_captured(capsys, ["check", *arguments[form], *said])

    arguments: dict[str, list[str]] = {}
    return checking


@pytest.mark.skipif(sys.platform != "linux", reason="forks of this kind are for Linux")
@pytest.mark.parametrize("second", [*APART, *OTHERS])
def test_two_processes_say_what_one_says(
    second: str, shares: list[int], monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    files, forms = two({**APART, **OTHERS}[second]), ("json", "text", "sarif", "markdown")
    together = [check(files, form) for form in forms]
    monkeypatch.setattr(check_run, "_processors", lambda: 1)
    assert together == [check(files, form) for form in forms]
    assert shares == [2] * len(forms)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_no_part_is_empty_and_none_is_left_out(count: int) -> None:
    for sizes in ([1], [1, 1, 1], [100, 1, 1], [1, 1, 100], [0, 0], [5, 0, 5, 0]):
        data = [(f"{at}.json", b"x" * size) for at, size in enumerate(sizes)]
        parts = parts_of(data, count)
        assert all(parts)
        assert len(parts) <= count
        assert [one for part in parts for one in part] == data
