"""Tokens, permissions, deny assignments, locks, throttling, faults: how ARM says no."""

import asyncio
from io import BytesIO

import pytest
from aiohttp import ClientError, ClientSession

from sandbox.arm import server
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.patience import PATIENCE
from tests.sandbox.conftest import AUTH, CORP, GROUP, SINGLE, SUBSCRIPTION, VAULT, Client, exemption, exemption_id

ROBOT = "22222222-0000-4000-8000-000000000002"
PATH = exemption_id(GROUP, "e1")


@pytest.fixture
def robot(client: Client) -> Client:
    return client.as_(token_for("robot", ROBOT, appid="app-2"))


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "AuthenticationFailed"),
        ("garbage", "InvalidAuthenticationToken"),
        ("a.b.c", "InvalidAuthenticationToken"),
        (token_for("x", "o")[:-4] + "AAAA", "InvalidAuthenticationToken"),
        (token_for("x", "o", lifetime=-5), "ExpiredAuthenticationToken"),
        (token_for("x", "o", audience="https://storage.azure.com"), "InvalidAuthenticationTokenAudience"),
    ],
)
async def test_a_bad_token_is_challenged(client: Client, token: str, code: str) -> None:
    answer = await client.as_(token).get(SUBSCRIPTION)
    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer authorization_uri="https://login.windows.net/')
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ("", 400, "MissingApiVersionParameter"),
        ("v1", 400, "InvalidApiVersionParameter"),
        ("2021-07-01", 404, "InvalidResourceType"),
    ],
)
async def test_the_api_version_counts(client: Client, version: str, status: int, code: str) -> None:
    answer = await client.get(PATH, version=version)
    assert (answer.status, answer.code) == (status, code)


async def test_broken_requests(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    url = f"{client.address}{PATH}?api-version=2022-07-01-preview"
    async with client.session.put(url, data=b'{"properties": {', headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "InvalidRequestContent")
    async with client.session.put(url, data=BytesIO(b" " * (4 * 1024 * 1024 + 1)), headers=headers) as answer:
        assert answer.status == 413
    assert (await client.get("/subscriptions/x/y/z")).status == 404
    large = exemption(metadata={"text": "x" * 1_000_000})
    assert (await client.put(PATH, large)).status == 201


async def test_a_missing_action_is_named(client: Client, robot: Client) -> None:
    read_only = {ROBOT: [{"scope": SUBSCRIPTION, "actions": ["*/read"]}]}
    await client.control("PUT", "permissions", read_only)
    answer = await robot.put(PATH, exemption())
    assert (answer.status, answer.code) == (403, "AuthorizationFailed")
    assert answer.message == (
        f"The client 'app-2' with object id '{ROBOT}' does not have authorization to perform action "
        f"'Microsoft.Authorization/policyExemptions/write' over scope '{PATH}' or the scope is invalid. If access was "
        "recently granted, please refresh your credentials."
    )
    assert (await robot.get(SUBSCRIPTION, version="2022-12-01")).status == 200
    assert (await client.put(PATH, exemption())).status == 201


async def test_a_write_needs_exempt_action_on_the_assignment(client: Client, robot: Client) -> None:
    here = {"scope": SUBSCRIPTION, "actions": ["*"]}
    await client.control("PUT", "permissions", {ROBOT: [here]})
    answer = await robot.put(PATH, exemption())
    assert (answer.status, answer.code) == (403, "AuthorizationFailed")
    assert f"'Microsoft.Authorization/policyAssignments/exempt/action' over scope '{SINGLE}'" in answer.message
    there = {"scope": CORP, "actions": ["Microsoft.Authorization/policyAssignments/exempt/Action"]}
    await client.control("PUT", "permissions", {ROBOT: [here, there]})
    assert (await robot.put(PATH, exemption())).status == 201
    without = {"scope": CORP, "actions": ["*"], "notActions": ["Microsoft.Authorization/policyExemptions/delete"]}
    await client.control("PUT", "permissions", {ROBOT: [without]})
    assert (await robot.send("DELETE", PATH)).status == 403


async def test_a_deny_assignment_takes_it_away(client: Client, robot: Client) -> None:
    await client.put(PATH, exemption())
    denial = {
        "name": "System deny assignment created by Azure Databricks", "id": "d1", "scope": GROUP,
        "actions": ["*/delete"], "exceptOids": [ROBOT],
    }  # fmt: skip
    await client.control("PUT", "denials", [denial])
    answer = await client.send("DELETE", PATH)
    assert (answer.status, answer.code) == (403, "DenyAssignmentAuthorizationFailed")
    assert "has permission to perform action" in answer.message
    assert (await robot.send("DELETE", PATH)).status == 200


async def test_locks_hold_what_is_below(client: Client) -> None:
    await client.put(PATH, exemption())
    lock = f"{SUBSCRIPTION}{AUTH}/locks/keep"
    assert (await client.put(lock, {"properties": {"level": "CanNotDelete"}}, version="2016-09-01")).status == 201
    answer = await client.send("DELETE", PATH)
    assert (answer.status, answer.code) == (409, "ScopeLocked")
    assert f"following scope(s) are locked: '{SUBSCRIPTION}'" in answer.message
    assert (await client.put(PATH, exemption(displayName="x"))).status == 200
    await client.put(lock, {"properties": {"level": "ReadOnly"}}, version="2016-09-01")
    assert (await client.put(PATH, exemption(displayName="y"))).code == "ScopeLocked"
    assert (await client.send("DELETE", lock, version="2016-09-01")).status == 200
    assert (await client.send("DELETE", PATH)).status == 200
    await client.control("PUT", "locks", {"scope": VAULT})
    assert (await client.send("DELETE", GROUP)).code == "ScopeLocked"
    await client.control("DELETE", "locks", {"scope": VAULT})
    assert (await client.send("DELETE", GROUP)).status == 200


async def test_answers_carry_arm_headers(client: Client) -> None:
    answer = await client.put(PATH, exemption())
    first = int(answer.headers["x-ms-ratelimit-remaining-subscription-writes"])
    again = await client.put(PATH, exemption())
    assert int(again.headers["x-ms-ratelimit-remaining-subscription-writes"]) == first - 1
    assert "x-ms-ratelimit-remaining-subscription-reads" in (await client.get(PATH)).headers
    assert "x-ms-ratelimit-remaining-tenant-reads" in (await client.get(CORP)).headers
    assert again.headers["x-ms-request-id"] != answer.headers["x-ms-request-id"]
    assert again.headers["x-ms-correlation-request-id"]


async def test_throttles_when_asked_to(client: Client) -> None:
    await client.control("PUT", "throttle", {"enforce": True, "limits": {"writes": 1}})
    assert (await client.put(PATH, exemption())).status == 201
    answer = await client.put(PATH, exemption())
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert (await client.get(PATH)).status == 200


async def test_faults_hit_what_they_name(client: Client) -> None:
    await client.control("POST", "faults", {"path": "policyExemptions", "method": "PUT", "status": 429,
                                            "retry_after": "2", "count": 2})  # fmt: skip
    for _ in range(2):
        answer = await client.put(PATH, exemption())
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert (await client.put(PATH, exemption())).status == 201
    assert await client.control("GET", "faults") == []


async def test_an_answer_can_get_lost(client: Client) -> None:
    # No count: aiohttp sends a PUT once more by itself when the connection breaks.
    await client.control("POST", "faults", {"method": "PUT", "drop": True, "after": True})
    with pytest.raises(ClientError):
        await client.put(PATH, exemption())
    assert (await client.get(PATH)).status == 200
    await client.control("POST", "faults", {"method": "DELETE", "drop": True})
    with pytest.raises(ClientError):
        await client.send("DELETE", PATH)
    assert (await client.get(PATH)).status == 200


async def test_latency_is_waited_for_together(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    together, waits = asyncio.Barrier(20), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await together.wait()  # one after the other, the first would wait for ever

    await client.control("PUT", "latency", {"seconds": 0.1})
    monkeypatch.setattr(server, "sleep", sleep)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client.get(SUBSCRIPTION) for _ in range(20)))
    assert waits == [0.1] * 20


async def test_counts_and_reset(cloud: Cloud, client: Client) -> None:
    await client.put(PATH, exemption())
    await client.get(PATH)
    await client.get(f"{GROUP}{AUTH}/policyExemptions")
    await client.get(VAULT)
    counted = {"PUT policyExemptions": 1, "GET policyExemptions": 1, "LIST policyExemptions": 1, "GET vaults": 1}
    assert await client.control("GET", "counters") == counted
    requests = await client.control("GET", "requests")
    assert [(one["method"], one["status"], one["caller"]) for one in requests[:2]] == [
        ("PUT", 201, "Ada"),
        ("GET", 200, "Ada"),
    ]
    cloud.arm.lock(GROUP)
    await client.control("PUT", "latency", {"seconds": 9})
    await client.control("POST", "reset")
    assert await client.control("GET", "counters") == {}
    assert (await client.send("DELETE", PATH)).status == 200


async def test_a_guest_needs_no_token_where_one_is_allowed(cloud: Cloud) -> None:
    arm = cloud.addresses["arm"]
    url = f"{arm}/subscriptions?api-version=2022-12-01"
    async with ClientSession() as http:
        async with http.get(url) as answer:
            assert answer.status == 401
        async with http.put(f"{arm}/_sandbox/guest", json={"upn": "guest@contoso.com"}) as answer:
            assert answer.status == 200
        for headers in ({}, {"Authorization": "Bearer anything"}):
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200
