"""Whatever is sent, ARM answers with an error of its own and never breaks."""

import random
from typing import Any

from sandbox.cloud import Cloud
from tests.sandbox.conftest import AUTH, CORP, GROUP, INITIATIVE, SINGLE, SUBSCRIPTION, VAULT, Client, exemption_id

WORDS = ("", "x", "/", "//", SUBSCRIPTION, SINGLE, "2027-01-01", "T", "\u00e9\u0000", "a" * 600, "/providers/", "[x]")
KEYS = (
    "properties", "policyAssignmentId", "exemptionCategory", "tags", "details", "parent", "id", "level", "template",
    "resources", "type", "name", "apiVersion", "scope", "policyDefinitions", "policyDefinitionId", "metadata", "mode",
    "resourceSelectors", "selectors", "kind", "in", "operation", "query", "options", "$top", "$skipToken", "expiresOn",
    "subscriptions", "managementGroups", "policyDefinitionReferenceIds", "location",
)  # fmt: skip
PATHS = (
    exemption_id(GROUP, "e1"), exemption_id(CORP, "m"), f"{GROUP}/providers/Microsoft.Resources/tags/default",
    f"{GROUP}/providers/Microsoft.Resources/deployments/d", SINGLE, INITIATIVE, f"{SUBSCRIPTION}{AUTH}/locks/l",
    f"{SUBSCRIPTION}{AUTH}/policySetDefinitions/p", GROUP, VAULT, f"{VAULT}/restart", CORP, SUBSCRIPTION, "//", "/",
    "/providers/Microsoft.ResourceGraph/resources", "/subscriptions", "/providers/x/y/z/providers",
)  # fmt: skip


def junk(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return draw.choice((None, True, False, 0, -1, 2**70))
    if kind < 6:
        return draw.choice(WORDS)
    if kind < 8:
        return {draw.choice(KEYS): junk(draw, depth + 1) for _ in range(draw.randrange(6))}
    return [junk(draw, depth + 1) for _ in range(draw.randrange(4))]


async def test_junk_is_refused_in_arms_own_form(cloud: Cloud, client: Client) -> None:
    seed = 20261121
    draw = random.Random(seed)  # noqa: S311  not for secrets
    seen: set[int] = set()
    for _ in range(600):
        method, path = draw.choice(("PUT", "PATCH", "POST", "GET", "DELETE")), draw.choice(PATHS)
        body: Any = junk(draw)
        if draw.random() < 0.6:
            body = {"properties": junk(draw, 1), "query": "where type =~ 'x'", "options": junk(draw, 2)}
        answer = await client.send(method, path, body, filter=str(junk(draw, 3)))
        assert answer.status < 500, (seed, method, path, body)
        if answer.status >= 400:
            assert answer.code
            assert answer.message
        seen.add(answer.status)
    assert {200, 400, 404, 405} <= seen
