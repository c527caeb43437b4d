"""promises.txt names the tests of each promise and threat of the pages; docs/imports.md says what is imported when."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = (Path(__file__).with_name("promises.txt")).read_text(encoding="utf-8")
AZURE = frozenset({"azure.core", "azure.data", "azure.storage", "azure.identity", "azure.mgmt", "aiohttp", "yaml"})


def listed(page: str) -> dict[str, list[tuple[str, str]]]:
    """Return what promises.txt lists of a page: each sentence -> its tests, as (file, name)."""
    found: dict[str, list[tuple[str, str]]] = {}
    sentence = ""
    for line in LIST.partition(f"# {page}\n")[2].partition("\n# ")[0].splitlines():
        if line.startswith("    "):
            file, _, names = line.strip().partition(": ")
            found[sentence] += [(file, name) for name in names.split()]
        else:
            assert line not in found, line
            sentence = line
            found[sentence] = []
    return found


PROMISES = listed("docs/guarantees.md")
THREATS = listed("docs/threat-model.md")
NAMED = sorted({test for tests in (*PROMISES.values(), *THREATS.values()) for test in tests})


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


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), f"promises.txt names {file}, which is not there"
    assert name in names_in(file), f"promises.txt names {name}, which is not in {file}"


def test_every_promise_names_a_test() -> None:
    """Those of the page are those of the list."""
    page = re.sub(r"\n +", " ", (ROOT / "docs/guarantees.md").read_text(encoding="utf-8"))
    said = re.findall(r"^- (.+)$", page.partition("## Tests of crashes and failures")[0], re.MULTILINE)
    assert len(said) > 40
    assert list(PROMISES) == said
    assert [promise for promise, tests in PROMISES.items() if not tests] == []


def test_every_threat_that_is_prevented_names_a_test() -> None:
    """All attempts, but those of which the page says that nothing prevents them, and two that the rules answer."""
    page = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
    page = page.partition("## May write one exemption")[2]
    rows = dict(re.findall(r"^\| (.+?) \| ([^|]+) \|$", page, re.MULTILINE))
    del rows["attempt"]
    assert THREATS.keys() <= rows.keys()
    bare = [said for attempt, said in rows.items() if attempt not in THREATS and not said.startswith("Not prevented")]
    assert [said.partition(".")[0] for said in bare] == [
        "The service judges every write, by any author",
        "The rule `never-exempt` in the shipped ruleset covers this assignment",
    ]
    assert [threat for threat, tests in THREATS.items() if not tests] == []
    assert len(THREATS) > 25


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
    assert ours == {
        "azure.events",
        "dataclass",
        "errors",
        "exemption",
        *exemption,
        "lazy_regex",
        "runtime",
        "runtime.telemetry",
    }


def test_what_waits_for_the_work_waits() -> None:
    loaded = loaded_by("import guardrails.wiring")
    assert loaded >= {"azure.core", "azure.data.tables", "aiohttp", "guardrails.intake"}
    late = {
        "azure.identity", "azure.mgmt", "azure.storage", "cryptography", "requests", "rich", "yaml",
        "guardrails.cli", "guardrails.files", "guardrails.rules.everywhere",
    }  # fmt: skip
    assert not late & loaded
