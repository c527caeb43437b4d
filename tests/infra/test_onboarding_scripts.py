"""infra/scripts: run by a real shell, with an `az` on PATH that answers from a table and records what it is asked."""

import json
import os
import shutil
import subprocess
import sys
from ast import literal_eval
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "infra" / "scripts"
ONE, TWO = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
HOST = "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/rg-guardrails"
APP = f"{HOST}/providers/Microsoft.Web/sites/func"
ACCOUNT = f"{HOST}/providers/Microsoft.Storage/storageAccounts/stdead"
EVENTS = f"{HOST}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-events"
GROUP, TOPIC = "rg-exemption-guardrails-events", "evgt-exemption-guardrails"
MG = "/providers/Microsoft.Management/managementGroups/contoso"
NAMES = ["on-exemption-written", "on-exemption-deleted", "on-scope-changed"]
READS = ("list", "show", "get")
# The log and the answers are Python literals, so that this script imports nothing but sys.
FAKE = """#!{python} -IS
import sys
said = sys.argv[1:]
with open({log!r}, "a", encoding="utf-8") as log:
    print(repr(said), file=log)
for wanted, output, code in {answers!r}:
    if all(one in " ".join(said) for one in wanted):
        print(output)
        sys.exit(code)
"""

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")


def topic(subscription: str, group: str = GROUP, name: str = TOPIC) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.EventGrid/systemTopics/{name}"


@dataclass
class Azure:
    """The fake: what it answers (words that a command must hold, output, exit status), and what it was asked."""

    folder: Path
    answers: list[tuple[list[str], str, int]] = field(default_factory=list)

    def answer(self, *words: str, output: str = "", code: int = 0) -> None:
        self.answers.append((list(words), output, code))

    def has_topic(self, subscription: str, found: str = "") -> None:
        found = found or topic(subscription)
        self.answer("resource list", subscription, "--resource-type", output=found)
        self.answer("resource show", found, output="microsoft.resources.subscriptions")

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        log, fake = self.folder / "log", self.folder / "az"
        log.write_text("", "utf-8")
        fake.write_text(FAKE.format(python=sys.executable, log=str(log), answers=self.answers), "utf-8")
        fake.chmod(0o755)
        shell = shutil.which("sh") or ""
        return subprocess.run(  # noqa: S603 - our own script
            [shell, str(SCRIPTS / script), *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{self.folder}{os.pathsep}/usr/bin{os.pathsep}/bin", **environment},
        )

    @property
    def asked(self) -> list[list[str]]:
        return [literal_eval(line) for line in (self.folder / "log").read_text("utf-8").splitlines()]

    @property
    def changes(self) -> list[str]:
        """What was asked and changes something, without the words after its name."""
        said = [one for one in self.asked if one[0] != "account" and not set(one) & set(READS)]
        return [" ".join(word for word in one if not word.startswith(("-", "{"))) for one in said]


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    return Azure(tmp_path)


HOST_SETTINGS = {
    "GUARDRAILS_FUNCTION_APP_ID": APP,
    "GUARDRAILS_DEAD_LETTER_ACCOUNT_ID": ACCOUNT,
    "GUARDRAILS_EVENTS_IDENTITY_ID": EVENTS,
    "GUARDRAILS_PRINCIPAL_ID": "app-principal",
}


def onboard(azure: Azure, *arguments: str) -> subprocess.CompletedProcess[str]:
    return azure.run("onboard.sh", "--location", "westeurope", *arguments, **HOST_SETTINGS)


def deployments(azure: Azure) -> list[dict[str, str]]:
    """Return the parameters of each deployment, and under `in` its subscription."""
    found = []
    for said in azure.asked:
        if said[:3] == ["deployment", "sub", "create"]:
            given = dict(one.split("=", 1) for one in said[said.index("--parameters") + 1 :])
            found.append({**given, "in": said[said.index("--subscription") + 1]})
    return found


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sh")))
def test_it_is_plain_sh(script: str) -> None:
    for shell in filter(None, map(shutil.which, ("sh", "dash", "bash"))):
        done = subprocess.run(  # noqa: S603 - our own file
            [shell, "-n", str(SCRIPTS / script)], check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", ["onboard.sh", "offboard.sh"])
def test_it_can_be_run_and_explains_itself(azure: Azure, script: str) -> None:
    assert os.access(SCRIPTS / script, os.X_OK)
    done = azure.run(script, "--help")
    assert done.returncode == 0
    assert f"usage: {script}" in done.stdout
    assert "--dry-run" in done.stdout
    assert azure.asked == []


def test_a_subscription_is_onboarded_by_the_template(azure: Azure) -> None:
    done = onboard(
        azure, "--subscription", ONE, "--target-types", "Microsoft.Storage/storageAccounts, Microsoft.Sql/servers"
    )
    assert (done.returncode, done.stderr) == (0, "")
    (given,) = deployments(azure)
    assert given.pop("version").startswith("script-")
    assert given == {
        "in": ONE,
        "functionAppId": APP,
        "deadLetterAccountId": ACCOUNT,
        "deadLetterContainer": "dead-letters",
        "deadLetterIdentity": "UserAssigned",
        "eventsIdentityId": EVENTS,
        "targetTypes": '["Microsoft.Storage/storageAccounts", "Microsoft.Sql/servers"]',
        "location": "westeurope",
        "groupName": GROUP,
        "topicName": TOPIC,
        "makeTopic": "true",
        "tags": "{}",
    }
    template = json.loads((SCRIPTS.parent / "onboarding" / "subscription.json").read_text("utf-8"))
    assert set(given) - {"in"} | {"version"} == set(template["parameters"])
    assert azure.changes[0] == f"provider register Microsoft.EventGrid {ONE}"


def test_again_it_says_the_same_and_other_filters_another_version(azure: Azure) -> None:
    onboard(azure, "--subscription", ONE)
    first = deployments(azure)
    azure.has_topic(ONE)
    onboard(azure, "--subscription", ONE)
    assert deployments(azure) == first
    onboard(azure, "--subscription", ONE, "--target-types", "Contoso.A/b")
    assert deployments(azure)[0]["version"] != first[0]["version"]


def test_a_list_with_comments(azure: Azure, tmp_path: Path) -> None:
    listed = tmp_path / "subscriptions"
    listed.write_text(f"# ours\n{ONE.upper()}  # production\n\n{TWO}", "utf-8")
    assert onboard(azure, "--file", str(listed)).returncode == 0
    assert [one["in"] for one in deployments(azure)] == [ONE, TWO]


def test_all_of_a_management_group_page_by_page(azure: Azure) -> None:
    more = "https://management.azure.com/next?page=2"
    azure.answer("descendants", output=f"{more}\n{ONE}")
    azure.answer("rest", more, output=f"-\n{TWO}")
    done = onboard(azure, "--management-group", "contoso")
    assert done.returncode == 0
    assert [one["in"] for one in deployments(azure)] == [ONE, TWO]
    assert "onboarded: 2" in done.stdout


def test_a_dry_run_changes_nothing_and_shows_what_it_would_do(azure: Azure) -> None:
    done = onboard(azure, "--subscription", ONE, "--dry-run")
    assert done.returncode == 0
    assert azure.changes == []
    assert "would run: az deployment sub create" in done.stdout
    assert "nothing was changed" in done.stdout


def test_a_topic_of_others_is_named_and_taken_only_when_asked(azure: Azure) -> None:
    theirs = topic(ONE, "rg-other", "evgt-other")
    azure.has_topic(ONE, theirs)
    done = onboard(azure, "--subscription", ONE, "--subscription", TWO)
    assert done.returncode == 1
    assert theirs in done.stdout
    assert "--use-existing-topic" in done.stdout
    assert f"failed: {ONE}" in done.stdout
    assert [one["in"] for one in deployments(azure)] == [TWO]
    assert onboard(azure, "--subscription", ONE, "--use-existing-topic").returncode == 0
    (given,) = deployments(azure)
    assert (given["groupName"], given["topicName"], given["makeTopic"]) == ("rg-other", "evgt-other", "false")


def test_one_failure_does_not_stop_the_others(azure: Azure) -> None:
    azure.answer("deployment sub create", ONE, code=1)
    done = onboard(azure, "--subscription", ONE, "--subscription", TWO)
    assert done.returncode == 1
    assert len(deployments(azure)) == 2
    assert "onboarded: 1" in done.stdout
    assert f"failed: {ONE}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--location", "westeurope"], "no subscription"),
        (["--subscription", ONE], "--location is missing"),
        (["--location", "westeurope", "--subscription", "production"], "'production' is no subscription id"),
        (["--location", "westeurope", "--file", "/no/such/file"], "cannot read /no/such/file"),
        (["--location"], "its value is missing"),
        (["--colour", "blue"], "unknown option '--colour'"),
        (["--location", "w", "--subscription", ONE, "--target-types", ",".join(["a/b"] * 12)], "at most 11"),
    ],
)
def test_mistakes_are_reported_before_anything_is_done(azure: Azure, arguments: list[str], said: str) -> None:
    done = azure.run("onboard.sh", *arguments, **HOST_SETTINGS)
    assert done.returncode == 2
    assert said in done.stderr
    assert azure.changes == []


def test_what_the_host_is_must_be_known(azure: Azure) -> None:
    for missing in ("GUARDRAILS_FUNCTION_APP_ID", "GUARDRAILS_DEAD_LETTER_ACCOUNT_ID", "GUARDRAILS_EVENTS_IDENTITY_ID"):
        known = {name: one for name, one in HOST_SETTINGS.items() if name != missing}
        done = azure.run("onboard.sh", "--location", "westeurope", "--subscription", ONE, **known)
        assert (done.returncode, missing in done.stderr, azure.asked) == (2, True, [])


def test_without_a_login_it_says_so(azure: Azure) -> None:
    azure.answer("account show", code=1)
    done = onboard(azure, "--subscription", ONE)
    assert (done.returncode, "az login" in done.stderr) == (2, True)


def offboard(azure: Azure, *arguments: str) -> subprocess.CompletedProcess[str]:
    return azure.run("offboard.sh", *arguments, **HOST_SETTINGS)


def test_offboarding_a_subscription_takes_out_what_was_made(azure: Azure) -> None:
    azure.has_topic(ONE)
    azure.answer("event-subscription list", ONE, output="\n".join(NAMES))
    done = offboard(azure, "--subscription", ONE)
    assert (done.returncode, done.stderr) == (0, "")
    removed = [f"eventgrid system-topic event-subscription delete {ONE} {GROUP} {TOPIC} {name}" for name in NAMES]
    assert azure.changes == [*removed, f"group delete {ONE} {GROUP}"]
    assert "the register" in done.stdout
    assert "What stays" in done.stdout
    assert "exclude the subscription" in done.stdout


def test_offboarding_leaves_what_is_others(azure: Azure) -> None:
    theirs = topic(ONE, "rg-other", "evgt-other")
    azure.has_topic(ONE, theirs)
    azure.answer("event-subscription list", ONE, output=f"cost-alerts\n{NAMES[0]}")
    azure.has_topic(TWO)
    azure.answer("event-subscription list", TWO, output=NAMES[0])
    azure.answer("resource list", TWO, f"--resource-group {GROUP}", output="/some/other/resource")
    done = offboard(azure, "--subscription", ONE, "--subscription", TWO)
    assert done.returncode == 0
    delete = "eventgrid system-topic event-subscription delete"
    assert azure.changes == [
        f"{delete} {ONE} rg-other evgt-other {NAMES[0]}",
        f"{delete} {TWO} {GROUP} {TOPIC} {NAMES[0]}",
        f"eventgrid system-topic delete {TWO} {GROUP} {TOPIC}",
    ]


def test_offboarding_a_management_group_begins_with_the_policy_and_ends_with_the_roles(azure: Azure) -> None:
    azure.answer("descendants", output=f"-\n{ONE}")
    azure.answer("policy assignment list", MG, output="policy-principal")
    azure.answer("policy definition list", output="exemption-guardrails-onboarding")
    for place in (MG, APP, ACCOUNT, EVENTS):
        mine = f"{place}/providers/Microsoft.Authorization/roleAssignments/policy"
        azure.answer("role assignment list", f"--scope {place} ", "policy-principal", output=mine)
    above = "/providers/Microsoft.Management/managementGroups/top/providers/Microsoft.Authorization/roleAssignments/x"
    app_role = f"{MG}/providers/Microsoft.Authorization/roleAssignments/app"
    azure.answer("role assignment list", MG, "app-principal", output=f"{above}\n{app_role}")
    azure.answer("role definition list", "Exemption Guardrails Reader", output="reader-guid")
    azure.answer("role definition list", HOST, "Onboarder of the Host", output="host-guid")
    azure.answer("role definition list", HOST, "Onboarder in the Group of the Host", output="group-guid")
    for group in ("contoso", "platform"):
        azure.answer("rest --method get", f"managementGroups/{group}/providers", output="exemption-guardrails")
    azure.has_topic(ONE)
    azure.answer("event-subscription list", ONE, output=NAMES[0])
    done = offboard(azure, "--management-group", "contoso", "--activity-log-group", "platform")
    assert (done.returncode, done.stderr) == (0, "")
    taken = [
        f"role assignment delete {place}/providers/Microsoft.Authorization/roleAssignments/policy"
        for place in (MG, APP, ACCOUNT, EVENTS)
    ]
    setting = "providers/Microsoft.Insights/diagnosticSettings/exemption-guardrails?api-version=2021-05-01-preview"
    assert azure.changes == [
        *taken,
        f"policy assignment delete guardrails-onboarding {MG}",
        "policy definition delete exemption-guardrails-onboarding contoso",
        f"eventgrid system-topic event-subscription delete {ONE} {GROUP} {TOPIC} {NAMES[0]}",
        f"group delete {ONE} {GROUP}",
        f"role assignment delete {app_role}",
        f"role definition delete reader-guid {MG}",
        f"role definition delete host-guid {HOST}",
        f"role definition delete group-guid {HOST}",
        f"rest delete {MG}/{setting}",
        f"rest delete {MG.replace('contoso', 'platform')}/{setting}",
    ]
    assert "Preventive policies" in done.stdout


def test_offboarding_again_finds_nothing_and_is_content(azure: Azure) -> None:
    azure.answer("descendants", output=f"-\n{ONE}")
    done = offboard(azure, "--management-group", "contoso")
    assert (done.returncode, done.stderr) == (0, "")
    assert azure.changes == []  # not even what Azure may refuse to delete because it is not there


def test_offboarding_dry(azure: Azure) -> None:
    azure.has_topic(ONE)
    azure.answer("event-subscription list", ONE, output=NAMES[0])
    done = offboard(azure, "--subscription", ONE, "--dry-run")
    assert azure.changes == []
    assert f"would run: az group delete --subscription {ONE}" in done.stdout


def test_offboarding_says_what_failed(azure: Azure) -> None:
    azure.has_topic(ONE)
    azure.answer("event-subscription list", ONE, output=NAMES[0])
    azure.answer("event-subscription delete", code=1)
    done = offboard(azure, "--subscription", ONE)
    assert done.returncode == 1
    assert f"failed: {ONE}" in done.stdout
    assert not [one for one in azure.changes if one.startswith("group")]
