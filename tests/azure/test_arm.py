"""Exemptions through ARM: what is there, what is gone, what may not be done, what may be tried again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from guardrails.azure.arm import EXEMPTIONS_VERSION, ArmRest
from guardrails.azure.refusals import REFUSALS, UNKNOWN_DELAY
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.sources import FIELDS
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.azure.conftest import OID, StaticCredential
from tests.clock import VirtualClock
from tests.sandbox.conftest import CORP, GROUP, SUBSCRIPTION, VAULT, exemption, exemption_id

HERE = ExemptionId.parse(exemption_id(GROUP, "waived"))
BODY = exemption(displayName="Partner ingestion", metadata={"ticket": "SEC-1"})


async def test_what_is_written_is_read(arm: ArmRest, cloud: Cloud, credential: StaticCredential) -> None:
    written = await arm.put(HERE, BODY)
    assert written == await arm.get(HERE)
    assert written["properties"]["displayName"] == "Partner ingestion"
    assert written["id"] == HERE.text
    assert credential.scopes == ["https://management.azure.com/.default"]
    again = await arm.put(HERE, exemption(displayName="Another"))
    assert again["properties"]["displayName"] == "Another"
    assert "metadata" not in again["properties"]
    assert [seen.status for seen in cloud.arm.log.requests] == [201, 200, 200]


async def test_the_newest_fields_are_seen(arm: ArmRest) -> None:
    await arm.put(HERE, exemption(exemptionManagementMode="Admin", assignmentScopeValidation="Default"))
    found = await arm.get(HERE)
    assert not isinstance(found, Gone | Unread)
    assert found["properties"]["exemptionManagementMode"] == "Admin"
    assert EXEMPTIONS_VERSION == "2026-01-01-preview"


def test_an_older_version_returns_fewer_fields() -> None:
    credential = StaticCredential()
    older = ArmRest("https://management.azure.com", credential, VirtualClock(), version="2022-07-01-preview")
    assert ArmRest("https://management.azure.com", credential, VirtualClock()).source.returns == FIELDS
    assert older.source.returns == FIELDS - {"exemptionManagementMode"}
    assert not older.source.principals


async def test_deleting_twice_is_no_error(arm: ArmRest, cloud: Cloud) -> None:
    await arm.put(HERE, BODY)
    await arm.delete(HERE)
    assert await arm.get(HERE) == Gone()
    await arm.delete(HERE)
    await arm.delete(ExemptionId.parse(exemption_id(f"{SUBSCRIPTION}/resourceGroups/absent", "e")))
    assert [seen.status for seen in cloud.arm.log.requests] == [201, 200, 404, 204, 404]


@pytest.mark.parametrize("name", ["with space", "what?", "a#b", "50%", "ü-漢", "plus+and&amp", "per%cent"])
@pytest.mark.parametrize("scope", [CORP, SUBSCRIPTION, GROUP, VAULT])
async def test_any_name_at_any_scope_leads_to_its_exemption(arm: ArmRest, cloud: Cloud, scope: str, name: str) -> None:
    cloud.arm.seed(exemption_id(scope, name), exemption(displayName=name))
    identity = ExemptionId.parse(exemption_id(scope, name))
    found = await arm.get(identity)
    assert not isinstance(found, Gone | Unread)
    assert found["properties"]["displayName"] == name
    await arm.delete(identity)
    assert await arm.get(identity) == Gone()


@pytest.mark.parametrize(
    "scope",
    [
        GROUP, VAULT, SUBSCRIPTION, CORP, f"{SUBSCRIPTION}/resourceGroups/absent",
        f"{GROUP}/providers/Microsoft.KeyVault/vaults/absent", "/providers/Microsoft.Management/managementGroups/no",
    ],
)  # fmt: skip
async def test_an_absent_exemption_or_scope_is_gone(arm: ArmRest, scope: str) -> None:
    assert await arm.get(ExemptionId.parse(exemption_id(scope, "absent"))) == Gone()


async def test_an_absent_subscription_is_not_known_to_be_gone(arm: ArmRest) -> None:
    found = await arm.get(ExemptionId.parse(exemption_id("/subscriptions/00000000-0000-0000-0000-00000000dead", "e")))
    assert isinstance(found, Unread)
    assert found.reason.startswith("SubscriptionNotFound: ")


@pytest.mark.parametrize(
    ("status", "code", "gone"),
    [
        (404, "PolicyExemptionNotFound", True),
        (404, "resourcenotfound", True),
        (404, "ParentResourceNotFound", True),
        (404, "ManagementGroupNotFound", True),
        (404, "NotFound", True),
        (404, "InvalidResourceType", False),
        (404, "SubscriptionNotFound", False),
        (404, "PolicyAssignmentNotFound", False),
        (403, "AuthorizationFailed", False),
        (403, "PolicyExemptionNotFound", False),
        (400, "InvalidApiVersionParameter", False),
        (409, "SubscriptionDisabled", False),
    ],
)
async def test_gone_is_only_what_azure_says_is_gone(
    arm: ArmRest, cloud: Cloud, status: int, code: str, gone: bool
) -> None:
    cloud.arm.control._post_faults({"status": status, "code": code, "message": "as answered"})
    found = await arm.get(HERE)
    assert found == (Gone() if gone else Unread(f"{code}: as answered"))


async def test_without_permission_to_read_nothing_is_gone(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._put_permissions({OID: []})
    found = await arm.get(HERE)
    assert isinstance(found, Unread)
    assert found.reason.startswith("AuthorizationFailed: ")


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("trouble", ["lock", "deny", "permission", "exempt"])
async def test_what_azure_forbids_is_cannot_act(arm: ArmRest, cloud: Cloud, trouble: str, method: str) -> None:
    await arm.put(HERE, BODY)
    actions = ["Microsoft.Authorization/policyExemptions/*", "Microsoft.Authorization/policyAssignments/exempt/action"]
    if trouble == "lock":
        cloud.arm.lock(GROUP, "ReadOnly")
    elif trouble == "deny":
        denial = {"name": "no", "scope": SUBSCRIPTION, "actions": ["*/write", "*/delete"]}
        cloud.arm.control._put_denials([denial])
    else:
        kept = ["*/read"] if trouble == "permission" else actions[:1]
        cloud.arm.control._put_permissions({OID: [{"scope": "", "actions": kept}]})
    if (trouble, method) == ("exempt", "delete"):
        await arm.delete(HERE)  # only a PUT needs exempt/action on the assignment
        assert await arm.get(HERE) == Gone()
        return
    with pytest.raises(Permanent) as caught:
        await (arm.delete(HERE) if method == "delete" else arm.put(HERE, BODY))
    code = {"lock": "ScopeLocked", "deny": "DenyAssignmentAuthorizationFailed"}.get(trouble, "AuthorizationFailed")
    assert (caught.value.code, caught.value.subject) == ("cannot-act", HERE.text)
    assert caught.value.message.startswith(f"{code}: ")
    assert not isinstance(await arm.get(HERE), Gone)


async def test_a_refused_body_is_cannot_act(arm: ArmRest) -> None:
    with pytest.raises(Permanent, match="cannot-act"):
        await arm.put(HERE, {"properties": {"exemptionCategory": "Waiver"}})
    assert await arm.get(HERE) == Gone()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("call", ["get", "put", "delete"])
async def test_what_may_pass_is_retryable(arm: ArmRest, cloud: Cloud, status: int, call: str) -> None:
    cloud.arm.control._post_faults({"status": status, "code": "Busy", "message": "later"})
    with pytest.raises(Retryable) as caught:
        await (arm.put(HERE, BODY) if call == "put" else getattr(arm, call)(HERE))
    message = "Busy" if call == "put" else "Busy: later"  # what refuses a write may quote its body, and this is logged
    assert (caught.value.code, caught.value.message) == ("arm-busy", message)
    assert (caught.value.subject, caught.value.delay) == (HERE.text, 10)
    assert len(cloud.arm.log.requests) == 1  # the SDK repeats nothing by itself


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("17", 17), ("0", 1), ("0.5", 1), ("-5", 1), ("99999", 3600), ("1e999", 3600), ("inf", 3600), ("nan", 10),
        ("soon", 10), ("", 10), ("9" * 400, 3600), ("Wed, 21 Oct 99999 07:28:00 GMT", 10),
    ],
)  # fmt: skip
async def test_retry_after(arm: ArmRest, cloud: Cloud, header: str, seconds: float) -> None:
    cloud.arm.control._post_faults({"status": 429, "retry_after": header})
    with pytest.raises(Retryable) as caught:
        await arm.get(HERE)
    assert caught.value.delay == seconds


@pytest.mark.parametrize(("ahead", "delay"), [(120, 120), (-60, 1), (10**6, 3600)])
async def test_retry_after_as_a_date(arm: ArmRest, cloud: Cloud, ahead: float, delay: float) -> None:
    now = datetime.now(UTC)
    cloud.arm.clock = lambda: now
    date = format_datetime(now + timedelta(seconds=ahead), usegmt=True)
    cloud.arm.control._post_faults({"status": 503, "retry_after": date})
    with pytest.raises(Retryable) as caught:
        await arm.get(HERE)
    assert caught.value.delay == delay


@pytest.mark.parametrize("after", [False, True])
async def test_a_dropped_connection_is_retryable(arm: ArmRest, cloud: Cloud, after: bool) -> None:
    # twice: aiohttp sends a PUT again at once when a connection goes away
    cloud.arm.control._post_faults({"method": "PUT", "drop": True, "after": after, "count": 2})
    with pytest.raises(Retryable) as caught:
        await arm.put(HERE, BODY)
    assert caught.value.code == "arm-down"
    assert isinstance(await arm.get(HERE), Gone) is not after


@pytest.mark.http
@pytest.mark.usefixtures("time_jumps")
async def test_no_answer_in_time_is_retryable(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._post_faults({"latency": 16, "count": 1})
    with pytest.raises(Retryable) as caught:
        await arm.get(HERE)
    assert caught.value.code == "arm-down"
    assert await arm.get(HERE) == Gone()


@pytest.mark.http
async def test_nobody_there_is_retryable(arm: ArmRest, cloud: Cloud) -> None:
    await cloud.arm.stop()
    with pytest.raises(Retryable) as caught:
        await arm.get(HERE)
    assert caught.value.code == "arm-down"


async def test_an_expired_token_is_retryable(cloud: Cloud, clock: VirtualClock) -> None:
    expired = StaticCredential(token_for("late", OID, lifetime=-5))
    arm = ArmRest(cloud.addresses["arm"], expired, clock)
    with pytest.raises(Retryable, match="ExpiredAuthenticationToken"):
        await arm.get(HERE)
    await arm.close()


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[str]:
    """A server that says these bytes to every request and hangs up; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def answered(answer: bytes, call: Callable[[ArmRest], Awaitable[Any]]) -> Any:
    async with saying(answer) as address:
        arm = ArmRest(address, StaticCredential(), VirtualClock())
        try:
            return await call(arm)
        finally:
            await arm.close()


def http(status: str, body: bytes, length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}Connection: close"
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", b'{"id": "cut', 1000),
        b"this is not HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"",
        http("200 OK", b"not gzip at all", more="Content-Encoding: gzip\r\n"),
        b"",
    ],
)  # fmt: skip
async def test_an_answer_that_breaks_off_is_retryable(answer: bytes) -> None:
    with pytest.raises(Retryable) as caught:
        await answered(answer, lambda arm: arm.get(HERE))
    assert caught.value.code == "arm-down"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b"\xff\xfe", b"[" * 100_000])
async def test_a_200_that_is_no_object_is_unread(body: bytes) -> None:
    found = await answered(http("200 OK", body), lambda arm: arm.get(HERE))
    assert found == Unread("Azure's answer is not a JSON object")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>proxy</html>", b'{"error": "x"}', b'{"error": {"code": null}}'])
async def test_an_error_without_particulars_is_named_by_its_status(body: bytes) -> None:
    found = await answered(http("403 Forbidden", body), lambda arm: arm.get(HERE))
    assert isinstance(found, Unread)
    assert found.reason.startswith("HTTP 403: ")
    assert isinstance(await answered(http("404 Not Found", body), lambda arm: arm.get(HERE)), Unread)


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(status: str) -> None:
    answer = http(status, b"", more="Location: https://elsewhere.invalid/\r\n")
    assert isinstance(await answered(answer, lambda arm: arm.get(HERE)), Unread)
    with pytest.raises(Retryable):
        await answered(answer, lambda arm: arm.put(HERE, BODY))


@pytest.mark.parametrize("call", ["put", "delete"])
@pytest.mark.parametrize("status", [400, 403, 405, 409, 410, 412, 413, 415, 423, 425, 451, 499, 501, 507, 520, 598])
@pytest.mark.parametrize("code", ["", "SomethingNew"])
async def test_a_refusal_that_is_not_in_the_list_may_pass(
    arm: ArmRest, cloud: Cloud, status: int, code: str, call: str
) -> None:
    cloud.arm.control._post_faults({"status": status, "code": code, "message": "who knows"})
    with pytest.raises(Retryable) as caught:
        await (arm.put(HERE, BODY) if call == "put" else arm.delete(HERE))
    assert "who knows" not in caught.value.message  # it may quote the body, and this is logged
    momentary = status >= 500 or status in (409, 412, 423, 425)
    assert caught.value.delay == (10 if momentary else UNKNOWN_DELAY)


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
async def test_a_refusal_in_the_list_is_cannot_act_by_its_code_and_in_any_casing(
    arm: ArmRest, cloud: Cloud, status: int, code: str
) -> None:
    for spelled in (code, code.lower(), code.upper()):
        cloud.arm.control._post_faults({"status": status, "code": spelled, "message": "as answered"})
        with pytest.raises(Permanent) as caught:
            await arm.put(HERE, BODY)
        assert caught.value.code == "cannot-act"
        cloud.arm.reset()


@pytest.mark.parametrize("status", [500, 503, 507, 520])
async def test_a_fault_of_the_server_is_no_refusal_whatever_its_code(arm: ArmRest, cloud: Cloud, status: int) -> None:
    cloud.arm.control._post_faults({"status": status, "code": "AuthorizationFailed", "message": "later"})
    with pytest.raises(Retryable):
        await arm.put(HERE, BODY)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": "/subscri', b"<html>"])
async def test_an_answer_to_a_write_that_breaks_off_says_nothing_and_refuses_nothing(body: bytes) -> None:
    assert await answered(http("200 OK", body), lambda arm: arm.put(HERE, BODY)) == {}
