"""`.exg-check.yaml`: what it says of a file, each mistake with its place, and what it cannot say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guardrails.check.config import Options, folders_above, read_config

TEXT = """
version: 1
deploy_to: [/subscriptions/S]
azure: [azure.json]
paths:
  "prod/**": {tenant: t-prod, next_run: 7d, parameters: [prod/main.bicepparam]}
  "prod/special.bicep": {now: 2027-01-01, azure_complete: true}
"""


def test_what_holds_for_a_file_is_by_the_patterns_that_match_it_the_last_one_counts() -> None:
    config, problems = read_config(TEXT, "infra/.exg-check.yaml")
    assert config is not None
    assert problems == []
    general = Options(deploy_to=("/subscriptions/S",), azure=("infra/azure.json",))
    assert config.options_for("infra/main.bicep") == general
    prod = config.options_for("infra/Prod/a/main.bicep")
    assert (prod.tenant, prod.next_run, prod.azure) == ("t-prod", timedelta(days=7), ("infra/azure.json",))
    assert prod.parameters == ("infra/prod/main.bicepparam",)
    special = config.options_for("infra/prod/special.bicep")
    assert (special.now, special.azure_complete) == (datetime(2027, 1, 1, tzinfo=UTC), True)


def test_options_of_the_command_line_go_before_it() -> None:
    config, _ = read_config(TEXT, ".exg-check.yaml")
    assert config is not None
    said = Options(deploy_to=("/",), azure=(Path("mine.json"),))
    merged = config.options_for("prod/x.bicep").overridden_by(said)
    assert (merged.deploy_to, merged.azure, merged.tenant) == (("/",), (Path("mine.json"),), "t-prod")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\ndeploy-to: [/]\n", "x.yaml:2:1: the file: 'deploy-to' is not known here; did you mean"),
        ("version: 2\n", "x.yaml:1:10: version: '2' is not allowed; it must be one of 1"),
        ("tenant: t\n", "x.yaml:1:1: the file: version must be given"),
        ("version: 1\nnow: soon\n", "x.yaml:2:6: now: 'soon' has the wrong form; write it like 2027-06-30"),
        ("version: 1\n\ttenant: t\n", "x.yaml:2:1: not YAML: "),
        ("version: 1\npaths: {'*': {ruleset: mine.yaml}}\n", "x.yaml:2:15: paths.*: 'ruleset' is not known here"),
        ("version: 1\nfail_on: high\n", "x.yaml:2:1: the file: 'fail_on' is not known here"),
        ("version: 1\ncompiler: ./evil\n", "x.yaml:2:1: the file: 'compiler' is not known here"),
        (f"version: 1\npaths:\n  ? {'a' * 2001}\n  : {{}}\n", "x.yaml:1:1: paths: a pattern has more than 2,000"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_line_with_its_place(text: str, problem: str) -> None:
    config, problems = read_config(text, "x.yaml")
    assert config is None
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_an_empty_file_says_nothing() -> None:
    config, problems = read_config("# nothing yet\n", ".exg-check.yaml")
    assert config is not None
    assert (config.options_for("a.bicep"), problems) == (Options(), [])


def test_the_nearest_folder_comes_first() -> None:
    assert folders_above("a/b/c.bicep") == ["a/b", "a", ""]
    assert folders_above("c.bicep") == [""]
