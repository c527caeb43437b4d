"""What the first command deploys: settings that something reads, no key anywhere, and no role but those that we say."""

import ast
import json
import os
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml

from guardrails.ruleset.model import DEFAULT_PATH, load_ruleset
from guardrails.runtime.settings import Settings
from tests.infra.bicep import HOST, INFRA, ROOT, block, code, keys, names, resources, value, variable

MAIN = code("main")
SETTINGS = {item.metadata["name"]: item for item in fields(Settings)}
OF_FUNCTIONS = {
    "AzureWebJobsStorage__credential", "AzureWebJobsStorage__blobServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "OTEL_TRACES_SAMPLER",
}  # fmt: skip
"""Settings that the Functions host reads. Microsoft Learn: App settings reference for Azure Functions; Connecting to
host storage with an identity; Configure monitoring."""
OF_DOCTOR = {"GUARDRAILS_FUNCTION_APP_ID"}
"""What the doctor reads of the environment and no other code does: whose event subscriptions it looks for."""
HUB = {f"GUARDRAILS_ACTIVITY_HUB_CONNECTION__{part}" for part in ("fullyQualifiedNamespace", "credential", "clientId")}


def functions_source() -> str:
    return (ROOT / "function_app.py").read_text("utf-8")


def written_settings() -> dict[str, str]:
    """Every app setting of a full deployment -> where its value comes from."""
    module = code("modules/functions")
    given = keys(block(module, module.index("resource appSettings")).partition("properties: {")[2].rpartition("}")[0])
    ours = keys(block(MAIN, MAIN.index("{", MAIN.index("settings: union("))))
    hub = dict(re.findall(r"^ +(\w+): (.+)$", block(MAIN, MAIN.index("var hubSettings")), re.MULTILINE))
    return {**ours, **hub, **given}


def secret_settings() -> set[str]:
    return set(re.findall(r"'(\w+)'", names(MAIN, "param")["secretSettings"]))


def test_every_setting_is_read_by_the_service_or_by_the_functions_host() -> None:
    written = set(written_settings())
    assert written == {
        "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri",
        "GUARDRAILS_ACTIVITY_HUB", "GUARDRAILS_ARM_ENDPOINT", "GUARDRAILS_CLIENT_ID", "GUARDRAILS_MODE",
        "GUARDRAILS_PORTAL", "GUARDRAILS_RULESET", "GUARDRAILS_SWEEP_SCHEDULE", "GUARDRAILS_SWEEP_SCOPES",
        "GUARDRAILS_TABLE", *OF_FUNCTIONS, *OF_DOCTOR, *HUB,
    }  # fmt: skip
    assert written - OF_FUNCTIONS - OF_DOCTOR - HUB <= set(SETTINGS)
    doctor = "".join(path.read_text("utf-8") for path in (ROOT / "guardrails" / "doctor").glob("*.py"))
    assert all(f'"{name}"' in doctor for name in OF_DOCTOR)
    assert 'connection="GUARDRAILS_ACTIVITY_HUB_CONNECTION"' in functions_source()


def test_what_is_secret_is_a_reference_into_the_vault_and_nothing_else() -> None:
    ruleset = load_ruleset(DEFAULT_PATH)
    routes = {name for route in ruleset.routes for name in (route.address_setting, route.secret_setting) if name}
    secret = {name for name, item in SETTINGS.items() if item.metadata["secret"]} - {"AzureWebJobsStorage"}
    assert secret_settings() == routes | secret
    assert not secret_settings() & set(written_settings())
    module = code("modules/functions")
    assert "@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${toLower(replace(name, '_', '-'))})" in module
    assert value(module, "keyVaultReferenceIdentity") == "identityId"


def test_a_first_deployment_is_in_audit_mode_and_enforcing_leaves_it_to_the_ruleset() -> None:
    assert names(MAIN, "param")["mode"] == "string = 'audit'"
    mode = written_settings()["GUARDRAILS_MODE"]
    assert mode == "mode == 'audit' ? 'audit' : ''"
    for read in ("audit", ""):
        assert Settings.read({"AzureWebJobsStorage__accountName": "x", "GUARDRAILS_MODE": read}).mode == read
    for file, said in (("audit", "'audit'"), ("enforce", "'enforce'")):
        text = (INFRA / f"{file}.bicepparam").read_text("utf-8")
        assert re.findall(r"^param mode = (.+)$", text, re.MULTILINE) == [said]


@pytest.mark.parametrize("name", HOST)
def test_nobody_asks_for_a_key_and_no_domain_is_of_one_cloud(name: str) -> None:
    text = code(name)
    assert len(text) > 500
    assert not re.findall(r"\b(list[A-Z]\w*\(|AccountKey|SharedAccess\w*|InstrumentationKey|primaryKey|@@)", text)
    assert not re.findall(r"[\w.-]+\.(?:windows|azure|azurewebsites|microsoftonline|chinacloudapi)\.\w+", text)


def test_both_storage_accounts_know_no_key() -> None:
    storage = code("modules/storage")
    no_keys = keys(variable(storage, "noKeys"))
    assert no_keys == {
        "minimumTlsVersion": "'TLS1_2'",
        "supportsHttpsTrafficOnly": "true",
        "allowBlobPublicAccess": "false",
        "allowSharedKeyAccess": "false",
        "defaultToOAuthAuthentication": "true",
        "allowCrossTenantReplication": "false",
    }
    accounts = [
        one for name in HOST for one in resources(name) if one.type == "Microsoft.Storage/storageAccounts" and one.made
    ]
    assert [one.symbol for one in accounts] == ["account", "deadLetterAccount"]
    for one in accounts:
        assert re.search(r"properties: \{\n +\.\.\.noKeys\n", one.body), one.symbol
    assert "allowSharedKeyAccess: true" not in storage


def test_local_authentication_is_off_everywhere_but_at_the_optional_hub() -> None:
    found = {name: said for name in HOST if (said := re.findall(r"disableLocalAuth: (\w+)", code(name), re.IGNORECASE))}
    assert found == {"modules/monitoring": ["true", "true"], "modules/hub": ["false"]}
    assert names(MAIN, "param")["activityHub"] == "bool = false"
    publishing = [one.body for one in resources("modules/functions") if "basicPublishing" in one.type]
    off = {value(one, "name"): (value(one, "parent"), value(one, "allow")) for one in publishing}
    assert off == {"'ftp'": ("app", "false"), "'scm'": ("app", "false")}


APP, EVENTS, OPERATOR = "appPrincipalId", "eventsPrincipalId", "operatorPrincipalId"
ROLES = {
    ("storage", "account", APP, "storageBlobDataOwner"),
    ("storage", "account", APP, "storageQueueDataContributor"),
    ("storage", "account", APP, "storageTableDataContributor"),
    ("storage", "deadLetters", EVENTS, "storageBlobDataContributor"),
    ("storage", "account", OPERATOR, "storageQueueDataContributor"),
    ("storage", "account", OPERATOR, "storageTableDataContributor"),
    ("storage", "deadLetters", OPERATOR, "storageBlobDataContributor"),
    ("monitoring", "insights", APP, "monitoringMetricsPublisher"),
    ("vault", "vault", APP, "keyVaultSecretsUser"),
    ("vault", "vault", OPERATOR, "keyVaultSecretsOfficer"),
    ("hub", "hub", APP, "eventHubsDataReceiver"),
    ("topic", "topic", APP, "eventGridDataSender"),
}


def given_roles() -> set[tuple[str, str, str, str]]:
    """Every role assignment of the host: file, scope, who, role."""
    found = set()
    for name in HOST:
        for one in resources(name):
            if one.type != "Microsoft.Authorization/roleAssignments":
                continue
            who, text = value(one.body, "principalId"), code(name)
            loop = re.search(rf"resource {one.symbol} .*\[for role in (\w+):", text)
            said = variable(text, loop[1]) if loop else value(one.body, "name")
            if loop and not re.findall(r"roles\.(\w+)", said):  # `empty(...) ? [] : [...]`
                said = text[text.index(f"var {loop[1]} =") :].partition("]\n")[0]
            roles = re.findall(r"roles\.(\w+)", said)
            assert roles, (name, one.symbol)
            assert "roleDefinitions'" in one.body, (name, one.symbol)
            found |= {(name.removeprefix("modules/"), value(one.body, "scope"), who, role) for role in roles}
    return found


def test_the_roles_are_those_that_we_say_and_no_more() -> None:
    assert given_roles() == ROLES


def test_a_role_is_known_by_the_id_that_it_has_in_every_cloud() -> None:
    known: dict[str, str] = json.loads((INFRA / "modules" / "data-roles.json").read_text("utf-8"))
    assert set(known) == {role for *_, role in ROLES}
    assert len(set(known.values())) == len(known)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", guid) for guid in known.values())


def test_the_queues_and_the_table_are_those_that_the_code_uses() -> None:
    used = re.findall(r'queue_name="([\w-]+)"', functions_source())
    made = re.findall(r"'([\w-]+)'", variable(code("modules/storage"), "queueNames"))
    assert sorted(made) == sorted(used)
    assert len(used) == 4
    assert names(MAIN, "param")["tableName"] == f"string = '{SETTINGS['GUARDRAILS_TABLE'].default}'"


def test_instances_kept_warm_are_of_functions_that_there_are() -> None:
    warm = set(re.findall(r"'(\w+)'", variable(code("modules/functions"), "warm")))
    defined = {one.name for one in ast.parse(functions_source()).body if isinstance(one, ast.AsyncFunctionDef)}
    assert warm == {"on_exemption_written", "on_exemption_deleted"}
    assert warm <= defined


def test_a_private_network_has_an_endpoint_for_all_that_it_closes() -> None:
    endpoints = variable(code("modules/network"), "endpoints")
    assert re.findall(r"target: (\w+), group: '(\w+)'", endpoints) == [
        ("storageId", "blob"), ("storageId", "queue"), ("storageId", "table"), ("vaultId", "vault"),
    ]  # fmt: skip
    closing = {name for name in HOST if "closed && empty(allowedRanges) ? 'Disabled' : 'Enabled'" in code(name)}
    assert closing == {"modules/storage", "modules/vault"}
    assert MAIN.count("closed: privateNetwork") == 2


def test_dead_letters_stay_reachable_unless_asked_for_and_trusted_services_always() -> None:
    (dead_letters,) = (one for one in resources("modules/storage") if one.symbol == "deadLetterAccount")
    assert value(dead_letters.body, "publicNetworkAccess") == "'Enabled'"
    assert value(dead_letters.body, "defaultAction") == "deadLettersClosed ? 'Deny' : 'Allow'"
    assert value(dead_letters.body, "bypass") == "'AzureServices'"
    assert "deadLettersClosed: closeDeadLetters" in MAIN
    assert names(MAIN, "param")["closeDeadLetters"] == "bool = false"


def test_no_parameter_is_a_secret_with_a_default_value() -> None:
    text = (INFRA / "main.bicep").read_text("utf-8")
    secure = re.findall(r"@secure\(\)\nparam (\w+) (\w+)(.*)$", text, re.MULTILINE)
    assert secure == [("secrets", "object", " = {}")]
    vault = (INFRA / "modules" / "vault.bicep").read_text("utf-8")
    assert re.findall(r"@secure\(\)\nparam (\w+)", vault) == ["secrets"]


def test_ten_decisions_at_most_and_the_guide_has_each() -> None:
    text = (INFRA / "main.bicep").read_text("utf-8")
    first, marker, rest = text.partition("// --- what seldom changes")
    assert marker
    decisions, seldom = (re.findall(r"^param (\w+)", part, re.MULTILINE) for part in (first, rest))
    assert len(decisions) == 8  # and two that are no parameters: test_first_deployment.py
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    assert re.findall(r"^\| \d+ \| `(\w+)`", guide, re.MULTILINE) == decisions
    assert {name for name in seldom if f"`{name}`" not in guide} == set()


@pytest.mark.parametrize("file", ["main", "audit", "enforce"])
def test_parameter_files_give_what_has_no_default(file: str) -> None:
    parameters = names(MAIN, "param")
    needed = {name for name, rest in parameters.items() if "=" not in rest}
    assert needed == {"environmentName", "location"}
    text = (INFRA / f"{file}.bicepparam").read_text("utf-8")
    given = set(re.findall(r"^param (\w+) =", text, re.MULTILINE))
    assert needed <= given <= set(parameters)
    guide = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    asked = {name for name in re.findall(r"readEnvironmentVariable\(\s*'(\w+)'", text) if name.startswith("GUARDRAILS")}
    assert len(asked) == (12 if file == "main" else 0)
    assert {name for name in asked if f"`{name}`" not in guide} == set()
    # The command line is run with azd's variables: those that it reads too must mean the same there.
    assert asked & set(SETTINGS) <= {"GUARDRAILS_RULESET", "GUARDRAILS_SWEEP_SCOPES"}


def test_the_second_command_finds_what_it_wants_among_the_outputs() -> None:
    asked = re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "management-group.bicepparam").read_text("utf-8"))
    assert len(asked) >= 5
    assert set(asked) <= set(names(MAIN, "output"))


def test_the_command_line_is_held_at_audit_as_the_app_is() -> None:
    """An operator's `reconcile` must not revert what the app only reports, nor look into another table."""
    for setting, said in (("GUARDRAILS_MODE", "mode == 'audit' ? 'audit' : ''"), ("GUARDRAILS_TABLE", "tableName")):
        assert f"        {setting}: {said}\n" in MAIN
        assert f"output {setting} string = {said}\n" in MAIN


def test_azure_yaml_has_the_shape_that_azd_reads() -> None:
    """By azd's published schema, azure.yaml.json v1.0: the part that we use."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    assert set(read) == {"name", "infra", "services", "hooks"}
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", read["name"])
    assert read["infra"] == {"provider": "bicep", "path": "infra", "module": "main"}
    ((name, service),) = read["services"].items()
    assert service == {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    assert f"'azd-service-name': '{name}'" in code("modules/functions")
    assert "'azd-env-name': environmentName" in MAIN
    assert set(read["hooks"]) == {"postprovision"}
    hook = read["hooks"]["postprovision"]["posix"]
    assert hook.keys() == {"shell", "run", "interactive", "continueOnError"}
    assert hook["shell"] == "sh"
    assert set(re.findall(r"\$(\w+)", hook["run"])) == {"GUARDRAILS_VAULT", "GUARDRAILS_SECRET_SETTINGS"}
    assert {"GUARDRAILS_VAULT", "GUARDRAILS_SECRET_SETTINGS"} <= set(names(MAIN, "output"))
    script = ROOT / hook["run"].split()[0]
    assert os.access(script, os.X_OK)


def test_host_json_lets_every_fact_through() -> None:
    """With OpenTelemetry the host reads no sampling from host.json (Azure/azure-functions-host, issue 11496)."""
    read: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
    assert read["version"] == "2.0"
    assert read["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert read["extensions"]["queues"]["messageEncoding"] == "base64"
    assert read["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in read.get("logging", {})
    assert written_settings()["OTEL_TRACES_SAMPLER"] == "'always_on'"


def test_a_sweep_has_the_time_that_the_guide_says() -> None:
    read: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
    hours, minutes, seconds = map(int, read["functionTimeout"].split(":"))
    assert (hours, minutes, seconds) == (0, 30, 0)
    guide = (ROOT / "docs/monitoring.md").read_text("utf-8")
    assert re.findall(r"after (\d+)\s+minutes \(`functionTimeout` in `host.json`\)", guide) == [str(minutes)]


def test_only_event_grid_keeps_strangers_from_the_health_endpoint_too() -> None:
    assert "eventGridOnly ? 'Deny' : 'Allow'" in value(code("modules/functions"), "ipSecurityRestrictionsDefaultAction")
    row = next(line for line in (ROOT / "docs/deploy.md").read_text("utf-8").splitlines() if "own address: all" in line)
    assert "Nobody else can call `/api/health`" in row
