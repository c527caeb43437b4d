"""Routes and app settings become destinations; what is wrong is named, and no value is shown."""

import base64
from dataclasses import dataclass

import pytest

from guardrails.channels.destination import Destination, address_problem
from guardrails.channels.egress_guard import Bounds
from guardrails.channels.routes import destinations, problems

SECRET = "whsec_" + base64.b64encode(b"canary-secret-canary-secret-1234").decode()
URL = "https://prod-07.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke?sig=canary"


@dataclass(frozen=True)
class Route:
    name: str
    channel: str = "teams"
    address_setting: str = "TEAMS_URL"
    secret_setting: str = ""
    kinds: tuple[str, ...] = ()
    min_severity: str = "info"


def test_a_route_gets_its_address_and_secrets_from_the_settings() -> None:
    found = destinations(
        [Route("secops"), Route("siem", "webhook", "SIEM_URL", "SIEM_SECRETS")],
        {"TEAMS_URL": URL + "\n", "SIEM_URL": "https://siem.example/in", "SIEM_SECRETS": f"{SECRET}, {SECRET}"},
    )
    assert found["secops"].address == URL
    assert found["siem"].secrets == (SECRET, SECRET)
    assert problems(found) == []


def test_every_problem_names_route_and_setting() -> None:
    found = destinations(
        [
            Route("a"), Route("b", "webhook", "B_URL", "B_KEY"), Route("c", "pager", "TEAMS_URL"),
            Route("d", "teams", ""), Route("e", "webhook", "OK_URL", "BAD_KEY"), Route("f", "webhook", "OK_URL"),
            Route("good", "teams", "OK_URL"),
        ],
        {"B_URL": "http://canary.example", "OK_URL": URL, "BAD_KEY": "whsec_canary"},
    )  # fmt: skip
    texts = problems(found)
    assert len(texts) == 6
    assert texts[0] == "route 'a': the address in the setting TEAMS_URL is missing"
    assert texts[1] == "route 'b': the address in the setting B_URL does not start with https://"
    assert texts[2] == "route 'c' has the channel 'pager'; there are teams, slack, webhook, eventgrid"
    assert texts[3] == "route 'd': the address in the setting (none named) is missing"
    assert texts[4].endswith("in the setting BAD_KEY")
    assert texts[5] == "route 'f': the setting (none named) holds no secret to sign with"
    assert "canary" not in "".join(texts)


def test_nothing_secret_is_in_a_repr() -> None:
    found = Destination("a", "webhook", URL, (SECRET,), "A_URL", "A_KEY")
    assert "canary" not in repr(found)
    assert SECRET not in repr(found)
    assert "A_URL" in repr(found)


@pytest.mark.parametrize(
    "address",
    [
        "", "canary", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https://", "https:///x",
        "https://jo:pw@example.com/", "https://jo@example.com/", "https://@example.com/", "https://exa mple.com/",
        "https://example.com/\nx", "https://example.com\\@evil.com/", "https://exämple.com/", "https://[::1/",
        "https://example.com:99999/", "https://example.com:0/", "https://example.com:x/", "javascript:alert(1)",
        "https://localhost/", "https://127.0.0.1/", "https://127.8.8.8/", "https://[::1]/", "https://a.localhost./",
        "@Microsoft.KeyVault(SecretUri=https://canary.vault.azure.net/secrets/x)", "//example.com/x",
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://a..example/", "https://.example/",
        "https://exa%mple/", "https://*/", "https://[v1.x]/", "https://-a.example/",
        "https://" + "a" * 64 + ".example/", "https://" + "a." * 127 + "example/", "https://0.0.0.0/", "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
    ],
)  # fmt: skip
def test_an_unfit_address_is_refused_unseen(address: str) -> None:
    problem = address_problem(address)
    assert problem
    assert not address or address not in problem
    assert "canary" not in problem


def test_loopback_is_for_the_sandbox_only() -> None:
    for address in ("http://127.0.0.1:8080/x", "http://localhost/x", "https://[::1]:1/x"):
        assert address_problem(address)
        assert not address_problem(address, Bounds(loopback=True))
    assert address_problem("http://example.com/", Bounds(loopback=True))
    assert address_problem("ftp://127.0.0.1/", Bounds(loopback=True))


@pytest.mark.parametrize(
    "address",
    [URL, "https://ab.12.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/x?sig=y"],
)
def test_both_forms_of_a_workflow_address_are_fit(address: str) -> None:
    assert address_problem(address) == ""


@pytest.mark.parametrize("reference", ["@Microsoft.KeyVault(VaultName=canary;SecretName=x)", "@microsoft.keyvault(x)"])
def test_a_reference_that_was_not_resolved_is_reported_for_addresses_and_secrets(reference: str) -> None:
    routes = [Route("a", "slack", "A_URL"), Route("b", "webhook", "B_URL", "B_KEY")]
    texts = problems(destinations(routes, {"A_URL": reference, "B_URL": "https://siem.example/", "B_KEY": reference}))
    assert len(texts) == 2
    assert texts[0].startswith("route 'a': the address in the setting A_URL is a Key Vault reference")
    assert texts[1].startswith("route 'b': the setting B_KEY is a Key Vault reference")
    assert "canary" not in "".join(texts)


def test_slack_and_event_grid_need_no_secret() -> None:
    routes = [Route("a", "slack", "A_URL"), Route("b", "eventgrid", "B_URL")]
    settings = {
        "A_URL": "https://hooks.slack.com/services/x",
        "B_URL": "https://t.westeurope-1.eventgrid.azure.net/api",
    }
    assert problems(destinations(routes, settings)) == []
