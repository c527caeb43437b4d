"""Every error says what to do next: each place that makes one is walked through, and each kind is shown."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import guardrails
from guardrails.cli.failure import REMEDIES
from guardrails.errors import GuardrailsError, Misconfigured, Permanent, Refused, Retryable

from .conftest import Run, Save
from .test_failures import Fails, fails, line_of

__all__ = ["fails"]  # a fixture of these tests

ROOT = Path(guardrails.__file__).parent
KINDS = {one.__name__ for one in (Retryable, Permanent, Refused, Misconfigured)}
REASONS = {
    "not-an-enrollment", "enrollment-unreadable", "not-an-assignment", "not-tagged",
}  # fmt: skip
"""Codes of errors that never arrive at a person: a sweep makes of each the reason why something is unknown."""


def made() -> Iterator[tuple[str, str, ast.Call]]:
    """Every place in the product that makes an error: where, which kind, and the call."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if any(f"{kind}(" in text for kind in KINDS) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.func.id, node


def given(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


PLACES = list(made())


def test_the_walk_finds_the_errors() -> None:
    assert len(PLACES) > 90
    assert {kind for _, kind, _ in PLACES} >= {"Retryable", "Permanent", "Misconfigured"}


@pytest.mark.parametrize(("place", "kind", "call"), PLACES, ids=[f"{kind} {place}" for place, kind, _ in PLACES])
def test_every_error_has_a_remedy_where_it_is_made_or_by_its_code_or_kind(
    place: str, kind: str, call: ast.Call
) -> None:
    remedy, code = given(call, "remedy"), given(call, "code")
    if remedy is not None:
        assert not (isinstance(remedy, ast.Constant) and not remedy.value), place
    elif kind != "Retryable":  # those say when to run it again
        assert isinstance(code, ast.Constant), place
        assert code.value in {*REMEDIES, *REASONS}, place


@pytest.mark.parametrize(
    ("error", "then"),
    [
        (Retryable("Azure is busy", code="arm-busy", delay=42), "Run the command again after 42 seconds"),
        (Retryable("Azure is busy", code="arm-busy", delay=1), "Run the command again after 1 second ["),
        (Retryable("Azure is busy", code="arm-busy", remedy="Wait"), "Azure is busy. Wait [arm-busy]"),
        (Permanent("the scope is locked", code="cannot-act"), "ask the owner of a lock or a policy to remove it"),
        (Refused("the breaker is open", code="open", remedy="Close it"), "the breaker is open. Close it [open]"),
        (
            Misconfigured("settings are wrong", code="settings-broken", remedy="Fix them"),
            "settings are wrong. Fix them",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, GuardrailsError) else "",
)
def test_what_is_shown_ends_with_what_to_do(run: Run, fails: Fails, error: GuardrailsError, then: str) -> None:
    fails("breaker", error)
    ran = run(*line_of("breaker"))
    assert then in ran.err
    assert ran.err.endswith(f" [{error.code}]\n")


@pytest.mark.parametrize("code", REMEDIES)
def test_a_remedy_by_code_is_of_a_code_that_is_made_without_one(code: str) -> None:
    assert any(
        isinstance(own := given(call, "code"), ast.Constant) and own.value == code and given(call, "remedy") is None
        for _, _, call in PLACES
    )


@pytest.mark.parametrize(
    ("content", "then"),
    [
        (b"", "it is empty. Save Azure's answer again, unchanged"),
        (b'{"id"', "Save Azure's answer again, unchanged"),
        (b"[7]", "Save Azure's answer again, unchanged"),
        (b"\xff\xff", "Save Azure's answer again, unchanged"),
        (b'{"error": {"code": "x", "message": "y"}}', "Fix the error, and run the command again"),
        (b'{"responses": {"200": {}}}', "Use an example of a list or a get"),
    ],
)
def test_a_file_that_cannot_be_judged_comes_with_what_to_give(run: Run, save: Save, content: bytes, then: str) -> None:
    ran = run("judge", save("a.json", content))
    assert ran.code == 2
    assert ran.err.endswith(f"{then} (see python -m guardrails judge --help)\n")
