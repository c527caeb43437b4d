"""The commands around notices, on real tables and queues, and a real sink over HTTP."""

import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from guardrails.notices.digest import DigestItem, compose
from guardrails.notices.route_state import disabled
from tests.channels.samples import notice

from .conftest import Run
from .test_register_commands import AT, Store, store

__all__ = ["store"]

RULES = """
version: 1
mode: audit
rules: {expired: alert}
notices:
  - {route: secops, channel: teams, address_setting: SECOPS_URL, default: true}
  - {route: siem, channel: teams, address_setting: SIEM_URL}
"""


@pytest.fixture
def sink(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The route `secops` leads to a server on this machine; `siem` to nowhere. Yield what the server got."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    (tmp_path / "rules.yaml").write_text(RULES)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("GUARDRAILS_RULESET", str(tmp_path / "rules.yaml"))
    monkeypatch.setenv("GUARDRAILS_ALLOW_LOOPBACK", "true")
    monkeypatch.setenv("SECOPS_URL", f"http://127.0.0.1:{server.server_port}/secret-path")
    monkeypatch.delenv("SIEM_URL", raising=False)
    yield got
    server.shutdown()
    server.server_close()


def message(name: str = "n1", **more: object) -> str:
    return json.dumps({"route": "secops", "notice": notice(id=name).to_json(), "attempt": 40, **more})


def test_failed_notices_are_listed_and_replayed_with_the_same_id(run: Run, store: Store) -> None:
    assert run("notices", "failed").out == "no notice has failed\n"
    store.dead_letter("notices", message("n1", slot=1), "a")
    store.dead_letter("notices", message("n2"), "b")
    store.dead_letter("event", "{", "c")
    listed = run("notices", "failed", "--format", "json").json
    assert [(row["dead_letter"], row["notice"], row["route"]) for row in listed] == [
        ("a", "n1", "secops"),
        ("b", "n2", "secops"),
    ]
    assert "n1" in run("notices", "failed").out

    assert run("notices", "replay", "n1").out == "replayed: a\n"
    assert store.messages("notices") == [json.loads(message("n1", attempt=0))]
    assert run("notices", "replay", "--all").code == 0
    assert [message["notice"]["id"] for message in store.messages("notices")] == ["n2"]
    assert store.dead_letters() == ["c"], "an event is no notice"
    assert run("notices", "replay", "none").code == 2


def test_a_test_notice_arrives(run: Run, sink: list[bytes]) -> None:
    ran = run("notices", "test", "secops")
    assert (ran.code, ran.out) == (0, "delivered: the route secops accepted a test notice\n")
    assert len(sink) == 1
    assert b"A test of this route" in sink[0]


def test_a_route_that_cannot_deliver_says_why_and_never_shows_an_address(run: Run, sink: list[bytes]) -> None:
    ran = run("notices", "test", "siem")
    assert ran.code == 1
    assert "SIEM_URL" in ran.err
    unknown = run("notices", "test", "nobody")
    assert unknown.code == 2
    assert "There are: secops, siem" in unknown.err
    listed = run("notices", "routes")
    assert "in use" in listed.out
    assert "SIEM_URL" in listed.out
    assert "secret-path" not in ran.err + ran.out + listed.out
    assert sink == []


def test_a_disabled_route_is_shown_and_enabled(run: Run, store: Store, sink: list[bytes]) -> None:
    store.do(
        lambda register: register.rate_limits.change(
            "teams-SECOPS_URL", lambda rate_limit: disabled(rate_limit, "secops", "410", AT)
        )
    )
    assert "disabled since 2026-11-02T09:30:00Z: 410" in run("notices", "routes").out
    assert run("notices", "enable", "secops").out == "enabled: secops\n"
    assert run("notices", "enable", "secops").out == "secops was not disabled\n"
    [row, _] = run("notices", "routes", "--format", "json").json
    assert row == {"route": "secops", "channel": "teams", "status": "in use"}


def test_a_digest_is_shown_whole(run: Run, store: Store) -> None:
    window = "20261102T0930Z"
    items = [DigestItem(window, notice(id=f"n{n}", at=AT + timedelta(seconds=n))) for n in range(25)]
    kept = compose("secops", window, items, AT)
    store.do(lambda register: register.digest_items.keep(kept))
    ran = run("notices", "show", kept.notice.id)
    assert ran.code == 0
    assert ran.out.count("partnerdrop") == 25
    shown = run("notices", "show", kept.notice.id, "--format", "json").json
    assert [entry["id"] for entry in shown["entries"]] == [f"n{n}" for n in range(25)]
    assert run("notices", "show", "digest-none").code == 2


def test_a_route_that_is_mistyped_is_named_and_nonsense_gets_the_list(run: Run, sink: list[bytes]) -> None:
    for action in ("test", "enable"):
        ran = run("notices", action, "secop")
        assert (ran.code, ran.out) == (2, "")
        assert "secop: the ruleset has no such route. Did you mean secops? [no-such-route]" in ran.err
        assert "There are: secops, siem [no-such-route]" in run("notices", action, "xyz").err
    assert sink == []
