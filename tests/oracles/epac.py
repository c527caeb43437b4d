"""Runs our planner on the inputs that EPAC's own planner was run on, and compares the answers.

The recorded answers are beside the repository, in `shared/oracles/epac`; its README says how they were made, and of
what world.
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pytest

from guardrails.check.azure_objects import key_of
from guardrails.check.epac_world import world_of
from guardrails.epac.instants import Runner, ticks_of
from guardrails.epac.lifecycle import after, plan
from guardrails.epac.plan import EpacPlan
from guardrails.epac.world import Environment, Switches, World
from guardrails.files.epac import ENDINGS, read_epac
from guardrails.files.epac_cells import JsonCells
from tests.oracles.compare import Tally
from tests.reference import REAL

FOLDER: Final = REAL / "oracles" / "epac"
CORP: Final = "/providers/Microsoft.Management/managementGroups/corp"
WEB: Final = "/subscriptions/11111111-2222-3333-4444-555555555555"
TEST: Final = "/subscriptions/22222222-3333-4444-5555-666666666666"
OWNER: Final = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
TENANT: Final = "99999999-8888-7777-6666-555555555555"
BUILT_IN: Final = "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9"
_AT_CORP: Final = f"{CORP}/providers/Microsoft.Authorization"
NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)


def needed() -> None:
    """Skip the test where the recorded answers are absent."""
    if not FOLDER.is_dir():
        pytest.skip("../shared/oracles/epac is absent")


@cache
def expected(name: str) -> Any:
    """Return a file of recorded answers."""
    return json.loads((FOLDER / "expected" / f"{name}.json").read_text())


def patched(seed: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Return a value with an RFC 6902 patch applied."""
    found = copy.deepcopy(seed)
    for one in operations:
        *parts, last = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
        at = found
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if one["op"] == "remove":
            del at[last]
        else:
            at[last] = one["value"]
    return found


def _assigned(scope: str, name: str, definition: str, left_out: Sequence[str] = ()) -> dict[str, Any]:
    identity = f"{scope}/providers/Microsoft.Authorization/policyAssignments/{name}"
    return {"id": identity, "name": name, "properties": {"policyDefinitionId": definition, "notScopes": [*left_out]}}


def _set(name: str, members: Mapping[str, str]) -> dict[str, Any]:
    said = [{"policyDefinitionId": one, "policyDefinitionReferenceId": key} for key, one in members.items()]
    return {"id": f"{_AT_CORP}/policySetDefinitions/{name}", "properties": {"policyDefinitions": said}}


def azure(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that Azure has in a case, but for the exemptions."""
    world = case.get("world", {})
    tls, https = (f"{_AT_CORP}/policyDefinitions/{name}" for name in ("require-tls", "require-https"))
    web_set = f"{_AT_CORP}/policySetDefinitions/web-set"
    chain = [{"name": "corp", "displayName": "corp"}]
    found: list[dict[str, Any]] = [{"id": CORP, "name": "corp", "properties": {"displayName": "corp"}}]
    for subscription, label, groups in (
        (WEB, "prod-web", ("rg-one", "rg-two", "logs")),
        (TEST, "test-web", ("rg-one", "rg-two")),
    ):
        found.append({"id": subscription, "name": label, "properties": {"managementGroupAncestorsChain": chain}})
        found += [{"id": f"{subscription}/resourceGroups/{name}", "name": name} for name in groups]
    found += [{"id": one} for one in (tls, https, BUILT_IN)]
    found.append(_set("web-set", {"tls12": tls, "https": https}))
    assignments = [_assigned(CORP, "baseline", web_set, world.get("notScopes", ())), _assigned(CORP, "https", https)]
    assignments += [_assigned(one["scope"], one["name"], one["definition"]) for one in world.get("assignments", ())]
    if world.get("set2"):
        found.append(_set("twice-set", {"tls-a": tls, "tls-b": tls, "storage": BUILT_IN}))
        assignments.append(_assigned(CORP, "twice", f"{_AT_CORP}/policySetDefinitions/twice-set"))
    gone = world.get("removeAssignments", ())
    found += [one for one in assignments if one["id"] not in gone and one["name"] not in gone]
    return found + [one for some in world.get("resources", {}).values() for one in some]


def deployed(case: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the exemptions that Azure has in a case."""
    said = case.get("deployed")
    if not said:
        return []
    if isinstance(said, list):
        return said
    seed = expected("compare")["seeds"][said["seed"].split()[0]]["live"]
    return [patched(seed, said.get("patch", ()))]


def environment(case: Mapping[str, Any]) -> Environment:
    """Return the settings of a case."""
    return Environment(
        "corp", OWNER, f"epac/{OWNER}/corp", TENANT, CORP, case.get("strategy", "full"),
        skip_resources=case.get("skipResourceValidation", False), not_scopes=tuple(case.get("globalNotScopes", ())),
        excluded=tuple(case.get("excludedScopes", ())),
    )  # fmt: skip


def _world(case: Mapping[str, Any], runner: Runner, now: datetime) -> World:
    switches = Switches(
        fail=case.get("failOnExemptionError", False), keep_not_scoped=case.get("skipNotScoped", False),
        stop=case.get("errorActionPreference") == "Stop", alone=True,
    )  # fmt: skip
    given = World(runner, ticks_of(now), switches=switches, complete=True)
    objects = {key_of(one["id"]): one for one in azure(case)}
    return world_of(objects, deployed(case), given, environment(case))


def run(
    files: Sequence[tuple[str, str | bytes]], case: Mapping[str, Any], zone: str = "UTC", culture: str = "en-US", *,
    now: datetime = NOW,
) -> EpacPlan:  # fmt: skip
    """Return our plan of files, in the world of a case."""
    runner = Runner.of(zone, culture)
    read = [
        read_epac(text.encode() if isinstance(text, str) else text, name, runner)
        for ending in ENDINGS
        for name, text in files
        if name.endswith(ending) and not name.startswith(".")
    ]
    return plan(read, _world(case, runner, now), JsonCells(runner))


def left_by(made: EpacPlan, case: Mapping[str, Any]) -> list[Any]:
    """Return the exemptions that Azure has once a plan is deployed."""
    return [*after(made, _world(case, Runner.of("UTC", "en-US"), NOW)).deployed]


def cases() -> Iterator[Mapping[str, Any]]:
    """Yield the further small inputs."""
    yield from expected("more")["cases"] if FOLDER.is_dir() else ()


def same(one: Any, other: Any) -> bool:
    """Compare as the README says: texts without letter case, instants as instants, lists as sets with repeats."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower() or (_instant(one) is not None and _instant(one) == _instant(other))
    if isinstance(one, list) and isinstance(other, list):
        left = [*other]
        for item in one:
            found = next((at for at, wanted in enumerate(left) if same(item, wanted)), None)
            if found is None:
                return False
            del left[found]
        return not left
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one.get(key), other.get(key)) for key in one.keys() | other.keys())
    return bool(one == other)


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)


def leaf(tally: Tally, where: str, wanted: Any, got: Any, *, known: bool = True) -> None:
    """Compare one recorded value."""
    verdict = "unknown" if not known else "known" if same(wanted, got) else "wrong"
    tally.leaf(verdict, where, wanted, got)
