"""A way to run a command as its user does, and files to give it."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli.main import main
from guardrails.rules.sample import ASSIGNMENT, BODY, DENY_PUBLIC, INITIATIVE, REQUIRE_TLS
from tests.reconcile.conftest import world

from .shelf import shelf

__all__ = ["shelf", "world"]  # fixtures of all these tests
NOW = "2026-11-21T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def over_http() -> bool:
    """Commands are given an address."""
    return True


type Run = Callable[..., Ran]
type Save = Callable[[str, Any], str]


def run_captured(capsys: pytest.CaptureFixture[str], argv: Sequence[str]) -> Ran:
    """Run a command in this process; return its exit code and what it printed."""
    capsys.readouterr()
    try:
        code = main(argv)
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    said = capsys.readouterr()
    return Ran(code, said.out, said.err)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""
    return lambda *argv: run_captured(capsys, argv)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a file of text, bytes or JSON; return its name."""

    def saving(name: str, content: Any) -> str:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return saving


def body(name: str = "", /, **properties: Any) -> dict[str, Any]:
    """The compliant sample exemption, with some properties set; None removes one."""
    made: dict[str, Any] = copy.deepcopy(dict(BODY))
    if name:
        made |= {"id": made["id"].rpartition("/")[0] + "/" + name, "name": name}
    merged = made["properties"] | properties
    made["properties"] = {key: value for key, value in merged.items() if value is not None}
    return made


POLICIES = [
    {"id": ASSIGNMENT, "properties": {"policyDefinitionId": INITIATIVE}},
    {
        "id": INITIATIVE,
        "properties": {
            "policyDefinitions": [
                {"policyDefinitionReferenceId": "denyPublicNetwork", "policyDefinitionId": DENY_PUBLIC},
                {"policyDefinitionReferenceId": "requireTls", "policyDefinitionId": REQUIRE_TLS},
            ]
        },
    },
]
