"""The app settings: read, defaulted, and refused with every mistake at once."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from guardrails.errors import Misconfigured
from guardrails.runtime.settings import Settings

ROOT = Path(__file__).parents[2]
STORAGE = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
CANARY = "canary-secret"


def problems(**environ: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        Settings.read({**STORAGE, **environ})
    assert caught.value.code == "settings-broken"
    for problem in caught.value.problems:
        assert problem in str(caught.value)
    return list(caught.value.problems)


def test_one_setting_is_enough() -> None:
    settings = Settings.read(STORAGE)
    assert settings.arm_endpoint == "https://management.azure.com"
    assert settings.exemptions_version == "2026-01-01-preview"
    assert (settings.table, settings.mode, settings.ruleset) == ("guardrails", "", "")
    assert (settings.budget_seconds, settings.cache_minutes) == ("20", "10")
    assert settings.portal == "https://portal.azure.com"
    assert settings.allow_loopback == ""


@pytest.mark.parametrize(
    "environ",
    [
        {"AzureWebJobsStorage": "AccountName=x;AccountKey=eA=="},
        {"AzureWebJobsStorage__accountName": "contoso"},
        {
            "AzureWebJobsStorage__tableServiceUri": "https://contoso.table.core.windows.net",
            "AzureWebJobsStorage__queueServiceUri": "https://contoso.queue.core.windows.net",
        },
    ],
)
def test_every_form_of_connection_is_taken(environ: dict[str, str]) -> None:
    assert Settings.read(environ)


@pytest.mark.parametrize(
    "environ",
    [{}, {"AzureWebJobsStorage": "  "}, {"AzureWebJobsStorage__tableServiceUri": "https://x.table.core.windows.net"}],
)
def test_without_storage_nothing_is_done(environ: dict[str, str]) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.read(environ)
    assert caught.value.problems[0].startswith("AzureWebJobsStorage: there is no storage account")


def test_every_mistake_is_shown_at_once() -> None:
    found = problems(
        AzureWebJobsStorage="",
        GUARDRAILS_MODE="enforce",
        GUARDRAILS_ARM_ENDPOINT="management.azure.com",
        GUARDRAILS_PORTAL="http://portal.azure.com",
        GUARDRAILS_EVENT_BUDGET_SECONDS="30",
        GUARDRAILS_CACHE_MINUTES="soon",
        GUARDRAILS_TABLE="guard-rails",
    )
    names = [problem.partition(":")[0] for problem in found]
    assert names == [
        "AzureWebJobsStorage", "GUARDRAILS_MODE", "GUARDRAILS_ARM_ENDPOINT", "GUARDRAILS_PORTAL",
        "GUARDRAILS_EVENT_BUDGET_SECONDS", "GUARDRAILS_CACHE_MINUTES", "GUARDRAILS_TABLE",
    ]  # fmt: skip
    assert "'guard-rails' is not a table name" in found[-1]


@pytest.mark.parametrize(
    ("arm", "portal", "graph"),
    [
        ("https://management.azure.com", "https://portal.azure.com", "https://graph.microsoft.com"),
        ("https://management.usgovcloudapi.net/", "https://portal.azure.us", "https://graph.microsoft.us"),
        ("https://management.chinacloudapi.cn", "https://portal.azure.cn", "https://microsoftgraph.chinacloudapi.cn"),
        ("http://127.0.0.1:8080", "https://portal.azure.com", "https://graph.microsoft.com"),
    ],
)
def test_portal_and_microsoft_graph_are_those_of_the_cloud(arm: str, portal: str, graph: str) -> None:
    found = Settings.read({**STORAGE, "GUARDRAILS_ARM_ENDPOINT": arm})
    assert (found.portal, found.microsoft_graph) == (portal, graph)


def test_what_is_set_goes_before_the_cloud() -> None:
    graph = "https://dod-graph.microsoft.us"
    found = Settings.read(
        {
            **STORAGE,
            "GUARDRAILS_ARM_ENDPOINT": "https://management.usgovcloudapi.net",
            "GUARDRAILS_PORTAL": "https://portal.contoso.com",
            "GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT": graph,
        }
    )
    assert (found.portal, found.microsoft_graph) == ("https://portal.contoso.com", graph)


def test_the_address_of_the_docs_may_be_left_out_and_must_be_one() -> None:
    assert Settings.read(STORAGE).docs == ""
    assert problems(GUARDRAILS_DOCS="javascript:alert(1)")[0].startswith("GUARDRAILS_DOCS: ")
    assert problems(GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT="http://example.com")[0].startswith(
        "GUARDRAILS_MICROSOFT_GRAPH"
    )


@pytest.mark.parametrize("value", ["0", "-1", "25.1", "nan", "inf", "", "20s"])
def test_a_budget_that_event_grid_would_not_wait_for(value: str) -> None:
    assert len(problems(GUARDRAILS_EVENT_BUDGET_SECONDS=value)) == 1


@pytest.mark.parametrize(
    "value",
    ["", "ftp://x", "https://", "http://example.com", "https://[x", "https://[::1", "https:x", "\u2100://x", "https://x:70000",
     "https://x:y"],
)  # fmt: skip
def test_addresses_that_are_none(value: str) -> None:
    assert len(problems(GUARDRAILS_ARM_ENDPOINT=value)) == 1


@pytest.mark.parametrize("value", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1", "https://[::1]/"])
def test_this_machine_needs_no_tls(value: str) -> None:
    assert Settings.read({**STORAGE, "GUARDRAILS_ARM_ENDPOINT": f" {value} "}).arm_endpoint == value


@pytest.mark.parametrize("value", ["ab", "1abc", "a" * 64, "tab le", "täble", ""])
def test_names_that_no_table_can_have(value: str) -> None:
    assert len(problems(GUARDRAILS_TABLE=value)) == 1


def test_no_secret_is_shown() -> None:
    secret = {"AzureWebJobsStorage": CANARY, "GUARDRAILS_ALERT_TEAMS_URL": f"https://x/{CANARY}"}
    shown = repr(Settings.read(secret))
    assert CANARY not in shown
    assert "storage=***" in shown
    assert "table='guardrails'" in shown
    with pytest.raises(Misconfigured) as caught:
        Settings.read({**secret, "GUARDRAILS_MODE": "x", "GUARDRAILS_TABLE": "-"})
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_the_sample_names_every_setting_and_can_be_read() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    named = {item.metadata["name"] for item in fields(Settings)}
    assert named <= set(sample)
    assert Settings.read(sample) == Settings.read(STORAGE)


@pytest.mark.parametrize("months", ["12", "0", "-13", "13.5", "x", "", "1201"])
def test_a_record_of_less_than_13_months_is_a_mistake(months: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Settings.read({**STORAGE, "GUARDRAILS_RECORD_MONTHS": months})
    assert any("GUARDRAILS_RECORD_MONTHS" in problem for problem in caught.value.problems)
    assert Settings.read({**STORAGE, "GUARDRAILS_RECORD_MONTHS": "13"}).kept_months == 13


def test_the_docs_list_every_setting() -> None:
    listed = set(re.findall(r"`([A-Za-z_]+)`", (ROOT / "docs" / "settings.md").read_text()))
    assert {item.metadata["name"] for item in fields(Settings)} <= listed


def test_a_reference_to_a_vault_that_was_not_resolved_is_no_value() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/GUARDRAILS-ALERT-TEAMS-URL/)"
    assert Settings.read({**STORAGE, "GUARDRAILS_ALERT_TEAMS_URL": reference}).alert_address == ""
