"""`targets`: the operations to subscribe, by what the register holds."""

import json

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.targets import ALWAYS, EVENT_TYPES, MOST_TYPES

from .conftest import Run
from .shelf import FIRST, GROUP, SECOND, Shelf, named, row

pytestmark = pytest.mark.usefixtures("shelf")


def at(kind: str, name: str = "e", *, subscription: str = FIRST) -> str:
    provider, *types = kind.split("/")
    path = "/".join(f"{one}/{one}-name" for one in types)
    return named(name, f"{subscription}/resourceGroups/rg/providers/{provider}/{path}")


def test_an_empty_register_wants_deployments_and_groups(run: Run) -> None:
    ran = run("targets")
    assert (ran.code, ran.out.splitlines(), ran.err) == (0, list(ALWAYS), "")


def test_the_types_that_the_register_holds_are_wanted_the_most_held_first(shelf: Shelf, run: Run) -> None:
    shelf.put(
        [
            row(at("Microsoft.Web/sites")),
            row(at("Microsoft.Storage/storageAccounts", "a"), Status.LOST),
            row(at("microsoft.storage/storageaccounts", "b", subscription=SECOND)),
            row(at("Microsoft.Sql/servers/databases"), Status.GONE),
            row(named("whole")),
            row(named("above", GROUP)),
        ]
    )
    ran = run("targets")
    storage, sites = "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites"
    wanted = [*ALWAYS, *(f"{one}/{verb}" for one in (storage, sites) for verb in ("write", "delete"))]
    assert (ran.code, ran.out.splitlines()) == (0, wanted)
    shown = json.loads(run("targets", "--format", "json").out)
    assert shown == {
        "schema_version": 2,
        "event_types": list(EVENT_TYPES), "operations": wanted, "types": {storage: 2, sites: 1}, "left_out": [],
    }  # fmt: skip


def test_types_that_do_not_fit_are_named(shelf: Shelf, run: Run) -> None:
    kinds = [f"Microsoft.Test/kind{n:02}" for n in range(MOST_TYPES + 2)]
    shelf.put([row(at(kind, f"e{n}")) for kind in kinds for n in range(2 if kind != kinds[3] else 1)])
    ran = run("targets")
    assert len(ran.out.splitlines()) == 25
    assert ran.err.splitlines() == [
        f"no room for {kinds[-1]} (2): only deployments and sweeps restore these exemptions",
        f"no room for {kinds[3]} (1): only deployments and sweeps restore these exemptions",
    ]
    assert json.loads(run("targets", "--format", "json").out)["left_out"] == [kinds[-1], kinds[3]]


def test_a_row_that_cannot_be_trusted_is_not_counted_and_is_named(shelf: Shelf, run: Run) -> None:
    broken = at("Microsoft.Web/sites")
    shelf.put([row(broken), row(at("Microsoft.Storage/storageAccounts"))])
    shelf.break_row(broken)
    ran = run("targets")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == len(ALWAYS) + 2
    assert "register-altered" in ran.err
