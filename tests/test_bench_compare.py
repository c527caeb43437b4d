"""The guard over ratios: what counts as worse, what is stored, and the command itself."""

import json
import subprocess
from pathlib import Path

import pytest

from tests import bench_compare
from tests.bench_compare import Ratio, Verdict, commit_of, judge, judge_all, main, ratio_of, read_stored, store

STEADY = Ratio(0.5, 0.49, 0.51)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (STEADY, Verdict.HOLDS),
        (Ratio(0.3, 0.29, 0.31), Verdict.HOLDS),  # better
        (Ratio(0.55, 0.549, 0.551), Verdict.HOLDS),  # by 10 % and no more
        (Ratio(0.56, 0.55, 0.57), Verdict.WORSE),
        (Ratio(0.56, 0.5, 0.6), Verdict.UNCLEAR),  # by more than 10 %, and less than it spreads
        (Ratio(0.7, 0.6, 0.75), Verdict.WORSE),  # by more than it spreads, though that is much
        (None, Verdict.UNKNOWN),
    ],
)
def test_worse_is_worse_by_a_tenth_and_by_more_than_the_spread(found: Ratio | None, verdict: Verdict) -> None:
    assert judge(found, STEADY) is verdict


def test_what_was_stored_on_a_noisy_machine_spreads_too() -> None:
    assert judge(Ratio(0.56, 0.55, 0.57), Ratio(0.5, 0.45, 0.55)) is Verdict.UNCLEAR


def test_a_figure_that_is_not_stored_or_not_measured_is_not_known_to_hold() -> None:
    judged = judge_all({"new": STEADY, "both": STEADY}, {"both": STEADY, "gone": STEADY})
    assert judged == {"new": Verdict.UNKNOWN, "both": Verdict.HOLDS, "gone": Verdict.UNKNOWN}


def test_a_ratio_is_of_pairs_so_that_what_slows_both_down_is_not_in_it() -> None:
    assert ratio_of([1.0, 10.0, 100.0, 3.0], [2.0, 20.0, 200.0, 6.0]) == (0.5, 0.5, 0.5)
    assert ratio_of([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5) == (3.0, 2.0, 4.0)
    assert ratio_of([3.0], [2.0]) == (1.5, 1.5, 1.5)
    for mine, others in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError, match=r".+"):
            ratio_of(mine, others)


def test_what_is_stored_is_read_as_it_was(tmp_path: Path) -> None:
    store("a" * 40, {"one": STEADY}, tmp_path / "stored.json")
    assert read_stored(tmp_path / "stored.json") == ("a" * 40, {"one": STEADY})


def test_the_stored_ratios_are_of_all_figures_and_a_commit() -> None:
    commit, ratios = read_stored()
    assert len(commit) == 40
    starts = {"start_help", "start_judge"}
    assert ratios.keys() == starts | {"judging", "unchanged_sweep", "compliant_event", "reverted_event"}
    for one in ratios.values():
        assert 0 < one.low <= one.median <= one.high


def test_a_revision_is_a_commit_of_this_clone_and_no_option(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@contoso.com", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603

    assert commit_of("HEAD", tmp_path) == ""
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert commit_of("HEAD", tmp_path) == commit_of(commit[:9], tmp_path) == commit
    for wrong in ("f" * 40, "no-branch", "--help", ""):
        assert commit_of(wrong, tmp_path) == ""


@pytest.mark.parametrize(("argv", "ci", "code"), [(["gone"], "", 2), ([], "", 0), ([], "true", 1)])
def test_a_clone_without_the_commit_is_said_so_in_one_line_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str], ci: str, code: int
) -> None:
    monkeypatch.setattr(bench_compare, "commit_of", lambda _: "")
    monkeypatch.setenv("CI", ci)
    assert main(argv) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert "this clone" in line
    assert ("nothing is compared" in line) == (not argv)


@pytest.mark.parametrize(("high", "code", "times"), [(0.5, 0, 1), (0.8, 1, 2)])
def test_what_seems_worse_is_measured_again_before_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], high: float, code: int, times: int
) -> None:
    measured = 0

    async def measure(*_: object, **__: object) -> bench_compare.Found:
        nonlocal measured
        measured += 1
        return {"judging": {"this": [high], "other": [1.0]}}

    head = commit_of("HEAD")
    if not head:
        pytest.skip("no clone")
    monkeypatch.setattr(bench_compare, "measure", measure)
    monkeypatch.setattr(bench_compare, "read_stored", lambda: (head, {"judging": STEADY}))
    assert (main([]), measured) == (code, times)
    assert ("worse" in capsys.readouterr().out) == bool(code)


@pytest.mark.long
def test_the_command_compares_a_commit_with_this_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if not commit_of("HEAD"):
        pytest.skip("no clone")
    monkeypatch.setattr(bench_compare, "store", lambda commit, ratios: store(commit, ratios, tmp_path / "stored"))
    assert main(["HEAD", "--rounds", "1", "--events", "3", "--exemptions", "100", "--store"]) == 0
    said = json.loads((tmp_path / "stored").read_text("utf-8"))
    assert said["commit"] == commit_of("HEAD")
    assert said["ratios"].keys() == read_stored()[1].keys()
    assert all(0.2 < one["median"] < 5 for one in said["ratios"].values()), "it is this build, but for what is new"
    assert "quartiles" in capsys.readouterr().out
