"""Files that speak of exemptions and are not what Azure returns: what each is, and what to give instead. Pure.

Policy as code says what is to be, with names, variables and scopes that only a deployment fills in. Nothing in such a
file is judged as if Azure had returned it.
"""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from guardrails.lazy_regex import lazy_regex

THIS_IS: Final = "this is "
"""What all that is said here begins with."""

_EPAC: Final = "an exemption file of Enterprise Policy as Code"
_FACTORY: Final = "an exemption file of AzPolicyFactory"
_TERRAFORM: Final = "Terraform configuration"
_PARAMETERS: Final = "a parameter file of a deployment"
_TEMPLATE: Final = "a deployment template"
_CSV: Final = "a CSV file"
_PAGE: Final = "a web page"
_REPORT: Final = "a report of judge or scan"

_DEPLOYED: Final = "deploy it, and use the answer of Azure Resource Manager"
_BICEP: Final = "Bicep"
_CHECK: Final = "judge it with `exg check` before it is deployed, or deploy it and save Azure's answer"
_INSTEAD: Final = {
    _TEMPLATE: _CHECK,
    _PARAMETERS: _CHECK,
    _BICEP: _CHECK,
    _EPAC: _CHECK,
    _FACTORY: _CHECK,
    _CSV: "save Azure's answer as JSON",
    _PAGE: "sign in again, and save Azure's answer as JSON",
    _REPORT: "use the answer of Azure Resource Manager",
}

_ENDINGS: Final = {
    ".tf": _TERRAFORM, ".tfvars": _TERRAFORM, ".hcl": _TERRAFORM, ".bicep": _BICEP, ".bicepparam": _BICEP,
}  # fmt: skip
_TEXTS: Final = {
    _PAGE: lazy_regex(r"\A\s*<(?:!doctype|html)\b", re.IGNORECASE),
    _BICEP: lazy_regex(
        r"^[ \t]*(?:targetScope\s*=|using\s+(?:'|none\b)|(?:resource|module)\s+\w+\s+'|param\s+\w+[\s=])", re.MULTILINE
    ),
    _TERRAFORM: lazy_regex(
        r'^[ \t]*(?:(?:resource|data|variable|output|module|provider)\s+"[^"\n]*"(?:\s+"[^"\n]*")?'
        r"|locals|terraform|moved|import|removed)\s*\{",
        re.MULTILINE,
    ),
    _EPAC: lazy_regex(r'"exemptions"\s*:\s*\['),
}
_READ: Final = 100_000
"""Characters of a text that is no JSON in which its kind is looked for."""

_PROVIDERS: Final = ("azurerm_", "azapi_")

_COMMENTS: Final = lazy_regex(r'("(?:[^"\\\n]|\\.)*+"?)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_COMMAS: Final = lazy_regex(r'("(?:[^"\\\n]|\\.)*+"?)|,(?=\s*[}\]])')

_RESOURCES: Final = {
    "policyassignments": "a policy assignment, not an exemption; pass it with --assignments",
    "policysetdefinitions": "an initiative, not an exemption; pass it with --assignments",
    "policydefinitions": "a policy definition, not an exemption; pass it with --assignments",
}
_RESOURCE: Final = lazy_regex(rf"/({'|'.join(_RESOURCES)}|policyexemptions)/", re.IGNORECASE)
_TARGETS: Final = frozenset({
    "scope", "scopes", "assignmentreferenceid", "policydefinitionname", "policydefinitionid", "policysetdefinitionname",
    "policysetdefinitionid",
})  # fmt: skip
"""What an entry of Enterprise Policy as Code says, and Azure does not: to what it applies, and from what."""


def of_text(text: str, name: str = "") -> str:
    """Return what a text is that is no JSON, in a file of this name, and what to give instead; "" if nobody knows."""
    head = text[:_READ]
    what = _ENDINGS.get(PurePath(name).suffix.lower()) or _of_table(head, name) or _of_commented(head)
    return _said(what or next((what for what, form in _TEXTS.items() if form.search(head)), ""))


def of_object(node: Mapping[str, Any]) -> str:
    """Return what a JSON object is that is no resource of Azure, and what to give instead; "" if nobody knows."""
    return _said(_kind(node))


def of_id(identity: object) -> str:
    """Return what the resource with an id is, where it is of a kind that people take for exemptions; "" elsewhere."""
    kinds = _RESOURCE.findall(identity) if isinstance(identity, str) else []
    what = _RESOURCES.get(kinds[-1].lower(), "") if kinds else ""
    return what and THIS_IS + what


def _said(what: str) -> str:
    return what and f"{THIS_IS}{what}; {_INSTEAD.get(what, _DEPLOYED)}"


def _kind(node: Mapping[str, Any]) -> str:
    names = {str(key).lower() for key in node}
    if {"verdict", "findings"} <= names or {"judged_at", "exemptions"} <= names:
        return _REPORT
    if names & {"id", "resourceid"}:
        return ""
    schema = str(node.get("$schema") or "").lower()
    inner = {name for name in ("resources", "parameters") if isinstance(node.get(name), list | Mapping)}
    if "terraform_version" in names or {"format_version", "values"} <= names:
        return "a plan of Terraform" if names & {"planned_values", "resource_changes"} else "a state of Terraform"
    if "resources" in inner and names & {"$schema", "contentversion"}:
        return _TEMPLATE
    if "deploymentparameters" in schema or ("contentversion" in names and "parameters" in inner):
        return _PARAMETERS
    if isinstance(node.get("resource"), Mapping) and any(str(key).startswith(_PROVIDERS) for key in node["resource"]):
        return _TERRAFORM
    if "policyexemption" in names:
        return _FACTORY
    entry = "exemptioncategory" in names and names & _TARGETS
    return _EPAC if entry or "exemptions" in names or "policy-exemption-schema" in schema else ""


def _of_table(head: str, name: str) -> str:
    """Return what a table is: known by its column names, or by the file's."""
    first = head.lstrip("\ufeff \r\n\t").partition("\n")[0]
    columns = {column.strip('"\r ').lower() for column in re.split("[,;\t]", first)}
    if "exemptioncategory" in columns and not columns & {"id", "resourceid"}:
        return _EPAC
    return _CSV if "exemptioncategory" in columns or PurePath(name).suffix.lower() == ".csv" else ""


def _of_commented(head: str) -> str:
    """Return what a JSON text with comments and trailing commas is."""
    bare = _COMMAS.sub(r"\1", _COMMENTS.sub(r"\1", head))
    try:
        node = json.loads(bare)
    except (ValueError, RecursionError):
        return ""
    first = node[0] if isinstance(node, list) and node else node
    return _kind(first) if isinstance(first, dict) else ""
