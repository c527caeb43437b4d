"""What Microsoft's compiler refuses in Bicep, or no longer checks, and a grammar alone takes: seen in our own files.

BCP417 and BCP225 of Bicep 0.49.2. No compiler is part of the tests: these are the kinds that it has found in infra/.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from tests import reference
from tests.infra.bicep import INFRA

TYPES = reference.REAL / "azure-types"
FILES = sorted(str(path.relative_to(INFRA)) for path in INFRA.rglob("*.bicep*"))
BY_NAME = frozenset({
    "microsoft.web/hostingenvironments/configurations", "microsoft.web/sites/basicpublishingcredentialspolicies",
    "microsoft.web/sites/config", "microsoft.web/sites/extensions",
    "microsoft.web/sites/slots/basicpublishingcredentialspolicies", "microsoft.web/sites/slots/config",
    "microsoft.web/staticsites/builds/config", "microsoft.web/staticsites/config",
})  # fmt: skip
"""Types, in lower case, whose properties Bicep knows by the resource's name: in its type data, `name` is what keeps the
forms of the body apart. A name that is no literal leaves such a body unchecked."""
LOOP = "var rules = [for one in given: { value: one }]\n"
POLICIES = "resource off 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01'"


def parsed(source: bytes) -> Node:
    """Return the tree of a file.

    The grammar knows neither spreads nor parameter files: a spread is read as a property named `_`, what a parameter
    file sets as a variable.
    """
    for newer, older in ((rb"\.\.\.", b"_: "), (rb"(?m)^param (\w+) =", rb"var \1 ="), (rb"(?m)^using .+", b"")):
        source = re.sub(newer, older, source)
    return Parser(Language(tree_sitter_bicep.language())).parse(source).root_node


def within(node: Node, kind: str) -> Iterator[Node]:
    """Yield the node and all below it that are of a kind."""
    if node.type == kind:
        yield node
    for child in node.named_children:
        yield from within(child, kind)


def text(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode()


def own(thing: Node) -> dict[str, Node]:
    """Return name -> value of the properties of an object's own level; of spreads the last."""
    pairs = [one.named_children for one in thing.named_children if one.type == "object_property"]
    return {text(pair[0]).strip("'"): pair[-1] for pair in pairs}


def misplaced_spreads(source: bytes) -> list[int]:
    """Return the lines of objects with a spread that hold, at any depth, a property whose value is a loop: BCP417."""
    return [
        thing.start_point.row + 1
        for thing in within(parsed(source), "object")
        if "_" in own(thing)
        and any(one.named_children[-1].type == "for_statement" for one in within(thing, "object_property"))
    ]


def unchecked_names(source: bytes) -> list[int]:
    """Return the lines of resources whose type is one by its name, and whose name is not a plain literal: BCP225."""
    found = []
    for resource in within(parsed(source), "resource_declaration"):
        kind, name = text(next(within(resource, "string"))), own(next(within(resource, "object")))["name"]
        literal = name.type == "string" and not any(within(name, "interpolation"))
        if kind.strip("'").partition("@")[0].lower() in BY_NAME and not literal:
            found.append(resource.start_point.row + 1)
    return found


@pytest.mark.parametrize("file", FILES)
def test_the_compiler_takes_it_and_checks_it(file: str) -> None:
    source = (INFRA / file).read_bytes()
    assert not parsed(source).has_error  # or what follows would overlook things
    assert (misplaced_spreads(source), unchecked_names(source)) == ([], [])


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (LOOP + "var x = {\n  ...base\n  rules: rules\n}\n", []),
        ("var x = {\n  ...base\n  rules: [for one in given: { value: one }]\n}\n", [1]),
        ("var x = {\n  a: {\n    b: [for one in given: one]\n  }\n  c: 1\n  ...base\n}\n", [1]),
        ("var x = {\n  ...base\n  a: [\n    {\n      b: [for one in given: one]\n    }\n  ]\n}\n", [1]),
        ("var x = {\n  a: {\n    ...base\n  }\n  b: [for one in given: one]\n}\n", []),
        ("var x = [for one in given: {\n  ...base\n  a: one\n}]\n", []),
        ("var x = [for one in given: {\n  ...base\n  a: [\n    for two in one: two\n  ]\n}]\n", [1]),
        ("var x = {\n  ...base\n  a: map(given, one => { value: one })\n}\n", []),
    ],
)
def test_a_spread_and_a_loop_do_not_meet_in_one_object(source: str, lines: list[int]) -> None:
    assert not parsed(source.encode()).has_error
    assert misplaced_spreads(source.encode()) == lines


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (f"{POLICIES} = {{\n  name: 'ftp'\n}}\n", []),
        (f"{POLICIES} = if (wanted) {{\n  name: 'scm'\n}}\n", []),
        (f"{POLICIES} = [for name in ['ftp', 'scm']: {{\n  name: name\n}}]\n", [1]),
        (f"{POLICIES} = [for one in some: if (one.wanted) {{\n  name: one.name\n}}]\n", [1]),
        (f"{POLICIES} = {{\n  name: '${{prefix}}ftp'\n}}\n", [1]),
        ("resource q 'Microsoft.Storage/x@2025-08-01' = [for name in names: {\n  name: name\n}]\n", []),
    ],
)
def test_a_name_that_decides_the_type_is_a_literal(source: str, lines: list[int]) -> None:
    assert not parsed(source.encode()).has_error
    assert unchecked_names(source.encode()) == lines


def bodies(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each resource type of Azure's type data, in lower case without version, and what its body is."""
    for path in folder.glob("*/*.json"):
        entries = json.loads(path.read_text("utf-8"))
        for one in entries:
            if one["$type"] == "ResourceType":
                yield one["name"].partition("@")[0].lower(), entries[int(one["body"]["$ref"][2:])]


def test_no_type_that_its_name_decides_is_missing() -> None:
    if not TYPES.is_dir():
        pytest.skip("../shared/azure-types is absent")
    assert {kind for kind, body in bodies(TYPES) if body.get("discriminator") == "name"} == BY_NAME
