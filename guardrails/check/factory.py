"""What a check says of an environment of AzPolicyFactory: one deployment, its files and their exemptions. Pure."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from guardrails.azpolicyfactory.build import Build
from guardrails.azpolicyfactory.checks import Checks
from guardrails.azpolicyfactory.config import EXEMPTION, ConfigFile, member, spelled
from guardrails.azpolicyfactory.folder import FileAnswer, FolderAnswer
from guardrails.azpolicyfactory.risks import risks_of
from guardrails.azpolicyfactory.template import API_VERSION, Doubt, Left, Sent, TemplateRefused, effect_of
from guardrails.check.answer import Deployment, Done, Judged, Planning
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.config import Options
from guardrails.check.judge import Candidate, Risky
from guardrails.epac.plan import Action
from guardrails.evaluation.plan import Outcome, PlannedExemption
from guardrails.evaluation.template import Diagnostic, Level, Stage
from guardrails.evaluation.values import Place, Unknown

FORMAT: Final = "azpolicyfactory"


def deployment_of(answer: FolderAnswer) -> Deployment:
    """Return the deployment that an environment is, with why it is refused."""
    paths = [one.file.path for one in answer.files if one.own_build is not Build.NOT_SEEN]
    stage = Stage.BUILD if answer.building else answer.stage
    expired = sum(one.own_build is Build.EXPIRED for one in answer.files)
    planning = Planning((), {"unchanged": None, "orphans": None, "expired": expired}, None, [*map(_file, answer.files)])
    return Deployment(FORMAT, paths, None, answer.outcome, stage, {}, [*_diagnostics(answer)], planning)


def _file(one: FileAnswer) -> dict[str, Any]:
    """Return what becomes of a file, in the documented JSON form."""
    faults = [
        {key: value for key, value in fault._asdict().items() if value or key != "key"} for fault in one.schema.faults
    ]
    return {
        "path": one.file.path,
        "schema": one.schema.status and str(one.schema.status),
        "faults": faults,
        "checks": None if one.checks is None else _checks(one.checks),
        "build": one.build and str(one.build),
    }


def candidates_of(
    answer: FolderAnswer, target: str, options: Options, azure: AzureObjects, now: datetime
) -> Iterator[Candidate]:
    """Yield the exemption of each file, to be judged; what is not deployed is judged by its risks alone.

    Args:
        target: the management group's id that it is deployed to; "" where nobody said.
        now: the time that it is judged at, UTC.
    """
    for one in answer.files:
        place = one.file.place_of(f"/{EXEMPTION}") if not one.file.stops else one.file.at
        planned = _planned(one, answer, target, place)
        judged = Judged(
            FORMAT, planned.place, (), planned.deployed, None, None, planned.id, planned.scope, planned.name,
            planned.api_version, planned.properties, done=Done(_action(one)),
        )  # fmt: skip
        found = risks_of(one, answer)
        risky = Risky(
            tuple(each.risk for each in found),
            {each.risk.rule: one.file.place_of(each.at) if each.at else place for each in found},
            _places(one.file),
        )
        yield Candidate(judged, planned, planned.properties, planned.id, options.next_run, azure, now, risky)


def _planned(one: FileAnswer, answer: FolderAnswer, target: str, place: Place) -> PlannedExemption:
    """Return the exemption of a file, as it would be sent."""
    deployed: bool | None = isinstance(one.effect, Sent)
    if deployed and answer.outcome is not Outcome.DEPLOYS:
        deployed = None if answer.outcome is Outcome.UNKNOWN else False
    if (one.build is None or isinstance(one.effect, Doubt)) and answer.outcome is not Outcome.REFUSED:
        deployed = None
    effect = one.effect
    if effect is None and one.own_build is Build.EXPIRED:
        effect = effect_of(one.file, target, alone=False)
    if isinstance(effect, Sent):
        return PlannedExemption(
            place, (), deployed, effect.id, effect.scope, effect.name, API_VERSION, effect.properties
        )
    why = Unknown(_why(one), place)
    name = member(one.file.exemption, "name")
    return PlannedExemption(place, (), deployed, why, why, name if isinstance(name, str) else why, API_VERSION, why)


def _action(one: FileAnswer) -> Action | None:
    """Return what becomes of an exemption that is not sent; None: whether it is new depends on Azure."""
    return Action.LEFT_OUT if one.build is Build.EXPIRED or isinstance(one.effect, Left) else None


def _why(one: FileAnswer) -> str:
    if isinstance(one.effect, TemplateRefused | Left | Doubt):
        return one.effect.why
    if one.own_build is Build.NOT_SEEN:
        return "AzPolicyFactory does not read this file"
    return one.file.stops or one.file.doubt or "AzPolicyFactory makes no template"


def _places(file: ConfigFile) -> Callable[[str], Place]:
    outer = spelled(file.value, EXEMPTION) or EXEMPTION

    def place_of(pointer: str) -> Place:
        """Return the place of a part of the properties, by its JSON pointer: `/metadata/owner`."""
        first, slash, rest = pointer[1:].partition("/")
        return file.place_of(f"/{outer}/{spelled(file.exemption, first) or first}{slash}{rest}")

    return place_of


def _checks(checks: Checks) -> dict[str, str | None]:
    said = {True: "pass", False: "fail", None: None}
    names = ("schema", "schemaNamed", "approvedBefore", "twoPeople")
    return {name: said[value] for name, value in zip(names, checks, strict=True)}


def _diagnostics(answer: FolderAnswer) -> Iterator[Diagnostic]:
    for one in answer.files:
        file = one.file
        if one.own_build is Build.STOPS and file.stops:
            yield Diagnostic(file.at, f"AzPolicyFactory cannot read it, and builds nothing: {file.stops}", FORMAT)
        elif one.own_build is Build.STOPS:
            place = file.place_of(f"/{EXEMPTION}/expiresOn")
            yield Diagnostic(place, "AzPolicyFactory builds nothing: it cannot compare a number with a time", FORMAT)
        elif file in answer.broken:
            yield Diagnostic(Place(file.path, 1, 1), "AzPolicyFactory's template breaks at this file name", FORMAT)
        elif isinstance(one.effect, TemplateRefused):
            said = f"AzPolicyFactory's template refuses it: {one.effect.why}"
            yield Diagnostic(file.place_of(one.effect.at), said, FORMAT, stage=one.effect.stage or Stage.COMPILE)
        elif isinstance(one.effect, Doubt):
            yield Diagnostic(file.place_of(""), one.effect.why, FORMAT, Level.WARNING)
        elif one.own_build is None:
            said = file.doubt or "whether AzPolicyFactory's build step keeps it is not known"
            yield Diagnostic(file.place_of(""), said, FORMAT, Level.WARNING)
