"""`check --diff REV`: the check of a revision of git and of the working tree, compared. Nothing is checked out."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from guardrails.check.answer import Answer
from guardrails.check.diff import Diff, Side, compare
from guardrails.check.states import State
from guardrails.cli.check_run import Compared, Run, check, paths_of
from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Verdict
from guardrails.errors import Misconfigured
from guardrails.exemption.counts import number_of
from guardrails.files.git import GitError
from guardrails.files.git_tree import GitTree
from guardrails.files.tree import DISK, Unreadable
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.files.walk import Repository

_SHORT: Final = 12
"""Characters of a hash that people are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change does, and the run that it leads to.

    Attributes:
        revision: what the caller calls the revision before the change; commit: its hash.
        run: of the working tree.
    """

    revision: str
    commit: str
    diff: Diff
    run: Run

    @property
    def title(self) -> str:
        """The revision, for people."""
        short = self.commit[:_SHORT]
        return short if self.commit.startswith(self.revision) else f"{self.revision} ({short})"

    @property
    def brought(self) -> Answer:
        """The answer with the findings alone that the change brings."""
        answer = self.run.answer
        some = [
            replace(one, findings=tuple(each for each in one.findings if self.diff.brings(each)))
            for one in answer.exemptions
        ]
        return replace(answer, exemptions=some)

    def count(self, *states: State) -> int:
        """Return how many findings were in one of these states before."""
        return sum(self.diff.state(placed) in states for _, placed in self.run.answer.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        diff, answer = self.diff, self.run.answer
        findings = [
            {"exemption": number, "rule": placed.finding.rule, "at": placed.at, "state": str(diff.state(placed)),
             "counts": diff.brings(placed)}
            for number, one in enumerate(answer.exemptions)
            for placed in one.findings
        ]  # fmt: skip
        return {
            "revision": self.revision,
            "commit": self.commit,
            "changes": [one.to_json() for one in diff.changes],
            "unchanged": diff.unchanged,
            "runs": diff.runs,
            "findings": findings,
            "unread_before": [one.to_json() for one in diff.unread],
            "as_before": [one.to_json() for one in answer.problems if one in diff.as_before],
        }


def changed(args: argparse.Namespace, ruleset: Ruleset) -> Change:
    """Check both sides, and compare them. Raises Misconfigured for what is no revision, or cannot be read."""
    if args.compiler:
        remedy = "Run the check once with --diff, and once with --compiler."
        raise Misconfigured(
            "--compiler and --diff exclude each other: a compiler reads the working tree only", code="bad-use",
            remedy=remedy,
        )  # fmt: skip
    _, root = paths_of(args)
    present = datetime.now(UTC).replace(microsecond=0)
    try:
        with GitTree(root, args.diff) as tree:
            return _compared(args, ruleset, tree, present)
    except GitError as error:
        raise Misconfigured(f"--diff: {error}", code="bad-use", remedy=error.remedy) from None


def _compared(args: argparse.Namespace, ruleset: Ruleset, tree: GitTree, present: datetime) -> Change:
    after = check(args, ruleset, Compared(DISK, tree, present, past=False))
    before = check(args, ruleset, Compared(tree, DISK, present, past=True))
    diff = compare(_side(before, tree.submodules), _side(after, ()))
    made = Change(args.diff, tree.commit, diff, after)
    after.answer.notes += [
        f"{path} is not in {made.title}, so it is used as it is now on both sides" for path in before.borrowed
    ]
    if tree.is_ambiguous:
        after.answer.notes.append(
            f"{args.diff} is the name of more than one tag or branch; git takes a tag before a branch: "
            "write refs/heads/NAME for a branch, refs/tags/NAME for a tag"
        )
    return made


def _side(run: Run, apart: "dict[str, None] | tuple[()]") -> Side:
    repository: Repository = run.repository

    def text_of(path: str) -> str | None:
        if path.startswith("/"):
            return None
        try:
            return repository.read(path).decode("utf-8-sig", "replace")
        except Unreadable:
            return None

    return Side(run.answer, run.azure, text_of, tuple(apart), frozenset(repository.left_out))


def sums(change: Change) -> Iterator[str]:
    """Yield what the change comes to, a sentence each."""
    diff, count = change.diff, len(change.diff.changes)
    effects = ", ".join(f"{number:,} {effect}" for effect, number in diff.counts.items())
    what = (
        f"{count:,} exemption{'s change' if count != 1 else ' changes'}: {effects}" if count else "no exemption changes"
    )
    rest = f"; {number_of(diff.unchanged, 'does', 'do')} not change" if diff.unchanged else ""
    yield f"since {change.title}: {what}{rest}"
    statuses = [placed.finding.status for _, placed in change.run.answer.findings if diff.brings(placed)]
    found = [f"{count:,} {status}" for status in Verdict if (count := statuses.count(status))]
    as_before = change.count(State.UNCHANGED)
    better = sum(len(one.findings) for one in change.run.answer.exemptions) - len(statuses) - as_before
    yield f"findings that the change brings or makes worse: {', '.join(found) or 'none'}"
    if as_before:
        yield f"not shown: {number_of(as_before, 'finding that was', 'findings that were')} there before"
    if better:
        yield f"not shown: {number_of(better, 'finding')} that the change makes no worse"
