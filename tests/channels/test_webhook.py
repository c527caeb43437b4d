"""The signed webhook, verified by the specification's own library."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from guardrails.channels.portal import link
from guardrails.channels.webhook import MAX_BYTES, body, key_of, signed, split_secrets
from guardrails.errors import Misconfigured, Permanent
from guardrails.notices.notice import Kind
from tests.channels.samples import EXEMPTION_ID, HOSTILE, NOW, finding, hostile, notice

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


def present() -> datetime:
    """Return the real time: the verifying library has no clock to inject."""
    return datetime.now(UTC)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_library_verifies_every_kind(kind: Kind) -> None:
    headers, sent = signed(notice(kind), [SECRET], present())
    received = Webhook(SECRET).verify(sent, headers)
    assert received["type"] == f"exemption.{kind}"
    assert received["timestamp"] == "2026-11-21T12:30:00Z"
    data = received["data"]
    assert data.pop("findingsTotal") == len(notice(kind).findings)
    assert data.pop("links") == {"portal": link(notice(kind).exemption)}
    assert data.pop("schema_version") == 2
    for one in data["findings"]:
        assert one.pop("mend") == one["remediation"]  # stored name
    assert data == notice(kind).current_json()
    assert headers["webhook-id"] == notice().id


def test_any_flipped_byte_is_refused() -> None:
    headers, sent = signed(notice(), [SECRET], present())
    for at in range(len(sent)):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(sent[:at] + bytes([sent[at] ^ 1]) + sent[at + 1 :], headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_header_is_refused(header: str) -> None:
    headers, sent = signed(notice(), [SECRET], present())
    value = headers[header]
    # not the signature's last digit: two of its bits are padding, and changing them changes nothing
    flipped = value[:-4] + ("1" if value[-4] != "1" else "2") + value[-3:]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(sent, {**headers, header: flipped})


def test_during_a_rotation_both_secrets_verify() -> None:
    headers, sent = signed(notice(), split_secrets(f" {SECRET},{OTHER}\n"), present())
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(SECRET).verify(sent, headers) == Webhook(OTHER).verify(sent, headers)
    headers, sent = signed(notice(), [OTHER], present())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(sent, headers)


def test_an_attempt_has_its_own_time_and_the_notice_its_one_id() -> None:
    first, sent = signed(notice(), [SECRET], NOW)
    second, again = signed(notice(), [SECRET], NOW.replace(hour=13))
    assert first["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 1800 * 2
    assert first["webhook-id"] == second["webhook-id"]
    assert sent == again


@pytest.mark.parametrize(
    "secret",
    [
        "", "whsec_", "hunter2", SECRET.removeprefix("whsec_"), SECRET + "!", SECRET[:-1], "whsec_é",
        "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_unseen(secret: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        key_of(secret)
    assert not secret or secret == "whsec_" or secret not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(Misconfigured):
        signed(notice(), [], NOW)
    with pytest.raises(Permanent, match="other characters than A-Z"):
        signed(notice(id="a.b"), [SECRET], NOW)


@pytest.mark.parametrize("text", HOSTILE)
def test_machines_get_a_text_as_it_was_written(text: str) -> None:
    data = json.loads(body(hostile(text)))["data"]
    assert data["exemption"]["displayName"] == text.replace("\ud800", "?")
    assert data["findings"][0]["text"] == text.replace("\ud800", "?")


@pytest.mark.parametrize("char", ["x", '"', "\\", "😀", "\u202e", "\x00", "\ud800"])
def test_the_body_is_small_whatever_is_in_it(char: str) -> None:
    whole = replace(hostile(char * 100_000, findings=200), title=char * 100_000, done=char * 100_000)
    whole = replace(whole, next=char * 100_000, why=(char * 100_000,) * 200, severity=char * 1000)
    whole = replace(whole, exemption={**whole.exemption, **{f"{n}{char * 1000}": char * 1000 for n in range(100)}})
    sent = body(whole)
    assert len(sent) <= MAX_BYTES
    data = json.loads(sent)["data"]
    assert data["findingsTotal"] == 200
    assert data["truncated"][0] == "evidence"
    assert data["exemption"]["id"] == EXEMPTION_ID


def test_what_must_change_is_there_as_it_was_written_and_goes_with_the_remediations() -> None:
    fix = {
        "changes": [{"rule": "r", "field": "properties.expiresOn", "current": "<b>", "allowed": "no later than X"}],
        "command": "az policy exemption delete --name x --scope /s",
    }
    assert json.loads(body(notice(fix=fix)))["data"]["fix"] == fix
    assert "fix" not in json.loads(body(notice()))["data"]
    full = json.loads(body(notice(fix=fix, findings=(finding(text="x" * 900, remediation="x" * 900),) * 12)))["data"]
    assert "remediation" in full["truncated"]
    assert "fix" not in full


def test_evidence_that_is_no_json_becomes_json() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    unusual = finding(
        evidence={"nan": float("nan"), "big": 10**400, "when": NOW, "deep": {"a": {"b": {"c": {"d": 1}}}}}
    )
    data = json.loads(body(notice(findings=(unusual, finding(evidence={"n": 10**30})))))["data"]
    assert data["findings"][0]["evidence"]["nan"] == "nan"
    assert data["findings"][1]["evidence"]["n"] == str(10**30)
