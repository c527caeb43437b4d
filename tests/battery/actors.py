"""Who acts in the tenant, and what each of them may do there.

All of them may write every exemption, by Azure's roles. What the guardrails let them have differs: `PIPELINE` may
delete where the ruleset approves it, `EPAC` writes for the protected owner of that name where the entry names its
authors, `OWNER` is whom metadata name as the owner, and `MALLORY` has no right but to write.
"""

from typing import Final

from sandbox.identity import read_token, token_for
from sandbox.tenant import Actor
from tests.reconcile.world import ALICE, OPERATOR, PIPELINE, PIPELINE_ID, US_ID, US_OID, YEARS

EPAC_ID: Final = "5f0e9d1c-1111-4222-8333-444455557777"
EPAC: Final = Actor("EPAC", token_for("EPAC", "5f0e9d1c-1111-4222-8333-444455556666", EPAC_ID, lifetime=YEARS))
OWNER_UPN: Final = "data-platform@contoso.com"
OWNER: Final = Actor("owner", token_for("owner", "cccccccc-1111-4222-8333-444455556666", upn=OWNER_UPN, lifetime=YEARS))
MALLORY: Final = Actor(
    "Mallory", token_for("Mallory", "bbbbbbbb-1111-4222-8333-444455556666", upn="mallory@contoso.com", lifetime=YEARS)
)
IDENTITIES: Final = {
    ALICE.name: "alice@contoso.com", PIPELINE.name: PIPELINE_ID, EPAC.name: EPAC_ID, OWNER.name: OWNER_UPN,
    MALLORY.name: "mallory@contoso.com",
}  # fmt: skip
"""By what systemData and the activity log call each of them."""

ACTORS: Final = (ALICE, PIPELINE, EPAC, OWNER, MALLORY)
OIDS: Final = tuple(read_token(actor.token).oid for actor in ACTORS)
"""Their object ids."""

__all__ = [
    "ACTORS", "ALICE", "EPAC", "EPAC_ID", "IDENTITIES", "MALLORY", "OIDS", "OPERATOR", "OWNER", "OWNER_UPN", "PIPELINE",
    "PIPELINE_ID", "US_ID", "US_OID",
]  # fmt: skip
