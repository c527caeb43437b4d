"""A plan of EPAC in the form of a check's answer: exemptions to judge, and the deployment. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from guardrails.check.answer import Deployment, Done, Judged, Planning
from guardrails.check.judge import Risky
from guardrails.epac.entries import Entry, EpacFile, Fault
from guardrails.epac.instants import NetDate
from guardrails.epac.plan import WRITTEN, Action, EpacPlan, Item, Message
from guardrails.epac.schema import verdict
from guardrails.epac.world import Environment
from guardrails.evaluation.plan import Outcome, PlannedExemption
from guardrails.evaluation.template import Diagnostic, Level, Stage
from guardrails.evaluation.values import NOWHERE, Place, Unknown, Value
from guardrails.lazy_regex import lazy_regex

FORMAT: Final = "epac"
_OWN_RUN: Final = lazy_regex(r"EPAC, (?:.*/)?policyExemptions/[^/]+")
"""A run on a folder that EPAC finds by itself."""
_VERSIONS: Final = {"AzureUSGovernment": "2024-12-01-preview"}
_NO_RISKS: Final[Mapping[str, Place]] = {}
_VERSION: Final = "2022-07-01-preview"
_BY_PRINCIPAL: Final = frozenset(("userprincipalid", "groupprincipalid"))
_TARGETS: Final = (
    "policyAssignmentId", "policyDefinitionName", "policyDefinitionId", "policySetDefinitionName",
    "policySetDefinitionId", "assignmentReferenceId",
)  # fmt: skip


def judged_of(item: Item, plan: EpacPlan, environment: Environment | None) -> tuple[Judged, PlannedExemption, Risky]:
    """Return what an entry makes: what is printed of it, what the rules look at, and where its properties are."""
    deployed = _deployed(item, plan)
    version = _version(item, environment)
    properties = _properties(item)
    place = item.entry.place
    done = _done(item.action, item.because)
    judged = Judged(
        FORMAT, place, (), deployed, item.entry.number, None, item.id, item.scope, item.name, version, properties,
        done=done,
    )  # fmt: skip
    planned = PlannedExemption(
        place, (), deployed, item.id, item.scope, item.name, version, properties, None, item.entry.number,
        known=Unknown not in map(type, properties.values()),
    )  # fmt: skip
    return judged, planned, Risky((), _NO_RISKS, partial(_place_of, item.entry, properties))


@lru_cache(maxsize=256)
def _done(action: Action | None, because: tuple[str, ...]) -> Done:
    return Done(action, because)


def _deployed(item: Item, plan: EpacPlan) -> bool | None:
    if item.action in WRITTEN:
        return not plan.unreadable
    if item.action is Action.UNCHANGED:
        return True
    if item.action is not None or plan.outcome is Outcome.REFUSED:
        return False
    return None


def _version(item: Item, environment: Environment | None) -> Value:
    if environment is None:
        return Unknown("the cloud, by which EPAC chooses the API version, is in its global-settings.jsonc")
    if isinstance(item.selectors, list) and any(_by_principal(one) for one in item.selectors):
        return "2024-12-01-preview"
    return _VERSIONS.get(environment.cloud, _VERSION)


def _by_principal(selector: Any) -> bool:
    some = selector.get("selectors") if isinstance(selector, dict) else None
    kinds = (
        [str(one.get("kind", "")).lower() for one in some if isinstance(one, dict)] if isinstance(some, list) else []
    )
    return bool(_BY_PRINCIPAL.intersection(kinds))


def _properties(item: Item) -> dict[str, Value]:
    """Return the properties of an exemption: each is Unknown, or known whole, for it was read of a file."""
    made = {
        "policyAssignmentId": item.assignment_id,
        "policyDefinitionReferenceIds": item.references,
        "exemptionCategory": item.category,
        "displayName": item.display_name,
        "description": item.description,
        "expiresOn": item.expires_on,
        "metadata": item.metadata,
        "resourceSelectors": item.selectors,
        "assignmentScopeValidation": item.validation,
    }
    return {key: one if type(one) is str else _sent(one) for key, one in made.items() if one is not None}


def _sent(value: Any) -> Any:
    """Return a value as EPAC sends it: without nulls in objects, with dates as texts; itself where it has neither."""
    kind = type(value)
    if kind is dict or kind is list:
        for one in value.values() if kind is dict else value:
            if type(one) is not str and (one is None or _sent(one) is not one):
                break
        else:
            return value
    if isinstance(value, dict):
        return {key: one if type(one) is str else _sent(one) for key, one in value.items() if one is not None}
    if kind is list:
        return [_sent(one) for one in value]
    return str(value) if kind is NetDate else value


def _place_of(entry: Entry, properties: Value, pointer: str) -> Place:
    """Return where a property is written, by a JSON pointer to it or into it; the entry's place where it is not."""
    name = pointer[1:].partition("/")[0]
    if name not in properties:
        return entry.place
    if name == "policyAssignmentId":
        fields = entry.fields or {}
        name = next((target for target in _TARGETS if fields.get(target) not in (None, "")), _TARGETS[0])
    return entry.place_of(name)


class FileSaid(NamedTuple):
    """What is said of a file: what else is malformed in it, and what becomes of it, in the documented JSON form."""

    notes: tuple[Fault, ...]
    said: dict[str, Any]


def deployment_of(files: Sequence[FileSaid], plan: EpacPlan, paths: Sequence[str]) -> Deployment:
    """Return the run of one environment."""
    refused = plan.outcome is Outcome.REFUSED
    deployment = Deployment(FORMAT, [*paths], None, plan.outcome, Stage.PLAN if refused else None)
    deployment.diagnostics = [
        *(_diagnostic(one, Level.ERROR, paths) for one in plan.errors),
        *(_diagnostic(one, Level.WARNING, paths) for one in plan.warnings),
        *(
            Diagnostic(note.place, note.message, "epac", Level.WARNING, Stage.READ)
            for one in files
            for note in one.notes
        ),
    ]
    counts = {"unchanged": plan.unchanged, "orphans": plan.orphans, "expired": plan.expired}
    deployment.planning = Planning(plan.deletes, counts, plan.second, [one.said for one in files])
    return deployment


def _diagnostic(one: Message, level: Level, paths: Sequence[str]) -> Diagnostic:
    place = one.place
    if place == NOWHERE and paths:
        place = place._replace(path=paths[0])
    number = "" if one.number is None else f"entry {one.number}: "
    return Diagnostic(place, f"{number}{one.text}", "epac", level, Stage.PLAN)


def said_of(file: EpacFile) -> FileSaid:
    """Return what is said of a file."""
    schema, faults = verdict(file)
    said = {
        "path": file.path,
        "schema": schema and str(schema),
        "faults": [one.to_json() for one in faults],
        "checks": None,
        "build": None,
    }
    return FileSaid(file.notes, said)


def note_of(name: str, plan: EpacPlan, judged: Sequence[Judged]) -> str:
    """Return what a plan comes to, one sentence. `judged`: its exemptions."""
    if plan.outcome is Outcome.REFUSED:
        return f"EPAC, {name}: the run is refused, so nothing of any file is deployed, and nothing is deleted"
    counts = Counter(one.done.action for one in judged if one.done)
    parts = [f"{counts[action]} {action}" for action in Action if counts[action]]
    if plan.deletes is None:
        parts.append("deletions unknown")
    elif plan.deletes:
        parts.append(f"{len(plan.deletes)} deleted ({', '.join(plan.deletes[:5])})")
    text = f"EPAC, {name}: {', '.join(parts) or 'nothing to do'}"
    if plan.outcome is Outcome.UNKNOWN:
        return f"{text}; the outcome is unknown: {plan.uncertain}"
    return text if plan.second is None or plan.second.settles else f"{text}; a second run would not find all unchanged"


def has_no_folder(deployments: Sequence[Deployment], run: str) -> bool:
    """Whether a run is of a folder that EPAC finds by itself, and that is not there: then EPAC looks at nothing."""
    return _OWN_RUN.fullmatch(run) is not None and all(one.run != run for one in deployments)


def deletes_of(deployments: Sequence[Deployment], run: str) -> frozenset[str] | None:
    """Return the ids, in lower case, that a run deletes; None where they are not known.

    Of a run whose folder is not there, those that the runs of other environments delete.
    """
    some = [one for one in deployments if one.run == run]
    if has_no_folder(deployments, run):
        some = [one for one in deployments if one.planning is not None]
    elif not some:
        return None
    found: set[str] = set()
    for one in some:
        if one.planning is None or one.planning.deletes is None:
            return None
        found.update(map(str.lower, one.planning.deletes))
    return frozenset(found)
