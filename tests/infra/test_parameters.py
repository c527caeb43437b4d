"""Parameters: pairs that do not fit are refused before anything is made, and the files hold what the guides ask for."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.infra.bicep import INFRA, ROOT, block, code, names, resources, value

HOST_FILES = ("main", "audit", "enforce")
FILES = {**dict.fromkeys(HOST_FILES, "main"), "management-group": "management-group"}
"""Parameter file -> the template that it is for."""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "empty": lambda one: not one,
    "length": len,
    "union": lambda *lists: list(dict.fromkeys(one for some in lists for one in some)),
    "intersection": lambda first, second: [one for one in first if one in second],
    "objectKeys": sorted,
    "contains": lambda some, one: one in some,
    "split": lambda text, by: text.split(by),
    "bool": lambda text: text == "true",
    "int": int,
    "replace": lambda text, old, new: text.replace(old, new),
    "readEnvironmentVariable": lambda _, default="/subscriptions/s/x": default,
}
"""What our expressions use of Bicep's functions."""


def evaluated(expression: str, known: Mapping[str, Any]) -> Any:
    """Return what an expression of ours comes to: operators are Bicep's, all else is Python's as well."""
    for bicep, python in (("&&", " and "), (r"\|\|", " or "), (r"!(?!=)", " not ")):
        expression = re.sub(bicep, python, expression)
    chosen = re.fullmatch(r"(.+?) \? (.+?) : (.+)", expression)
    expression = f"({chosen[2]}) if ({chosen[1]}) else ({chosen[3]})" if chosen else expression
    words = {"true": True, "false": False, "__builtins__": {}}
    return eval(expression, {**words, **FUNCTIONS, **known})  # noqa: S307 - our own files


def defaults(template: str) -> dict[str, Any]:
    """Return name -> default value of the parameters of a template, those that another function makes aside."""
    found: dict[str, Any] = {"functionAppId": "/subscriptions/s/x"}
    for name, rest in names(code(template), "param").items():
        _, given, expression = rest.partition(" = ")
        if given and "(" not in expression.replace("split(", "") and "${" not in expression:
            found[name] = evaluated(expression, found)
    return found


def values(file: str) -> dict[str, Any]:
    """Return name -> value of what a parameter file sets, with nothing in the environment."""
    text = (INFRA / f"{file}.bicepparam").read_text("utf-8")
    found: dict[str, Any] = {}
    for name, expression in re.findall(r"^(?:param|var) (\w+) = (.+)$", text, re.MULTILINE):
        found[name] = evaluated(expression, found)
    given = re.findall(r"^param (\w+) =", text, re.MULTILINE)
    return {name: found[name] for name in given}


def refused(template: str, **given: Any) -> list[str]:
    """Return what a template says of these parameters; all others have their defaults."""
    source = code(template)
    pairs = re.findall(r"^    wrong: (.+)\n    said: '(.+)'$", source, re.MULTILINE)
    assert len(pairs) == source.count("    wrong: ") > 0
    initiative = json.loads((INFRA / "policies/initiatives/exemption-guardrails-deny.json").read_text("utf-8"))
    members = initiative["properties"]["policyDefinitions"]
    denials = [one["policyDefinitionReferenceId"] for one in members]
    known = {"denials": denials, **defaults(template), **given}
    return [said for wrong, said in pairs if evaluated(wrong, known)]


@pytest.mark.parametrize(
    ("template", "given", "named"),
    [
        ("main", {"secrets": {"TEAMS_WEBHOOK_URL": "x"}}, ["secretNames", "secrets"]),
        ("main", {"secretNames": ["TEAMS_WEBHOOK_URL"]}, ["secretNames", "secrets"]),
        ("main", {"secretNames": ["A_URL"], "secrets": {"A_URL": "x"}}, ["secretNames", "secretSettings"]),
        ("main", {"privateNetwork": True, "appSubnetId": "/s"}, ["appSubnetId", "endpointSubnetId"]),
        ("main", {"privateNetwork": True, "endpointSubnetId": "/s"}, ["appSubnetId", "endpointSubnetId"]),
        ("main", {"appSubnetId": "/s", "endpointSubnetId": "/e"}, ["appSubnetId", "privateNetwork"]),
        ("main", {"dnsZoneIds": {"blob": "/z"}}, ["dnsZoneIds", "privateNetwork"]),
        ("main", {"allowedRanges": ["203.0.113.7"]}, ["allowedRanges", "privateNetwork"]),
        ("main", {"deployRanges": ["203.0.113.7/32"]}, ["deployRanges", "eventGridOnly"]),
        ("main", {"sweepSchedule": "01:00:00"}, ["sweepSchedule", "six"]),
        ("main", {"sweepSchedule": "*/5 * * * *"}, ["sweepSchedule", "six"]),
        ("main", {"sweepSchedule": "%SCHEDULE%"}, ["sweepSchedule", "six"]),
        ("management-group", {"eventsIdentityId": ""},
         ["deadLetterIdentity", "eventsIdentityId", "GUARDRAILS_EVENTS_IDENTITY_ID", "SystemAssigned"]),
        ("management-group", {"activityLogGroups": ["MG"], "hubRuleId": ""}, ["activityLogGroups", "hubRuleId"]),
        ("management-group", {"activityLogGroups": ["MG"], "hubRuleId": "/r", "hubName": ""}, ["hubName"]),
        ("management-group", {"denyRules": ["expiry-missing"]}, ["denyRules", "prevent"]),
        ("management-group", {"denyDeletes": True}, ["denyDeletes", "prevent"]),
        ("management-group", {"letPast": {"delete": ["ID"]}}, ["letPast", "prevent"]),
        ("management-group", {"prevent": True, "denyRules": ["expiry-missing", "expired"]}, ["denyRules", "README"]),
        ("management-group", {"prevent": True, "denyRules": ["delete"]}, ["denyRules", "denyDeletes"]),
        ("management-group", {"prevent": True, "letPast": {"expiry-mising": ["ID"]}}, ["letPast", "delete"]),
        ("management-group", {"tagExceptions": True}, ["tagExceptions", "prevent"]),
        ("management-group", {"inheritTags": True}, ["inheritTags", "prevent"]),
    ],
)  # fmt: skip
def test_a_pair_that_does_not_fit_is_refused_by_name(template: str, given: dict[str, Any], named: list[str]) -> None:
    base = {"eventsIdentityId": "/identity"} if template == "management-group" else {}
    (said,) = refused(template, **{**base, **given})
    assert set(named) <= set(re.findall(r"\w+", said))


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("main", {}),
        ("main", {"secretNames": ["TEAMS_WEBHOOK_URL"], "secrets": {"TEAMS_WEBHOOK_URL": "x"}}),
        ("main", {"secretSettings": ["A", "A"]}),
        ("main", {"sweepSchedule": "0 0 8-18 * * Mon-Fri"}),
        ("main", {"privateNetwork": True, "allowedRanges": ["203.0.113.7"], "dnsZoneIds": {"blob": "/z"}}),
        ("main", {"privateNetwork": True, "appSubnetId": "/s", "endpointSubnetId": "/e"}),
        ("main", {"closeDeadLetters": True, "allowedRanges": ["203.0.113.7"]}),
        ("main", {"eventGridOnly": True, "deployRanges": ["203.0.113.7/32"]}),
        ("management-group", {"eventsIdentityId": "/identity"}),
        ("management-group", {"eventsIdentityId": "", "deadLetterIdentity": "SystemAssigned"}),
        ("management-group", {"eventsIdentityId": "", "onboard": False}),
        ("management-group", {"eventsIdentityId": "/i", "activityLogGroups": ["MG"], "hubRuleId": "/r"}),
        ("management-group", {"eventsIdentityId": "/i", "prevent": True, "denyRules": ["expiry-missing"]}),
        (
            "management-group",
            {
                "eventsIdentityId": "/i",
                "prevent": True,
                "denyDeletes": True,
                "letPast": {"delete": ["ID"], "expiry-missing": ["ID"]},
            },
        ),
    ],
)
def test_what_fits_is_not_refused(template: str, given: dict[str, Any]) -> None:
    assert refused(template, **given) == []


@pytest.mark.parametrize("file", FILES)
def test_no_parameter_file_is_refused_as_it_is_shipped(file: str) -> None:
    given = values(file)
    assert refused(FILES[file], **({"eventsIdentityId": "/identity"} if "eventsIdentityId" in given else {})) == []
    assert refused(FILES[file], **{**given, "eventsIdentityId": "/identity"}) == []


@pytest.mark.parametrize(
    ("template", "condition", "otherwise", "module"),
    [
        ("main", "closes", "privateNetwork", "network 'modules/network.bicep'"),
        ("management-group", "onboards", "onboard", "onboarding 'modules/onboarding.bicep'"),
    ],
)
def test_the_refusal_is_inside_a_condition(template: str, condition: str, otherwise: str, module: str) -> None:
    """Conditions are evaluated at the start, of modules that are left out too: nothing has been made by then."""
    source = code(template)
    assert f"var {condition} = empty(refused) ? {otherwise} : fail(join(refused, ' '))\n" in source
    assert "], one => one.wrong), one => one.said)" in source
    assert f"module {module} = if ({condition}) {{" in source


def test_no_refusal_quotes_a_secret() -> None:
    source = code("main")
    assert "${" not in "".join(re.findall(r"said: '(.+)'", source))
    assert "secretNames" in block(source, source.index("module vault "))


def test_what_if_sees_the_names_of_secrets() -> None:
    """A loop over a secure object cannot be looked into; one over a list of names can, and the values stay hidden."""
    (given,) = (one for one in resources("modules/vault") if one.type == "Microsoft.KeyVault/vaults/secrets")
    assert f"resource {given.symbol} 'Microsoft.KeyVault/vaults/secrets@" in code("modules/vault")
    assert re.search(r"vaults/secrets@[\d-]+' = \[for name in secretNames: \{", code("modules/vault"))
    assert value(given.body, "value") == "secrets[name]"
    for name in ("main", "modules/vault"):
        text = (INFRA / f"{name}.bicep").read_text("utf-8")
        assert re.search(r"@description\('[^\n]+\nparam secretNames array", text), "no @secure() is before it"


def asked_for(template: str) -> set[str]:
    """Return the parameters that a page names, save secure ones and those whose value is made of others."""
    pages = [page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md")]
    words = {word for text in pages for word in re.findall(r"`(\w+)(?: = [^`\n]+)?`", text)}
    source = (INFRA / f"{template}.bicep").read_text("utf-8")
    secure = set(re.findall(r"@secure\(\)\nparam (\w+)", source))
    made = re.compile(r"= (deployment\(|utcNow\(|.*\$\{)")
    return {name for name, rest in names(source, "param").items() if not made.search(rest)} & words - secure


def missing(template: str, file: str) -> set[str]:
    """Return the parameters that a page asks for and a parameter file lacks."""
    return asked_for(template) - set(re.findall(r"^param (\w+) =", file, re.MULTILINE))


@pytest.mark.parametrize("file", FILES)
def test_a_parameter_file_holds_each_parameter_that_the_guides_ask_for(file: str) -> None:
    assert len(asked_for(FILES[file])) > 15
    assert missing(FILES[file], (INFRA / f"{file}.bicepparam").read_text("utf-8")) == set()


@pytest.mark.parametrize("file", FILES)
def test_each_line_of_a_parameter_file_that_a_guide_asks_for_would_be_missed(file: str) -> None:
    text = (INFRA / f"{file}.bicepparam").read_text("utf-8")
    for name in asked_for(FILES[file]):
        less = re.sub(rf"^param {name} =.*\n", "", text, flags=re.MULTILINE)
        assert missing(FILES[file], less) == {name}


@pytest.mark.parametrize("file", FILES)
def test_what_a_file_does_not_decide_has_the_default_of_the_template(file: str) -> None:
    decided = {
        "enforce": {"mode": "enforce", "ruleset": "ruleset.yaml", "alwaysReady": 1, "lockRegister": True},
        "management-group": {"hubName": ""},
    }
    usual = defaults(FILES[file])
    differs = {name: given for name, given in values(file).items() if name in usual and given != usual[name]}
    differs.pop("functionAppId", None)
    assert differs == decided.get(file, {})
