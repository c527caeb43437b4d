"""The check of Enterprise Azure Policy as Code (EPAC): whether it would delete what we put back, again and again."""

from collections.abc import Sequence
from typing import Final

from guardrails.azure.estate import PAC_OWNER
from guardrails.doctor.model import Finding, informed, passed, unknown
from guardrails.doctor.needs import keeps, roles_for
from guardrails.doctor.world import World
from guardrails.ruleset.model import Keep, Ruleset

_SHOWN: Final = 5
_DOCS: Final = "docs/layers.md#with-epac"
_STRATEGIES: Final = (
    "With the strategy full EPAC's next run deletes each exemption from an assignment under its root scope that has no "
    "pacOwnerId and is not in its files; with ownedOnly it leaves them alone. Azure does not show which one is set"
)
_SETTLE: Final = (
    f"Name EPAC's identities as `authors` of an owner by {PAC_OWNER}, with durability `collateral` and not `always`, "
    f"so that its deletes are accepted; or set desiredState.strategy to ownedOnly: {_DOCS}"
)


async def epac(world: World) -> list[Finding]:
    """Where EPAC manages assignments, what we put back there does not go again by its next run. Raises Retryable."""
    ruleset = world.ruleset()
    if ruleset is None:
        return [
            unknown(
                "the ruleset is broken, so it is unknown what the service would restore",
                "Fix the ruleset. exg rules --ruleset FILE shows each mistake",
            )
        ]
    managed, missing = await world.estate.managed()
    remediation = "The role reader has what this needs: docs/permissions.md"
    unseen = [unknown(sentence, remediation) for sentence in missing]
    if not managed:
        return [passed(f"no visible assignment has a {PAC_OWNER}"), *unseen]
    seen = f"EPAC manages {len(managed)} of the visible assignments"
    listed = informed([(one[:300], f"EPAC manages it, by its {PAC_OWNER}") for one in managed], "")
    return [_verdict(world, ruleset, seen, sorted(set(managed.values()))), *listed, *unseen]


def _verdict(world: World, ruleset: Ruleset, seen: str, epacs: Sequence[str]) -> Finding:
    """Return what happens to exemptions that are put back and are not EPAC's own. `epacs`: each pacOwnerId seen."""
    if "restorer" not in roles_for(ruleset, world.mode(ruleset)):
        return passed(
            f"{seen}; the service restores nothing unless an operator asks for it. {_STRATEGIES}", remediation=_DOCS
        )
    names = {one: _authors_of(one, ruleset) for one in epacs}
    strangers = [one for one, name in names.items() if not name]
    if not strangers and Keep.ALWAYS not in keeps(ruleset):
        owners = " and ".join(f"'{name}'" for name in dict.fromkeys(names.values()))
        accepted = f"the deletes of the authors of {owners} are accepted, so EPAC may delete restored exemptions"
        return passed(f"{seen}; {accepted}", remediation=_DOCS)
    unnamed = f"because no owner in the ruleset names EPAC: by {PAC_OWNER} {', '.join(strangers[:_SHOWN])[:300]}"
    why = "whoever deletes it" if Keep.ALWAYS in keeps(ruleset) else unnamed
    fight = f"the service would restore exemptions that EPAC deletes, again and again, {why}"
    return unknown(f"{seen}; {fight}. {_STRATEGIES}", _SETTLE)


def _authors_of(epac_owner: str, ruleset: Ruleset) -> str:
    """Return the name of the owner of the ruleset that has the identities of the EPAC with this pacOwnerId, or ""."""
    for owner in ruleset.owners:
        pattern = dict(owner.metadata).get(PAC_OWNER)
        if owner.authors and pattern and pattern.matches(epac_owner):
            return owner.name
    return ""
