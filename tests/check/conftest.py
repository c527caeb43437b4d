"""A repository of code to check, and the command on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, run_captured

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUB}/resourceGroups/rg-one"
CORP = "/providers/Microsoft.Management/managementGroups/corp"
ASSIGNMENT = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/net"
NOW = "2026-11-28T00:00:00Z"

type Write = Callable[[str, Any], Path]
type Check = Callable[..., Ran]


def assignment(name: str) -> str:
    """The assignment that an exemption of this name exempts from: one of its own, so that none repeats another."""
    return ASSIGNMENT if name == "w" else f"{ASSIGNMENT}-{name}"


def bicep(name: str = "w", **properties: str) -> str:
    """A Bicep resource that keeps all rules; properties are Bicep's own text."""
    said = {
        "policyAssignmentId": f"'{assignment(name)}'", "policyDefinitionReferenceIds": "[ 'tls' ]",
        "exemptionCategory": "'Waiver'",
        "description": "'The uploader of a partner cannot use private endpoints until its next release.'",
        "expiresOn": "'2027-03-31T00:00:00Z'",
        "metadata": "{ owner: 'web@contoso.com', ticket: 'SEC-1' }",
    } | properties  # fmt: skip
    lines = "".join(f"    {key}: {value}\n" for key, value in said.items())
    return (
        f"resource {name.replace('-', '_')} 'Microsoft.Authorization/policyExemptions@2022-07-01-preview' = {{\n"
        f"  name: '{name}'\n  properties: {{\n{lines}  }}\n}}\n"
    )


def arm(name: str = "w", resources: Any = None, **properties: Any) -> dict[str, Any]:
    """An ARM template with one exemption that keeps all rules, or with these resources."""
    said = {
        "policyAssignmentId": assignment(name), "policyDefinitionReferenceIds": ["tls"], "exemptionCategory": "Waiver",
        "description": "The uploader of a partner cannot use private endpoints until its next release.",
        "expiresOn": "2027-03-31T00:00:00Z", "metadata": {"owner": "web@contoso.com", "ticket": "SEC-1"},
    } | properties  # fmt: skip
    one = {
        "type": "Microsoft.Authorization/policyExemptions", "apiVersion": "2022-07-01-preview", "name": name,
        "properties": {key: value for key, value in said.items() if value is not None},
    }  # fmt: skip
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [one] if resources is None else resources,
    }


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An empty repository."""
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    return root


@pytest.fixture
def write(repo: Path) -> Write:
    """Write a file of text, bytes or JSON below the repository."""

    def writing(path: str, content: Any) -> Path:
        file = repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return file

    return writing


@pytest.fixture
def check(repo: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command on the repository, as JSON unless another form is asked for."""

    def checking(*words: str, paths: tuple[str, ...] = ("",), form: str = "json", place: bool = True) -> Ran:
        where = ("--deploy-to", GROUP) if place else ()
        at = [] if "--now" in words else ["--now", NOW]
        files = [str(repo / path) for path in paths]
        return run_captured(capsys, ["check", *files, *where, *at, "--format", form, *words])

    return checking
