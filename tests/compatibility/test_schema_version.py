"""`--schema-version 1` prints what the version before printed, key by key; 2, which is the default, says so itself."""

import argparse
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from guardrails.cli.main import COMMANDS, module_of
from guardrails.cli.retired import modern
from guardrails.cli.schema_version import NAMES, VALUES
from tests.reconcile.world import World

from .conftest import Run, recorded

OUTPUTS = recorded("outputs.json")
VOLATILE = {"generated_at", "started_at", "ended_at", "version", "seconds"}
"""Of a scan or a sweep: when it was made, how long it took, and by what."""


def differences(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Yield where keys, their order, or values differ. What holds a blank is a sentence: those may be worded anew."""
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new):
            yield f"{at or 'the whole'}: {list(old)} became {list(new)}"
        for key in old.keys() & new.keys() - VOLATILE:
            yield from differences(old[key], new[key], f"{at}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{at}: {len(old)} became {len(new)}"
        for one, other in zip(old, new, strict=False):
            yield from differences(one, other, f"{at}[]")
    elif type(old) is not type(new) or (old != new and not (isinstance(old, str) and " " in old)):
        yield f"{at}: {old!r} became {new!r}"


def objects(text: str) -> Any:
    """Read JSON, or JSON lines."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_version_1_is_what_the_version_before_printed(before: World, run: Run) -> None:
    found = {}
    for one in OUTPUTS:
        ran = await run(*one["argv"], "--schema-version", "1")
        read = objects if "json" in one["argv"] else table
        old = one["out"] if "json" in one["argv"] else table(one["out"])
        what = [*differences(old, known_then(one["argv"], read(ran.out), old))]
        if "beside" in one:
            what += differences(one["beside"], json.loads(ran.err[ran.err.index("{") :]))
        if ran.code != one["code"]:
            what.append(f"exit code {ran.code}, not {one['code']}: {ran.err}")
        if what:
            found[" ".join(one["argv"])] = what
    assert found == {}


def known_then(argv: list[str], new: Any, old: Any) -> Any:
    """Return a list of rules without those that came later; everything else as it is."""
    if argv[0] != "rules" or not isinstance(new, list):
        return new
    codes = {one["code"] for one in old}
    return [one for one in new if one["code"] in codes]


NEWER = {"register verify"}
"""What printed no JSON before: it came later."""


def spelled(argv: list[str]) -> str:
    """Return a command and its action, with the names of today."""
    words = modern(argv).words
    return " ".join(words[:2] if f"{words[0]} {words[1]}" in leaves() else words[:1])


def leaves() -> set[str]:
    """Every command and action that prints JSON."""
    found = set()
    for name in COMMANDS:
        parser = argparse.ArgumentParser()
        module_of(name).arguments(parser)
        found |= {f"{name} {action}".strip() for action in _printing(parser)}
    return found


def _printing(parser: argparse.ArgumentParser) -> Iterator[str]:
    if "--schema-version" in parser._option_string_actions:
        yield ""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from (name for name, one in action.choices.items() if any(True for _ in _printing(one)))


def test_every_command_that_prints_json_is_compared() -> None:
    assert leaves() - NEWER == {spelled(one["argv"]) for one in OUTPUTS if "json" in one["argv"]}
    assert {key.partition(",")[0] for key in (*NAMES, *VALUES)} <= leaves() | {"sweep"}


async def test_version_2_begins_with_its_number_where_it_is_an_object(before: World, run: Run) -> None:
    for one in OUTPUTS:
        if "json" not in one["argv"]:
            continue
        ran = await run(*one["argv"])
        now = objects(ran.out)
        if isinstance(one["out"], dict):
            assert next(iter(now.items())) == ("schema_version", 2), one["argv"]
        else:
            assert isinstance(now, list)
            assert not any("schema_version" in item for item in now)


@pytest.mark.parametrize("word", ["mend", "way", "ways", "letter", "odd", "told", "bypasses_told", "lost_untold"])
async def test_version_2_has_no_old_name(before: World, run: Run, word: str) -> None:
    with_it = [
        one for one in OUTPUTS if word in keys(one["out"]) or word in str(one["out"]).partition("\r\n")[0].split(",")
    ]
    assert with_it, "no output of before has it: nothing is checked"
    for one in with_it:
        out = (await run(*one["argv"])).out
        assert word not in (keys(objects(out)) if "json" in one["argv"] else table(out)[0].keys()), one["argv"]


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value}.union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()
