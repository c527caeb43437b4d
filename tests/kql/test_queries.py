"""Every query of the project parses and binds by Microsoft's own parser, and none is missed.

All of them, and the mistakes below that the checks must find, go through one process of Node.js.
"""

from functools import cache
from pathlib import Path

import pytest

from tests.kql import queries
from tests.kql.asked import Asked, asked
from tests.kql.parser import Checked, check
from tests.kql.queries import collected, missed, read
from tests.kql.tables import RESOURCE_GRAPH, RESOURCE_GRAPH_OPERATORS

MISTAKES = {
    "AppTraces | extend fact = parse_json(Message) | project toint(fact.missing)": "The name 'missing'",
    "AppTraces | where Mesage == 'x'": "The name 'Mesage' does not refer",
    "AppTrace | where Message == 'x'": "The name 'AppTrace' does not refer",
    "AppTraces | where Message == 'x' | order TimeGenerated": "Expected: by",
    "AppTraces | summarize count() by Properties": "'dynamic' is not allowed",
    "AppTraces | where TimeGenerated > '2026-01-01'": "operand types datetime and string",
    # what the parser lets pass
    "AppTraces | where TimeGenerated > datetime(2026-02-30)": "datetime(2026-02-30) is no date",
    "AppTraces | where TimeGenerated > datetime(2026-11-29T24:10:00Z)": "is no date",
    "AppTraces | where TimeGenerated > todatetime('29.11.2026')": "todatetime('29.11.2026') is no date",
    "AppTraces | where TimeGenerated > make_datetime(2026, 13, 1)": "is no date",
    "AppTraces | where TimeGenerated > make_datetime(2026, 2, 3, 25, 2, 3)": "is no date",
    "AppTraces | where TimeGenerated > make_datetime(2026, 2, 3, 5, 2, 63.5)": "is no date",
    "AppTraces | where TimeGenerated > make_datetime('2026-02-30')": "is no date",
    "AppTraces | where TimeGenerated > todatetime('2026-02' '-30')": "is no date",
    "AppTraces | where Message == 4": "Message == 4 compares string with long",
    "AppTraces | where SeverityLevel != '3'": "compares int with string",
    "AppTraces | where SeverityLevel in (1, '3')": "compares int with string",
    "AppTraces | where SeverityLevel in (dynamic([1, '3']))": "compares int with string",
    "AppTraces | where Message in (dynamic([3]))": "compares string with long",
    "AppTraces | where Message !in~ (1)": "compares string with long",
    "AppTraces | extend f = parse_json(Message) | where tostring(f.seconds) == 5": "compares string with long",
    "AppRequests | where Success == 'true'": "compares bool with string",
    "AzureActivity | where TimeGenerated == '2026-01-01'": "compares datetime with string",
}
FINE = (
    "AppTraces | where TimeGenerated between (datetime(2028-02-29) .. datetime('2028-03-01T10:30:00.5Z'))",
    "AppTraces | where TimeGenerated != todatetime(tostring(Properties.at)) or isnull(datetime(null))",
    "AppTraces | where SeverityLevel == 1.0 and Message == Properties.x and Properties.y == 3 and ItemCount in (1, 2)",
    "AppTraces | where TimeGenerated > make_datetime(2026, 2, 3, 5, 2, 3.5) and Message in (dynamic(['x', null]))",
    "AppTraces | where TimeGenerated > make_datetime(2028, 2, 29) and SeverityLevel in (dynamic([1, 2.5]))",
)


@cache
def results() -> dict[str, Checked]:
    """Return text -> what is wrong with it, for all queries, the mistakes, and what is none."""
    texts = list(dict.fromkeys([*(query.text for query in collected()), *MISTAKES, *FINE]))
    return dict(zip(texts, check(texts), strict=True))


pytestmark = pytest.mark.xdist_group("kql")


def test_every_query_parses_and_binds() -> None:
    wrong = {query.place: (query.text, found) for query in collected() if (found := results()[query.text].wrong)}
    assert wrong == {}


def test_resource_graph_has_the_operators_that_it_is_asked_for() -> None:
    asks = [query for query in collected() if query.text.split()[0] in RESOURCE_GRAPH]
    assert len(asks) > 20
    for query in asks:
        assert results()[query.text].operators <= RESOURCE_GRAPH_OPERATORS, query


@pytest.mark.parametrize(("query", "said"), MISTAKES.items())
def test_a_mistake_is_found(query: str, said: str) -> None:
    assert any(said in sentence for sentence in results()[query].wrong), results()[query].wrong


@pytest.mark.parametrize("query", FINE)
def test_what_is_no_mistake_is_not_taken_for_one(query: str) -> None:
    assert results()[query].wrong == ()


def test_every_query_is_collected() -> None:
    assert missed() == []
    files = {query.place.partition(",")[0] for query in collected()}
    assert files == {
        "docs/prevention.md", "guardrails/azure", "guardrails/doctor/logs.py",
        "infra/modules/alerts.bicep", "infra/workbook.json",
    }  # fmt: skip


HIDDEN = {
    "a.sh": "az graph query -q \"resources | where type =~ 'x'\"\n",
    "a.yaml": "query: >\n  AppTraces\n  | extend x = 1\n",
    "a.md": "Ask AppTraces | where Message has 'x'.\n",
    "b.md": "```sh\naz graph query -q resources\\ |\\ project\\ id | summarize count()\n```\n",
    "a.py": """def ask(table: str) -> str:\n    return f"{table} | summarize count() by {table}"\n""",
    "b.py": """ASK = "resources | where name == '{name}' | project id, zones"\n""",
    "d.py": "ASK = ' | '.join(['resources', \"where type =~ 'x'\", 'project id'])\n",
    "e.py": "def ask(stage: str) -> str:\n    return f'resources\\n| {stage}'\n",
    "f.py": "ASK = 'resources | mv-apply tag = tags on (take 1)'\n",
    "g.py": "ASK = 'AppTraces | search \"x\"'\n",
    "h.py": "ASK = 'AppTraces | // all\\n make-series count() on TimeGenerated step 1h'\n",
    "c.py": """def ask(stages: list[str]) -> str:\n    return f"AuditLogs | {' | '.join(stages)}"\n""",
}


@pytest.mark.parametrize(("name", "text"), HIDDEN.items())
def test_a_query_that_nothing_collects_is_reported(name: str, text: str) -> None:
    assert read(Path(name), text, asked()).left
    assert read(Path(name), text, asked()).queries == ()


def test_every_folder_and_every_file_at_the_root_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n/dead/\n*.pyc\n", "utf-8")
    for name in (
        "new/a.py",
        "deep/er/b.bicep",
        "host.json",
        ".ci/run",
        "build/c.py",
        "dead/d.py",
        "tests/e.py",
        "f.pyc",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(queries, "ROOT", tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in queries.paths()}
    assert found == {".gitignore", "new/a.py", "deep/er/b.bicep", "host.json", ".ci/run"}


def test_a_query_in_code_that_never_runs_is_reported_though_another_one_holds_its_words() -> None:
    text = '\ndef ask(which: str) -> str:\n    return f"resources | where {which}"\n'
    made = Asked({"a.py, 1": "resources | where true"}, frozenset())
    assert read(Path("a.py"), text, made).left == ("a.py: resources | where ",)
    (line,) = [number for number, one in enumerate(text.splitlines(), 1) if "return" in one]
    ran = Asked(made.queries, frozenset({(str(Path(__file__).parents[2] / "a.py"), line)}))
    assert read(Path("a.py"), text, ran).left == ()


BICEP = """
param insightsId string
param most int = 20
var start = 'AppTraces | where _ResourceId =~ "${insightsId}"'  // | where nothing
var all = ['${start} | where ItemCount > ${most * 60} and Message != \\'x\\'']
"""
SHELL = "```sh\naz graph query -q 'resources\n  | where name == \"INSIGHTS-ID\"' | sort\n```\n"
WORKBOOK = '{"deep": [{"query": "AppTraces\\n| summarize count() by bin(TimeGenerated, {TimeRange:grain})"}]}'
SPELT = {
    "a.bicep": (BICEP, ['where _ResourceId =~ "/subscriptions/', "ItemCount > 1200 and Message != 'x'"]),
    "a.json": (WORKBOOK, ["bin(TimeGenerated, 1h)"]),
    "b.bicep": ("resource rule 'x' = {\n  query: 'AppTraces'\n}\n", ["AppTraces"]),
    "c.bicep": ("var all = 'AppTraces | make-series count() on TimeGenerated step 1h'\n", ["step 1h"]),
    "b.json": ('{"query": "search \'x\'"}', ["search 'x'"]),
    "d.md": ("```kusto\nAppTraces\n| mv-apply x on (take 1)\n```\n", ["| mv-apply x on"]),
    "a.md": ("| what | where |\n|---|---|\n\nAsk `AppTraces | take 3` first.\n", ["AppTraces | take 3"]),
    "b.md": (SHELL, ["resources\n  | where", '== "/subscriptions/']),
    "c.md": ("```kql\nAzureActivity\n| where Caller has 'x'\n```\n", ["AzureActivity\n| where Caller has 'x'\n"]),
}


@pytest.mark.parametrize(("name", "text", "parts"), [(name, *said) for name, said in SPELT.items()])
def test_a_query_is_collected_as_it_is_asked(name: str, text: str, parts: list[str]) -> None:
    found = read(Path(name), text, asked())
    assert found.left == ()
    (query,) = found.queries
    assert all(part in query.text for part in parts), query.text


def test_a_bicep_query_with_a_parameter_that_has_no_sample_is_no_query() -> None:
    with pytest.raises(KeyError, match="nobody"):
        read(Path("a.bicep"), "var a = 'AppTraces | where Message has \"${nobody}\"'\n", asked())
