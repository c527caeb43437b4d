"""Wiring: the ruleset file followed as it changes, and everything built without a word on the network."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from guardrails.channels.destination import Destination
from guardrails.errors import Misconfigured
from guardrails.ruleset.model import Mode
from guardrails.wiring import FALLBACK, Destinations, RulesetFile, connect
from tests.clock import VirtualClock

AUDIT = """version: 1
mode: audit
rules: {expiry-missing: alert}
notices:
  - {route: team, channel: teams, address_setting: TEAM_URL}
"""
ENFORCE = AUDIT.replace("audit\n", "enforce\n", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "ruleset.yaml"
    found.write_text(AUDIT)
    return found


def test_a_change_is_seen_within_15_seconds(path: Path, clock: VirtualClock) -> None:
    ruleset = RulesetFile(path, clock)
    first = ruleset()
    assert first.mode is Mode.AUDIT
    path.write_text(ENFORCE)
    clock.advance(seconds=14)
    assert ruleset() is first
    clock.advance(seconds=1)
    assert ruleset().mode is Mode.ENFORCE


def test_what_has_ended_is_logged_once_when_the_file_is_read(
    path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    day = clock.now().date()
    path.write_text(AUDIT + f"exclusions: [{{scope: /subscriptions/s1, reason: r, expires: {day}}}]\n")
    ruleset = RulesetFile(path, clock)
    for _ in range(3):
        ruleset()
        clock.advance(minutes=1)
    said = [one.message for one in caplog.records if "exclusions[0]" in one.message]
    assert len(said) == 1
    assert said[0].startswith("ruleset.yaml:")
    assert f"it ended {day} and does not apply" in said[0]


def test_an_unchanged_file_is_not_parsed_again(path: Path, clock: VirtualClock) -> None:
    ruleset = RulesetFile(path, clock)
    first = ruleset()
    for _ in range(3):
        clock.advance(minutes=1)
        assert ruleset() is first


@pytest.mark.parametrize(
    "broken", ["", AUDIT[:20], "version: 1\nmode: au", "\x00", AUDIT + "mode: enforce\n", None, b"\xff\xfe"]
)
def test_a_broken_file_stops_everything_until_it_is_fixed(
    path: Path, clock: VirtualClock, broken: str | bytes | None
) -> None:
    ruleset = RulesetFile(path, clock)
    ruleset()
    if broken is None:
        path.unlink()
    elif isinstance(broken, bytes):
        path.write_bytes(broken)
    else:
        path.write_text(broken)
    clock.advance(seconds=15)
    for _ in range(2):
        with pytest.raises(Misconfigured) as caught:
            ruleset()
        assert caught.value.code == "ruleset-broken"
        assert caught.value.problems
    path.write_text(ENFORCE)
    clock.advance(seconds=15)
    assert ruleset().mode is Mode.ENFORCE


def test_a_file_that_was_never_good(tmp_path: Path, clock: VirtualClock) -> None:
    ruleset = RulesetFile(tmp_path / "absent.yaml", clock)
    with pytest.raises(Misconfigured):
        ruleset()
    (tmp_path / "absent.yaml").write_text(AUDIT)
    clock.advance(seconds=15)
    assert ruleset().mode is Mode.AUDIT


def test_routes_follow_the_ruleset_and_the_fallback_is_always_there(path: Path, clock: VirtualClock) -> None:
    environ = {"TEAM_URL": "https://x.example/team", "GUARDRAILS_ALERT_TEAMS_URL": "https://x.example/alert"}
    found = Destinations(RulesetFile(path, clock), environ)
    assert set(found) == {"team", FALLBACK.name}
    assert len(found) == 2
    assert isinstance(found["team"], Destination)
    assert found.get("absent") is None
    path.write_text("")
    clock.advance(seconds=15)
    assert list(found) == [FALLBACK.name]
    assert found[FALLBACK.name].problem() == ""


BY_STRING = {
    "AzureWebJobsStorage": "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=eA==;"
    "TableEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a;BlobEndpoint=http://127.0.0.1:1/a;"
}
BY_ACCOUNT = {"AzureWebJobsStorage__accountName": "contoso", "AzureWebJobsStorage__clientId": "c"}
BY_URI = {
    "AzureWebJobsStorage__tableServiceUri": "https://contoso.table.core.usgovcloudapi.net",
    "AzureWebJobsStorage__queueServiceUri": "https://contoso.queue.core.usgovcloudapi.net",
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize(
    ("environ", "table"),
    [
        (BY_STRING, "http://127.0.0.1:1/a"),
        (BY_ACCOUNT, "https://contoso.table.core.windows.net"),
        (BY_URI, "https://contoso.table.core.usgovcloudapi.net"),
    ],
)
async def test_everything_is_connected_without_a_connection(
    environ: dict[str, str], table: str, hosted: bool, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    if hosted:
        monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "x")
    service = connect({**environ, "GUARDRAILS_MODE": "audit", "GUARDRAILS_TABLE": "other"}, clock)
    assert service.register._client.url.rstrip("/") == table
    assert service.register._client.table_name == "other"
    assert service.world.clock is clock
    assert service.ruleset().mode is Mode.AUDIT  # the ruleset shipped
    assert service.settings.mode == "audit"
    await service.close()


def test_a_connection_string_that_is_none_is_not_shown() -> None:
    with pytest.raises(Misconfigured) as caught:
        connect({"AzureWebJobsStorage": "canary"})
    assert caught.value.code == "bad-connection-string"
    assert "canary" not in str(caught.value)


def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AzureWebJobsStorage")]:
        monkeypatch.delenv(name)
    with pytest.raises(Misconfigured, match="settings-broken"):
        connect()


@pytest.fixture
def enforcing(path: Path) -> Path:
    path.write_text(ENFORCE)
    return path


async def test_audit_in_the_settings_holds_an_enforcing_ruleset(enforcing: Path, clock: VirtualClock) -> None:
    settings = {**BY_STRING, "GUARDRAILS_RULESET": str(enforcing)}
    for mode, held in (("audit", True), ("", False)):
        service = connect({**settings, "GUARDRAILS_MODE": mode}, clock)
        assert service.ruleset().mode is Mode.ENFORCE
        assert service.reconciler._audit_only is held
        assert service.intake._in_force.now()[1] is (Mode.AUDIT if held else Mode.ENFORCE)
        await service.close()
