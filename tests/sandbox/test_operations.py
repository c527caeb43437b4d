"""What is written down for the comparison of roles: all that the service's identity asks for, whatever its client."""

from pathlib import Path

import pytest

from sandbox.arm.operations import SETTING, Operations

READ = "Microsoft.Authorization/policyExemptions/read"
OURS = "exemption-guardrails azsdk-python-core/1.0"
SDK = "azsdk-python-mgmt-authorization/5.0 Python/3.13.0"
TESTS = "Python/3.13 aiohttp/3.12"


@pytest.mark.parametrize(
    ("caller", "client", "noted"),
    [
        ("guardrails", OURS, True),
        ("func-exemption-guardrails", OURS, True),
        ("guardrails", SDK, True),  # a client that does not carry our name
        ("guardrails", "", True),
        ("guardrails", TESTS, False),
        ("alice@contoso.com", OURS, False),
    ],
)
def test_who_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caller: str, client: str, noted: bool) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    operations = Operations()
    operations.note(caller, client, [READ])
    operations.note(caller, client, [READ])
    written = [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]
    assert written == ([f"{READ}\n"] if noted else [])
