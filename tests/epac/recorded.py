"""What EPAC's own planner answered, as files: the recording beside the repository, and a small one of its kinds in it.

Where the recording is absent, the small one holds the model by itself. Its answers are those that the planner gave to
the same difference of the recorded exemption.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests import reference
from tests.peers import UNCHANGED, Environment, epac, epac_run, epac_wants

OWN: Final = Path(__file__).parent
PLACES: Final = (OWN, *reference.places("oracles/epac/expected"))
"""The folders of the small recording and, where it is there, of the other."""
CORP: Final = (
    "/providers/microsoft.management/managementgroups/corp/providers/microsoft.authorization/policyassignments"
)
_CORP: Final = Environment(
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "corp", frozenset({f"{CORP}/baseline", f"{CORP}/https"})
)
SENT: Final = (
    "policyAssignmentId", "displayName", "description", "exemptionCategory", "expiresOn", "metadata",
    "policyDefinitionReferenceIds", "resourceSelectors", "assignmentScopeValidation",
)  # fmt: skip
_FIELDS: Final = {"owner": "pacOwnerId", "expiresOn (to be cleared)": "expiresOn"}
"""The planner's words for fields, where they are not the fields' names."""


def sources(name: str) -> list[Path]:
    """Return the file of a name in each recording."""
    return [place / name for place in PLACES]


def planned(place: Path) -> list[dict[str, Any]]:
    """Return the exemptions that the planner makes of the inputs of a recording, as they are sent: id and properties.

    An exemption of several inputs is there once for each thing that they say of it.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(place.glob("*.json")):
        for one in _new(json.loads(path.read_text(encoding="utf-8"))):
            properties = {name: _said(value) for name, value in one.items() if name in SENT and value is not None}
            found[json.dumps([one["id"], properties])] = {"id": one["id"], "properties": properties}
    return list(found.values())


def _new(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, list):
        for inner in node:
            yield from _new(inner)
    elif isinstance(node, dict):
        if node.get("action") == "new" and "exemptionCategory" in node:
            yield node
        for inner in node.values():
            yield from _new(inner)


def _said(value: Any) -> Any:
    """Leave out what is null, at any depth: it is not sent."""
    if isinstance(value, dict):
        return {name: _said(inner) for name, inner in value.items() if inner is not None}
    return [_said(inner) for inner in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A recorded run over files in which at most one entry asks for the one exemption that is deployed.

    Attributes:
        said: what the model says: the action, how many it counts as unchanged, and because of which fields.
        recorded: what the planner did, likewise.
    """

    name: str
    said: tuple[str, int, frozenset[str]]
    recorded: tuple[str, int, frozenset[str]]


def runs_with_files(place: Path, now: datetime) -> Iterator[RecordedRun]:
    """Yield the runs of a recording beside a deployed exemption whose files are JSON objects."""
    compared = json.loads((place / "compare.json").read_text(encoding="utf-8"))
    for one in json.loads((place / "more.json").read_text(encoding="utf-8"))["cases"]:
        texts = [file["content"] for file in one["files"]]
        if "deployed" not in one or one["outcome"] != "planned" or not all(text.startswith("{") for text in texts):
            continue
        entries = [entry for text in texts for entry in json.loads(text).get("exemptions", [])]
        where = replace(_environment(compared), strategy=one.get("strategy", "full"))
        wanted = epac_wants(entries[0], where) if entries else None
        live = compared["seeds"][one["deployed"]["seed"].partition(" ")[0]]["live"]
        deployed = patched(live, one["deployed"].get("patch", ()))
        plan = one["planned"][0] if one["planned"] else {"action": "delete" if one.get("deleted") else "none"}
        recorded = plan["action"], one["counts"]["unchanged"], fields(plan.get("because", ()))
        run = epac_run(deployed, wanted, where, now)
        yield RecordedRun(one["id"], (run.action, int(run.unchanged), frozenset(run.because)), recorded)


@dataclass(frozen=True, slots=True)
class Form:
    """A text of expiresOn in a file, and what the planner makes of it.

    Attributes:
        sent: what it sends to Azure; "" where it refuses the text, or takes it for the past.
        refused: whether it refuses the text.
        never_settles: time zones in which every run updates what the one before it sent.
    """

    text: Any
    sent: str
    refused: bool
    never_settles: frozenset[str]


def forms(path: Path) -> list[Form]:
    """Return the forms of a file."""
    return [_form(one) for one in json.loads(path.read_text(encoding="utf-8"))["forms"]]


def _form(one: Mapping[str, Any]) -> Form:
    here = one["UTC, en-US"]
    updated = frozenset(key.partition(",")[0] for key, said in one.items() if isinstance(said, dict))
    return Form(one["expiresOn"], here if here[:1].isdigit() else "", here == "refused", updated)


@dataclass(frozen=True, slots=True)
class Case:
    """One entry, one deployed exemption of this owner, and what the planner says where they differ in one thing.

    Attributes:
        answers: time zone -> unchanged, update or replace, and the fields because of which.
    """

    name: str
    live: Mapping[str, Any]
    wanted: Mapping[str, Any]
    answers: Mapping[str, tuple[str, frozenset[str]]]


def cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    read = json.loads(path.read_text(encoding="utf-8"))
    return [_case(one, read["seeds"][one["seed"]], _environment(read)) for one in read["cases"]]


def _environment(read: Mapping[str, Any]) -> Environment:
    return Environment(**read["environment"]) if "environment" in read else _CORP


def _case(one: Mapping[str, Any], seed: Mapping[str, Any], where: Environment) -> Case:
    live = patched(seed["live"], one.get("live_patch", ()))
    entry = patched(seed["entry"], one.get("file_patch", ()))
    elsewhere = {key.removeprefix("in_"): said for key, said in one.items() if key.startswith("in_")}
    answers = {"UTC": one, "America/New_York": one, **elsewhere}
    return Case(one["id"], live, epac_wants(entry, where), {zone: _answer(said) for zone, said in answers.items()})


def _answer(said: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    return said["answer"], fields(said.get("because", ()))


def fields(because: Sequence[str]) -> frozenset[str]:
    """Return the fields that the planner names."""
    return frozenset(_FIELDS.get(one, one) for one in because)


def answered(found: str | list[str]) -> tuple[str, frozenset[str]]:
    """Return what the model says, as the planner says it."""
    if found == UNCHANGED:
        return UNCHANGED, frozenset()
    return "replace" if "policyAssignmentId" in found else "update", frozenset(found)


def said_of(case: Case, live: Mapping[str, Any], zone: str) -> tuple[str, frozenset[str]]:
    """Return what the model says of a deployed exemption, beside what a case's files ask for."""
    return answered(epac(live, case.wanted, ZoneInfo(zone)))


def patched(value: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Return a copy with `add`, `remove` and `replace` of RFC 6902 done; in a list only `replace`."""
    found = deepcopy(value)
    for one in operations:
        *way, last = one["path"].strip("/").split("/")
        at = found
        for key in way:
            at = at[int(key)] if isinstance(at, list) else at[key]
        if one["op"] == "remove":
            del at[last]
        else:
            at[last] = one["value"]
    return found
