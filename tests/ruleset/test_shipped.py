"""The shipped ruleset is kept as it was read; any other text, and any doubt about what is kept, is read as YAML."""

from pathlib import Path

import pytest

from guardrails.ruleset import loaded
from guardrails.ruleset.load import load
from guardrails.ruleset.loaded import shipped
from guardrails.ruleset.model import DEFAULT_PATH, Mode, load_ruleset, parse_ruleset

TEXT = DEFAULT_PATH.read_text(encoding="utf-8")


def test_what_is_kept_is_what_the_yaml_says() -> None:
    assert repr(shipped(TEXT)) == repr(load(TEXT, "ruleset.yaml"))  # True is no 1 here, and the order counts


@pytest.mark.parametrize("text", [TEXT.replace("mode: audit\n", "mode: enforce\n"), "version: 2", "", "a: \ud800"])
def test_any_other_text_is_read_itself(text: str) -> None:
    assert shipped(text) is None


def test_an_edit_of_the_shipped_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "ruleset.yaml"
    file.write_text(TEXT.replace("mode: audit\n", "mode: enforce\n"), encoding="utf-8")
    assert (load_ruleset().mode, load_ruleset(file).mode) == (Mode.AUDIT, Mode.ENFORCE)


@pytest.mark.parametrize("half", [None, "", '{"sha256": "'])
def test_without_what_is_kept_the_yaml_is_read(
    half: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = parse_ruleset(TEXT)
    monkeypatch.setattr(loaded, "SHIPPED", tmp_path / "shipped.json")
    if half is not None:
        loaded.SHIPPED.write_text(half)
    assert shipped(TEXT) is None
    after = parse_ruleset(TEXT)
    assert (after.digest, after.patterns, after.routes) == (before.digest, before.patterns, before.routes)
    assert after.limits.overrides == before.limits.overrides
