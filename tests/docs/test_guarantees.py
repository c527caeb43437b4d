"""Each promise in docs/guarantees.md names tests that exist; docs/imports.md says what is imported when."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE + THREATS)
AZURE = frozenset({"azure.core", "azure.data", "azure.storage", "azure.identity", "azure.mgmt", "aiohttp", "yaml"})


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the test functions at the top of a file and in its Test classes."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    found = [item for body in (tree.body, *(one.body for one in classes)) for item in body]
    return frozenset(
        item.name
        for item in found
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name.startswith("test_")
    )


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_a_named_test_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"docs/guarantees.md names {file}, which is not there"
    assert name in names_in(file), f"docs/guarantees.md names {name}, which is not in {file}"


def test_every_promise_names_a_test() -> None:
    promises = PAGE.partition("## Not yet shown")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 40
    bare = [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row.split(" | ")[-1])]
    assert bare == []


def test_what_is_no_test_is_found_out() -> None:
    assert "names_in" not in names_in("tests/docs/test_guarantees.py")
    assert "test_every_promise_names_a_test" in names_in("tests/docs/test_guarantees.py")


def loaded_by(statement: str) -> frozenset[str]:
    """Return what a new process has imported after a statement: every module and package, without private ones."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    return frozenset(done.stdout.split())


def test_indexing_imports_no_azure_sdk_and_little_of_ours() -> None:
    loaded = loaded_by("import function_app")
    assert not AZURE & loaded
    ours = {name.removeprefix("guardrails.") for name in loaded if name.startswith("guardrails.")} - {"azure"}
    exemption = {f"exemption.{name}" for name in ("hint", "exemption_id", "ids", "json_values")}
    assert ours == {"azure.events", "errors", "exemption", *exemption, "runtime", "runtime.telemetry"}


def test_what_waits_for_the_work_waits() -> None:
    loaded = loaded_by("import guardrails.wiring")
    assert loaded >= {"azure.core", "azure.data.tables", "azure.storage.queue", "aiohttp", "yaml", "guardrails.intake"}
    late = {"azure.identity", "azure.mgmt", "guardrails.rules.expired", "guardrails.cli", "guardrails.files", "rich"}
    assert not late & loaded
