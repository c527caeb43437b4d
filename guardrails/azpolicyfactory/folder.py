"""What AzPolicyFactory makes of the files of one environment together. Pure.

The build step and the template take all files of a folder at once: one that stops them stops all.
"""

from collections.abc import Sequence
from datetime import datetime

from guardrails.azpolicyfactory.build import Build, build_of
from guardrails.azpolicyfactory.checks import Checks, checks_of
from guardrails.azpolicyfactory.config import ConfigFile
from guardrails.azpolicyfactory.schema import Verdict, schema_verdict
from guardrails.azpolicyfactory.template import Doubt, Effect, TemplateRefused, effect_of
from guardrails.dataclass import dataclass, field
from guardrails.epac.instants import Runner
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.template import Stage


@dataclass(slots=True)
class FileAnswer:
    """What becomes of one file.

    Attributes:
        schema: what the schema says of it, whether or not the check ran.
        checks: None: they never ran for it.
        own_build: what the build step does with it by itself; None where that is not certain.
        build: the same, with what other files do to it: where one stops, all stop.
        effect: what the template makes of it; None where the build step does not keep it.
    """

    file: ConfigFile
    schema: Verdict
    checks: Checks | None
    own_build: Build | None
    build: Build | None
    effect: Effect | None = None


@dataclass(slots=True)
class FolderAnswer:
    """What becomes of an environment.

    Attributes:
        files: by their names.
        stage: where it is refused; None where it is not, or not certain.
        building: the build step stops, so that there is no template.
        broken: the template that the build step writes is broken by this file's name.
    """

    files: list[FileAnswer]
    outcome: Outcome
    stage: Stage | None = None
    building: bool = False
    broken: list[ConfigFile] = field(default_factory=list)


def folder_answer(files: Sequence[ConfigFile], target: str, runner: Runner, now: datetime) -> FolderAnswer:
    """Return what the checks, the build step and the template make of an environment.

    Args:
        target: the management group's id that it is deployed to; "" where nobody said.
        runner: where the pipeline runs.
        now: the time of the run, UTC.
    """
    made: list[FileAnswer] = []
    for file in files:
        verdict = schema_verdict(file)
        own = build_of(file, runner, now)
        made.append(FileAnswer(file, verdict, _checks(file, files, verdict, now), own, own))
    stopping = any(one.own_build is Build.STOPS for one in made)
    kept = [one for one in made if one.own_build is Build.KEPT]
    if stopping:
        for one in made:
            if one.own_build is not Build.NOT_SEEN:
                one.build = Build.STOPS
        return FolderAnswer(made, Outcome.REFUSED, building=True)
    doubtful = any(one.own_build is None for one in made)
    for one in kept:
        one.effect = effect_of(one.file, target, alone=len(kept) == 1 and not doubtful)
    broken = [one.file for one in kept if "'" in one.file.name or "${" in one.file.name]
    return _outcome(made, kept, broken, doubtful=doubtful)


def _outcome(
    made: list[FileAnswer], kept: list[FileAnswer], broken: list[ConfigFile], *, doubtful: bool
) -> FolderAnswer:
    if doubtful:
        return FolderAnswer(made, Outcome.UNKNOWN, broken=broken)
    if broken:
        return FolderAnswer(made, Outcome.REFUSED, Stage.COMPILE, broken=broken)
    doubt = any(isinstance(one.effect, Doubt) or "$" in one.file.name for one in kept)
    stages = {one.effect.stage for one in kept if isinstance(one.effect, TemplateRefused)}
    if Stage.COMPILE in stages:
        return FolderAnswer(made, Outcome.REFUSED, Stage.COMPILE)
    if stages:
        stage = Stage.EVALUATE if stages == {Stage.EVALUATE} and not doubt else None
        return FolderAnswer(made, Outcome.REFUSED, stage)
    return FolderAnswer(made, Outcome.UNKNOWN if doubt else Outcome.DEPLOYS)


def _checks(file: ConfigFile, files: Sequence[ConfigFile], verdict: Verdict, now: datetime) -> Checks | None:
    """Return what the checks say; None for a file that they never reach."""
    if file.seen is False or file.stops:
        return None
    unsure = file.seen is None
    for other in files:
        if other is file or other.seen is False or not (other.stops or other.doubt):
            continue
        before = comes_before(other.name, file.name)
        if before and other.stops and other.seen:
            return None
        unsure = unsure or before is not False
    return Checks(None, None, None, None) if unsure else checks_of(file, verdict, now)


def comes_before(one: str, other: str) -> bool | None:
    """Whether the checks look at a file before another one; None where that depends on rare characters.

    They take the files of a folder by their names in any letter case, then its folders.
    """
    left, right = one.lower().split("/"), other.lower().split("/")
    for depth, (first, second) in enumerate(zip(left, right, strict=False)):
        leaf = depth == len(left) - 1, depth == len(right) - 1
        if leaf[0] != leaf[1]:
            return leaf[0]
        if first != second:
            return _sorts_before(first, second)
    return None


def _sorts_before(one: str, other: str) -> bool | None:
    for left, right in zip(one, other, strict=False):
        if left != right:
            plain = left.isascii() and right.isascii() and left.isalnum() and right.isalnum()
            return left < right if plain else None
    return len(one) < len(other)
