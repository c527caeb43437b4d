"""Our plan of exemption files against that of EPAC's own planner, on the same files and in the same world."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from guardrails.epac.entries import FIRST_OF_TABLE
from guardrails.epac.lifecycle import second_run
from guardrails.epac.plan import WRITTEN, EpacPlan, Item, Said
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.values import Unknown
from guardrails.files.epac_json import read_json
from tests.oracles.compare import Tally
from tests.oracles.epac import FOLDER, NOW, WEB, cases, deployed, expected, leaf, left_by, needed, patched, run

OUTCOMES: Final = {Outcome.DEPLOYS: "planned", Outcome.REFUSED: "refused", Outcome.UNKNOWN: None}
FILES: Final = tuple(sorted(path.stem for path in (FOLDER / "files").glob("*"))) if FOLDER.is_dir() else ()
SAID: Final = ("errors", "warnings")
SAYINGS: Final = {
    "the name has a character that is not allowed, or ends with a space": Said.NAME_INVALID,
    "the category is neither Waiver nor Mitigated": Said.CATEGORY,
    "the entry must name exactly one target": Said.ONE_TARGET,
    "the reference id is not one of the assigned initiative": Said.REFERENCE_UNKNOWN,
    "the row must fill one of the two target columns, not none and not both": Said.ONE_CELL,
    "the row must fill one of scope and scopes": Said.ONE_SCOPE,
    "the entry must have exactly one of scope and scopes": Said.ONE_SCOPE,
    "name is required and empty": Said.NAME_MISSING,
    "displayName is required and empty": Said.DISPLAY_MISSING,
    "exemptionCategory is required and empty": Said.CATEGORY_MISSING,
    "the metadata cell is not a JSON object": Said.METADATA_CELL,
    "metadata must be an object": Said.METADATA,
    "another entry has the same exemption id": Said.TWICE,
    "the assignment is not known under the root scope": Said.NO_ASSIGNMENT,
    "the scope is not in the tree under the root scope": Said.NOT_IN_TREE,
    "the file is not valid JSON": Said.BROKEN,
    "a PowerShell error ended the run": Said.STOPPED,
    "expiresOn is not a date that .NET can read in the culture of the runner": Said.DATE,
}


def plain(value: Any) -> Any:
    """Return a value with its dates as texts."""
    return json.loads(json.dumps(value, default=str))


def fields(item: Item) -> dict[str, Any]:
    """Return a planned exemption by the names of the recorded answers."""
    return {
        "action": str(item.action), "id": item.id, "name": item.name, "displayName": item.display_name,
        "description": item.description, "exemptionCategory": item.category, "expiresOn": item.expires_on,
        "scope": item.scope, "policyAssignmentId": item.assignment_id, "policyDefinitionReferenceIds": item.references,
        "resourceSelectors": item.selectors, "assignmentScopeValidation": item.validation, "metadata": item.metadata,
        "because": list(item.because),
    }  # fmt: skip


def compare_run(tally: Tally, where: str, wanted: Mapping[str, Any], plan: EpacPlan) -> None:
    """Compare all that is recorded of one run."""
    outcome = OUTCOMES[plan.outcome]
    leaf(tally, f"{where}/outcome", wanted["outcome"], outcome, known=outcome is not None)
    _compare_planned(tally, where, wanted["planned"], plan)
    _compare_said(tally, where, wanted, plan)
    for name, count in wanted.get("counts", {}).items():
        got = getattr(plan, name)
        leaf(tally, f"{where}/counts/{name}", count, got, known=got is not None)
    if "deleted" in wanted:
        leaf(tally, f"{where}/deleted", wanted["deleted"], plan.deletes, known=plan.deletes is not None)
    if "second_run" in wanted and "then" not in wanted:
        _compare_second(tally, where, wanted["second_run"], plan)


def _compare_planned(tally: Tally, where: str, planned: list[Any], plan: EpacPlan) -> None:
    found = {str(one.id).lower(): fields(one) for one in plan.written()}
    ids = [one if isinstance(one, str) else one["id"] for one in planned]
    leaf(tally, f"{where}/planned", ids, [*found], known=plan.outcome is not Outcome.UNKNOWN)
    for one in planned:
        got = found.get(one["id"].lower(), {}) if isinstance(one, dict) else {}
        for name, value in one.items() if got else ():
            said = plain(got[name])
            if name == "metadata" and "epacMetadata" not in value:
                said.pop("epacMetadata", None)
            leaf(tally, f"{where}/{one['id']}/{name}", value, said, known=not isinstance(said, Unknown))


def _compare_said(tally: Tally, where: str, wanted: Mapping[str, Any], plan: EpacPlan) -> None:
    for kind, messages in (("errors", plan.errors), ("warnings", plan.warnings)):
        numbers = [str(one.get("entry")) for one in wanted.get(kind, ())]
        known = plan.outcome is not Outcome.UNKNOWN
        leaf(tally, f"{where}/{kind}", numbers, [str(one.number) for one in messages], known=known)
    kinds = [(one.get("entry"), SAYINGS[one["says"]]) for one in wanted.get("errors", ()) if one["says"] in SAYINGS]
    for number, said in kinds if plan.outcome is not Outcome.UNKNOWN else ():
        found = (number, said) in [(one.number, one.said) for one in plan.errors]
        leaf(tally, f"{where}/errors/{number}/{said}", wanted=True, got=found)


def _compare_second(tally: Tally, where: str, wanted: Mapping[str, Any], plan: EpacPlan) -> None:
    second = plan.second
    for name in ("outcome", "unchanged", "new", "update", "replace", "delete"):
        value = wanted.get(name, [] if name not in ("outcome", "unchanged") else None)
        if name != "unchanged" or "unchanged" in wanted:
            got = getattr(second, name) if second else None
            ids = [one["id"] for one in value] if isinstance(value, list) else value
            said = OUTCOMES[second.outcome] if second and name == "outcome" else got
            leaf(tally, f"{where}/second_run/{name}", ids, said, known=second is not None)


def alone(name: str, number: int) -> list[tuple[str, str]]:
    """Return a file with one of its entries alone, which keeps its number by plain rows before it."""
    (path,) = (FOLDER / "files").glob(f"{name}.*")
    text = path.read_text()
    if path.suffix == ".csv":
        lines = text.splitlines(keepends=True)
        header, rows = lines[0], _records(lines[1:])
        return [(path.name, header + rows[number - FIRST_OF_TABLE])]
    entries = read_json(text, lambda _: None)["exemptions"]
    return [(path.name, json.dumps({"exemptions": [entries[number]]}))]


def _records(lines: list[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if found and found[-1].count('"') % 2:
            found[-1] += line
        else:
            found.append(line)
    return found


@pytest.mark.parametrize("name", FILES or ["absent"])
def test_files_make_the_plan_that_epac_makes(name: str) -> None:
    needed()
    tally = Tally()
    wanted = expected(name)
    (path,) = (FOLDER / "files").glob(f"{name}.*")
    whole = run([(path.name, path.read_bytes())], {})
    compare_run(tally, name, wanted, whole)
    leaf(tally, f"{name}/good_until_refused", wanted.get("good_until_refused", whole.taken), whole.taken)
    for one in wanted["each_entry_alone"]:
        files = alone(name, one["entry"])
        moved = {
            kind: [_moved(said, one["entry"], path.suffix) for said in one.get(kind, ())]
            for kind in ("errors", "warnings")
        }
        compare_run(tally, f"{name}/{one['entry']}", {**one, **moved}, run(files, {}))
        for place, other in one.get("elsewhere", {}).items():
            _compare_elsewhere(tally, f"{name}/{one['entry']}/{place}", other, files, place)
    tally.check(name)


def _moved(said: Mapping[str, Any], entry: int, suffix: str) -> dict[str, Any]:
    """Return what is said of an entry as of the first one of a file."""
    first = FIRST_OF_TABLE if suffix == ".csv" else 0
    return {**said, "entry": first} if said.get("entry") == entry else dict(said)


def _compare_elsewhere(tally: Tally, where: str, wanted: Mapping[str, Any], files: Any, place: str) -> None:
    plan = run(files, {}, *place.split(", "))
    leaf(tally, f"{where}/outcome", wanted["outcome"], OUTCOMES[plan.outcome])
    ends = {str(one.id): one.expires_on for one in plan.written()}
    leaf(tally, f"{where}/expiresOn", wanted.get("expiresOn", ends), ends)
    if "second_run" in wanted:
        _compare_second(tally, where, wanted["second_run"], plan)


def test_one_difference_is_the_update_that_epac_makes_of_it() -> None:
    needed()
    tally = Tally()
    recorded = expected("compare")
    for case in recorded["cases"]:
        seed = recorded["seeds"][case["seed"]]
        if case["id"] in ("c1", "c3", "l5"):  # what a patch cannot say
            seed = _reordered(case["id"], seed)
        entry = patched(seed["entry"], case.get("file_patch", ()))
        live = patched(seed["live"], case.get("live_patch", ()))
        zones = [("UTC", case)] + [(key[3:], case[key]) for key in case if key.startswith("in_")]
        for zone, wanted in zones:
            files = [("x.json", json.dumps({"exemptions": [entry]}))]
            plan = run(files, {"deployed": [live]}, zone)
            _compare_difference(tally, f"{case['id']}/{zone}", wanted, plan)
    tally.check("single differences")
    assert len(recorded["cases"]) == 114


def _reordered(case: str, seed: Any) -> Any:
    if case == "l5":
        return {**seed, "entry": {**seed["entry"], "scope": seed["entry"]["scope"].upper()}}
    return {**seed, "live": _backwards(seed["live"])}


def _backwards(value: Any) -> Any:
    return {key: _backwards(one) for key, one in reversed(value.items())} if isinstance(value, dict) else value


def _compare_difference(tally: Tally, where: str, wanted: Mapping[str, Any], plan: EpacPlan) -> None:
    (item,) = plan.items
    known = item.action is not None
    leaf(tally, f"{where}/answer", wanted["answer"], str(item.action), known=known)
    leaf(tally, f"{where}/because", wanted.get("because", []), [*item.because], known=known)


def test_a_deployed_exemption_lives_as_long_as_with_epac() -> None:
    needed()
    tally = Tally()
    for number, row in enumerate(expected("lifecycle")["rows"]):
        case, entry = _life(row)
        plan = run([("x.json", json.dumps({"exemptions": [entry] if row["in_file"] else []}))], case)
        updates = [str(one.action) for one in plan.written()]
        action = "delete" if plan.deletes else updates[0] if updates else "none"
        leaf(tally, f"{number}/action", row["action"], action, known=plan.outcome is not Outcome.UNKNOWN)
        leaf(tally, f"{number}/unchanged", row["counted_unchanged"], plan.unchanged, known=plan.unchanged is not None)
        because = [name for one in plan.written() for name in one.because]
        leaf(tally, f"{number}/because", row.get("because", []), because)
        leaf(tally, f"{number}/warnings", len(row.get("warnings", ())), len(plan.warnings))
    for row in expected("lifecycle")["expiry_and_the_time_zone_of_the_runner"]:
        leaf(tally, row["file_expiresOn"], row["action"], _expiry(row))
    tally.check("lifecycle")


def _life(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    seeds = expected("compare")["seeds"]["plain"]
    entry, live = patched(seeds["entry"], ()), deployed({"deployed": {"seed": "plain"}})[0]
    case: dict[str, Any] = {"strategy": row["strategy"], "deployed": [live]}
    metadata = live["properties"]["metadata"]
    if row["owner"] == "another pacOwnerId":
        metadata["pacOwnerId"] = "ffffffff-0000-0000-0000-000000000000"
    elif row["owner"] == "metadata without pacOwnerId":
        del metadata["pacOwnerId"]
    elif row["owner"] == "no metadata":
        del live["properties"]["metadata"]
    if row["deployed"].startswith("expired"):
        entry["expiresOn"] = live["properties"]["expiresOn"] = "2020-01-01T00:00:00Z"
    elif "gone" in row["deployed"]:
        case["world"] = {"removeAssignments": ["baseline"]}
    elif "outside" in row["deployed"]:
        other = "/providers/Microsoft.Management/managementGroups/other/providers/Microsoft.Authorization"
        entry["policyAssignmentId"] = live["properties"]["policyAssignmentId"] = f"{other}/policyAssignments/x"
    return case, entry


def _expiry(row: Mapping[str, Any]) -> str:
    hours = 3 if "from now" in row["file_expiresOn"] else -3
    end = f"{NOW + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}" + ("Z" if "with Z" in row["file_expiresOn"] else "+00:00")
    entry = {**expected("compare")["seeds"]["plain"]["entry"], "expiresOn": end}
    (item,) = run([("x.json", json.dumps({"exemptions": [entry]}))], {}, row["timeZone"]).items
    return "new" if item.action in WRITTEN else "left out as expired"


def test_ends_become_the_dates_that_epac_sends() -> None:
    needed()
    tally = Tally()
    for form in expected("date-forms")["forms"]:
        entry = {**expected("compare")["seeds"]["plain"]["entry"], "expiresOn": form["expiresOn"]}
        for place, wanted in form.items():
            if ", " in place:
                plan = run([("x.json", json.dumps({"exemptions": [entry]}))], {}, *place.split(", "))
                _compare_form(tally, f"{form['expiresOn']}/{place}", wanted, plan)
    tally.check("forms of dates")


def _compare_form(tally: Tally, where: str, wanted: Any, plan: EpacPlan) -> None:
    if plan.outcome is Outcome.UNKNOWN:
        tally.leaf("unknown", where)
        return
    (item,) = plan.items
    got = "refused" if plan.outcome is Outcome.REFUSED else item.expires_on if item.action in WRITTEN else "left out"
    if isinstance(wanted, dict):
        leaf(tally, where, "update for ever", "update for ever" if plan.second and plan.second.update else "")
        wanted = wanted["planned"]
    leaf(tally, where, wanted.split(":")[0] if wanted.startswith("left out") else wanted, got)


def _files(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(file["name"], file["content"]) for file in case["files"]]


def test_small_inputs_make_the_plan_that_epac_makes() -> None:
    needed()
    tally = Tally()
    for case in cases():
        plan = run(_files(case), case)
        compare_run(tally, case["id"], case, plan)
        if "then" in case:
            later = {**case, **case["then"], "deployed": left_by(plan, case)}
            plan.second = second_run(run(_files(later), later))
            _compare_second(tally, case["id"], case["second_run"], plan)
    tally.check("small inputs")


def test_the_world_that_the_answers_are_for_is_made_whole() -> None:
    needed()
    plan = run([("x.json", '{"exemptions": []}')], {})
    assert (plan.outcome, plan.deletes) == (Outcome.DEPLOYS, [])
    assert WEB.count("/") == 2
