"""Each invariant can fail: of what is wrong it says so, and of nothing else."""

import logging
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from guardrails.decisions import assess
from guardrails.decisions.row import Status
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.rules.base import Violation
from guardrails.ruleset.bound_rules import BoundRule
from guardrails.ruleset.model import Ruleset
from sandbox import tenant
from tests.battery import invariants, model, rulesets
from tests.battery.acts import People
from tests.battery.azure import START, Change, Cloud
from tests.battery.invariants import End
from tests.battery.ledger import Operated
from tests.battery.simulation import Broken, simulate
from tests.battery.tale import ALICE, EPAC, HOUR, MALLORY, NOW, ONE, TWO, Tale, found, ruled

OTHER: Final = ExemptionId.parse(tenant.exemption_id(tenant.RESOURCE, "other"))
STEPS: Final = 20
SEEDS: Final = 40
RULES: Final = ("expiry-missing", "expiry-too-far", "expiry-extended", "whole-initiative", "never-exempt")
"""All that ask for a revert in some ruleset of the battery."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log: a history has many lines."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def reverting(ruleset: Ruleset) -> set[str]:
    """Return the rules that ask for a revert."""
    said = rulesets.said_by(ruleset)["rules"]
    return {name for name, one in said.items() if (one["response"] if isinstance(one, dict) else one) == "revert"}


def spares(ruleset: Ruleset, rule: str) -> int:
    """Return how much in a ruleset allows what breaks a rule."""
    said = rulesets.said_by(ruleset)
    more = said.keys() & {"exclusions", "adoption", "overrides"}
    return ("grace" in said["rules"][rule]) + bool(said["owners"]) + len(more)


def broken(seeds: int = SEEDS, steps: int = STEPS) -> Iterator[str]:
    """Yield what the first seeds break."""
    for seed in range(seeds):
        try:
            simulate(seed, steps)
        except Broken as error:
            yield str(error)


def test_all_rules_that_revert_are_listed() -> None:
    assert set().union(*(reverting(rulesets.numbered(number)) for number in range(rulesets.NUMBER))) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_wrong_revert_is_seen_whichever_rule_finds_what_is_none(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = assess._outcomes
    asking = [one for one in map(rulesets.numbered, range(rulesets.NUMBER)) if rule in reverting(one)]
    ruleset = min(asking, key=lambda one: spares(one, rule))  # it is seen soonest where nothing prevents it

    def wrong(exemption: Exemption, facts: Facts, by: Ruleset) -> list[tuple[BoundRule, object]]:
        on = [one for one in by.limits.rules_for(exemption, facts).rules if one.rule.name == rule]
        found = [(bound, said) for bound, said in judged(exemption, facts, by) if bound not in on]
        return sorted([*found, *((one, Violation("it is none", {})) for one in on)], key=lambda one: one[0].rule.code)

    monkeypatch.setattr(rulesets, "some", lambda _: ruleset)
    monkeypatch.setattr(assess, "_outcomes", wrong)
    assert any("nothing_compliant_is_reverted" in text for text in broken())


@pytest.mark.parametrize(("held", "named", "loosened"), [
    (["requireTls", "other"], ["requireTls"], True),
    (["requireTls", "other"], ["requiretls", "gone"], True),
    (["other"], ["requireTls"], False),
    (["requireTls", "other"], [], False),
])  # fmt: skip
def test_an_override_by_reference_is_of_a_policy_that_the_initiative_has(
    held: list[str], named: list[str], loosened: bool
) -> None:
    members = [{"policyDefinitionReferenceId": name, "policyDefinitionId": name} for name in held]
    said = {"/a": {"policyDefinitionId": "/i"}, "/i": {"policyDefinitions": members}}
    azure: dict[str, Any] = {one: SimpleNamespace(body={"properties": properties}) for one, properties in said.items()}
    mild = {"reference": "requireTls", "rules": {"expiry-missing": "alert"}}
    body = {"properties": {"policyAssignmentId": "/a", "policyDefinitionReferenceIds": named}}
    assert (model.grace_of(ruled(overrides=[mild]), "expiry-missing", body, azure) is None) is loosened


def spoil_journal(end: End, one: ExemptionId) -> None:
    """We wrote what nobody ever did."""
    last = end.journal(one)[-1]
    body = deepcopy(end.there[one])
    body["properties"]["description"] = "invented"
    end.cloud.arm.journal.append(replace(last, ours=True, after=body))


def spoil_reverts(end: End, one: ExemptionId) -> None:
    """We took it away twice."""
    last = replace(end.journal(one)[-1], ours=True, asked=frozenset(), before=end.there[one], after=None)
    end.cloud.arm.journal += [last, last, last]


def spoil_rows(end: End, one: ExemptionId) -> None:
    """A bad one is there, and the register does not know it."""
    end.cloud.ruleset = rulesets.numbered(0)
    body = deepcopy(end.there[one])
    body["properties"]["expiresOn"] = None
    body["properties"].pop("policyDefinitionReferenceIds", None)
    end.there = {**end.there, one: body}
    del end.rows[one]


def spoil_undo(end: End, one: ExemptionId) -> None:
    """What undo names is not kept."""
    end.rows[one] = replace(end.rows[one], undo=999)


def spoil_azure(end: End, one: ExemptionId) -> None:
    """It is gone, and the register says that it is there."""
    end.there = {other: body for other, body in end.there.items() if other != one}


def spoil_outbox(end: End, one: ExemptionId) -> None:
    """Something is left unsent."""
    end.rows[one] = replace(end.rows[one], outbox=("x",))


def spoil_chain(end: End, one: ExemptionId) -> None:
    """A hand was in its history."""

    async def verify(other: ExemptionId) -> list[str]:
        return ["entry 1 does not fit"] if other == one else []

    end.register.verify = verify


def spoil_history(end: End, one: ExemptionId, event: str = "judged", outbox: Any = (), **facts: Any) -> None:
    """Add an entry."""
    last = end.history[one][-1]
    at = end.cloud.now()
    added = replace(last, at=at, seq=last.seq + 1, event=event, facts=facts, row={**last.row, "outbox": outbox})
    end.history[one].append(added)


def spoil_delete(end: End, one: ExemptionId) -> None:
    """An approved one is deleted, and nobody is notified."""
    for content in ("x", ""):
        spoil_history(end, one, "deleted")
        last = end.history[one][-1]
        row = {**last.row, "content": content, "compliant_content": "x", "expires_on": None}
        row["lost_untold"] = False  # stored name
        end.history[one][-1] = replace(last, row=row)


def spoil_deliveries(end: End, one: ExemptionId) -> None:
    """A notice comes twice, though nothing went wrong."""
    del one
    end.cloud.troubles.clear()
    end.cloud.delivered += [end.cloud.delivered[-1]] * 2


SPOILED: Final[Mapping[str, Callable[[End, ExemptionId], None]]] = {
    "only_what_was_there_is_written": spoil_journal,
    "a_version_is_reverted_once": spoil_reverts,
    "no_violation_remains": spoil_rows,
    "what_undo_promises_is_kept": spoil_undo,
    "histories_verify": spoil_chain,
    "the_register_equals_azure": spoil_azure,
    "nothing_begun_is_left": spoil_outbox,
    "everything_committed_is_announced": partial(spoil_history, outbox=("x-2-violation-team",)),
    "nothing_is_announced_twice": spoil_deliveries,
    "each_revert_is_announced": partial(spoil_history, event="reverted"),
    "nobody_deletes_by_a_claim": partial(spoil_history, accepted="stranger@contoso.com deleted it, which is allowed"),
    "deletes_are_announced": spoil_delete,
}


@pytest.mark.parametrize("name", [check.__name__ for check in invariants.AT_END])
def test_what_is_spoiled_at_the_end_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = End.of

    async def spoiled(cloud: Cloud, people: People) -> End:
        end = await read(cloud, people)
        there = sorted(end.there.keys() & end.history.keys(), key=lambda one: one.key)
        if there and cloud.delivered:
            SPOILED[name](end, there[0])
        return end

    monkeypatch.setattr(End, "of", spoiled)
    assert any(f"\n{name}: " in text for text in broken(10, 8))


def test_a_write_in_audit_mode_is_seen() -> None:
    audit, enforce = rulesets.numbered(0, audit=True), rulesets.numbered(0)
    wrote = Change(START, True, "/x/providers/microsoft.authorization/policyexemptions/one", "us", None, {}, (audit,))
    for change, seen in ((wrote, 1), (replace(wrote, ours=False), 0), (replace(wrote, rulesets=(enforce,)), 0)):
        assert len(list(invariants.audit_mode_writes_nothing(cast(Cloud, None), [change]))) == seen


@pytest.mark.parametrize("unclear", ["intent", "put-back", ""])
async def test_only_what_could_not_be_judged_when_it_was_put_back_may_go_in_its_turn(unclear: str) -> None:
    tale, bodies = Tale(), [{"properties": {"description": text}} for text in ("good", "bad")]
    unknown = {"findings": [{"rule": "never-exempt", "status": "unknown"}]}
    for event in ("intent", "put-back"):
        tale.add(event, facts=unknown if event == unclear else found("never-exempt"), after=0)
    tale.wrote(bodies[1], before=bodies[0])
    tale.wrote(bodies[0], before=bodies[1], ours=True)
    tale.wrote(None, before=bodies[0], ours=True)
    broken = await invariants.a_version_is_reverted_once((await tale.book()).end)
    assert bool(broken) is not bool(unclear)


@pytest.mark.parametrize("gone", [True, False])
async def test_what_was_put_back_may_go_once_its_assignment_is_gone(gone: bool) -> None:
    assigned: Any = {"/a": SimpleNamespace(body={"properties": {"policyDefinitionId": "/p"}})}
    said = {"policyAssignmentId": "/a"}
    tale, bodies = Tale(), [{"properties": {**said, "description": text}} for text in ("good", "bad")]
    tale.wrote(bodies[1], before=bodies[0])
    tale.wrote(bodies[0], before=bodies[1], ours=True)
    tale.wrote(None, before=bodies[0], ours=True)
    *earlier, last = tale.journal
    tale.journal[:] = [replace(one, azure=assigned) for one in earlier]
    tale.journal.append(replace(last, azure={} if gone else assigned))
    broken = await invariants.a_version_is_reverted_once((await tale.book()).end)
    assert bool(broken) is not gone


@pytest.mark.parametrize(("open_before", "problem", "left"), [
    (True, "storage-busy", True), (True, "", False), (False, "storage-busy", False),
])  # fmt: skip
async def test_what_waits_for_a_breaker_is_left_while_nobody_has_closed_the_one_of_an_older_version(
    open_before: bool, problem: str, left: bool
) -> None:
    tale = Tale()
    tale.add("held", status=Status.VIOLATION, held="breaker")
    end = (await tale.book()).end
    end.cloud.calm_since = NOW
    end.people.ledger.open_before = open_before
    end.people.ledger.operated.append(Operated(NOW, "close", problem=problem))
    assert bool(model.excuse(end, ONE, {}, [])) is left


@pytest.mark.parametrize(("begun", "after", "left"), [
    ((ONE, TWO, OTHER), 0.1, True),
    ((ONE, TWO), 0.1, False),
    ((ONE, TWO, TWO), 0.1, False),
    ((ONE, TWO, OTHER), 0.6, False),
], ids=["one more than may be", "as many as may be", "one that is begun again", "in more than an hour"])  # fmt: skip
async def test_what_waits_for_a_breaker_is_left_where_reverts_that_were_cut_short_used_up_the_hour(
    begun: tuple[ExemptionId, ...], after: float, left: bool
) -> None:
    tale = Tale(ruled(breaker={"reverts_per_hour": 2}))
    for one in begun:
        tale.add("intent", one, after, status=Status.VIOLATION, facts={"action": "delete"})
    tale.add("held", status=Status.VIOLATION, held="breaker")
    end = (await tale.book()).end
    end.cloud.calm_since, end.people.ledger.open_before = NOW, False
    assert bool(model.excuse(end, ONE, {}, [])) is left


@pytest.mark.parametrize("late", [False, True], ids=["clocks agree", "that worker's clock is behind"])
@pytest.mark.parametrize(("named", "may"), [(ALICE, True), (MALLORY, False)])
async def test_whoever_an_event_names_has_the_rights_of_what_was_lost(named: str, may: bool, late: bool) -> None:
    """Nobody of these deleted it, and another was made under its name before it was decided."""
    tale = Tale()
    body = tale.keep()
    other = {**body, "properties": {**body["properties"], "policyAssignmentId": "/other"}}
    tale.wrote(body, ALICE)
    tale.add("written", after=timedelta(seconds=1) / HOUR)
    tale.wrote(None, EPAC, before=body)
    tale.add("lost", after=0, content="", status=Status.LOST, lost=tale.at - timedelta(seconds=2 * late))
    tale.hours += 1
    tale.wrote(other, MALLORY)
    tale.add(
        "deleted", after=0.1, lost=None, status=Status.GONE, facts={"accepted": f"{named} deleted it, which is allowed"}
    )
    broken = await invariants.nobody_deletes_by_a_claim((await tale.book()).end)
    assert (not broken) is may


@pytest.mark.parametrize(("deleter", "seen", "may"), [
    (ALICE, False, True), (MALLORY, False, False), (ALICE, True, False),
], ids=["by who may delete the known one", "by a stranger", "of one that the register has seen"])  # fmt: skip
async def test_the_delete_of_an_exemption_that_was_never_seen_is_that_of_the_known_one(
    deleter: str, seen: bool, may: bool
) -> None:
    """The known one went with its target, unseen, and another was made under its name for another assignment."""
    tale = Tale()
    body = tale.keep()
    other = {**body, "properties": {**body["properties"], "policyAssignmentId": "/other"}}
    tale.wrote(body, ALICE)
    tale.add("written", content=fingerprint(body))
    tale.hours += 1
    tale.wrote(None, "", before=body)
    tale.hours += 1
    tale.wrote(other, EPAC)
    if seen:
        tale.add("written", content=fingerprint(other), author=EPAC, assignment="/other")
    tale.hours += 1
    tale.wrote(None, deleter, before=other)
    tale.add("lost", content="", status=Status.LOST, lost=tale.at + HOUR)
    tale.add("deleted", lost=None, status=Status.GONE, facts={"accepted": f"{deleter} deleted it, which is allowed"})
    broken = await invariants.nobody_deletes_by_a_claim((await tale.book()).end)
    assert (not broken) is may
