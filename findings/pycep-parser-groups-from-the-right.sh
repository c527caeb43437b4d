#!/bin/sh
# pycep-parser 0.5.1 and 0.7.1, which read Bicep for Python programs: expressions with two operators.
#
# Expected: Bicep's precedence. `!` binds closest, then `*`, `+`, comparisons, `&&`, `||`, `? :`, and equal operators
# group from the left, so 10 - 3 - 2 is 5.
# Observed: whatever follows an operator is its operand, up to the end of the expression. `!a && b` gives the
# very tree of `!(a && b)`, and `a == b ? c : d` that of `a == (b ? c : d)`. There is no error.
# Why it matters: who evaluates the tree of an `if (...)` gets the opposite answer on whether an exemption, or a
# resource, is deployed, and another number for the days that an exemption lasts.
#
# Observed output, with a = true, b = false:
#
#   pycep-parser 0.5.1 and 0.7.1
#   10 - 3 - 2: read as (10 - (3 - 2)) = 9; in Bicep 5
#   2 * 3 + 4: read as (2 * (3 + 4)) = 14; in Bicep 10
#   30 + 7 * 2: read as (30 + (7 * 2)) = 44; in Bicep 44
#   !a && b: read as (!(a && b)) = True; in Bicep False
#   b && a || a: read as (b && (a || a)) = False; in Bicep True
#   a == b ? 30 : 90: read as (a == (b ? 30 : 90)) = False; in Bicep 90
#   (a == b) ? 30 : 90: read as ((a == b) ? 30 : 90) = 90; in Bicep 90
#   !a && b and !(a && b): one tree
#
# Needs Python 3.10 or newer with venv (PYTHON=python3.13 names another). Exit code 0: as observed; 1: it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 0.5.1 0.7.1; do
    "${PYTHON:-python3}" -m venv "$version"
    "$version/bin/pip" install --quiet --disable-pip-version-check "pycep-parser==$version"
done
cat >trees.py <<'PY'
import json, sys
from importlib.metadata import version

from pycep import BicepParser

trees = [BicepParser().parse(text=f"var x = {text}\n")["variables"]["x"]["value"] for text in json.load(sys.stdin)]
print(json.dumps([version("pycep-parser"), trees]))
PY
0.7.1/bin/python - <<'PY'
import json, subprocess, sys

VALUES = {"a": True, "b": False}
BICEP = {
    "10 - 3 - 2": 5,
    "2 * 3 + 4": 10,
    "30 + 7 * 2": 44,
    "!a && b": False,
    "b && a || a": True,
    "a == b ? 30 : 90": 90,
    "(a == b) ? 30 : 90": 90,
}
WANTED = {
    "10 - 3 - 2": ("(10 - (3 - 2))", 9),
    "2 * 3 + 4": ("(2 * (3 + 4))", 14),
    "30 + 7 * 2": ("(30 + (7 * 2))", 44),
    "!a && b": ("(!(a && b))", True),
    "b && a || a": ("(b && (a || a))", False),
    "a == b ? 30 : 90": ("(a == (b ? 30 : 90))", False),
    "(a == b) ? 30 : 90": ("((a == b) ? 30 : 90)", 90),
}
OPERATORS = {
    "substract": ("-", lambda one, other: one - other),
    "add": ("+", lambda one, other: one + other),
    "multiply": ("*", lambda one, other: one * other),
    "and": ("&&", lambda one, other: one and other),
    "or": ("||", lambda one, other: one or other),
    "equals": ("==", lambda one, other: one == other),
}


def trees(python):
    texts = json.dumps([*BICEP, "!(a && b)"])
    done = subprocess.run([python, "trees.py"], input=texts, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def read(tree):
    """How the tree is grouped, and its value."""
    if not isinstance(tree, dict):
        return str(tree), VALUES.get(tree, tree)
    kind = tree["operator"]["type"]
    (first, value), *rest = [read(one) for one in tree["operator"]["operands"].values()]
    if kind == "not":
        return f"(!{first})", not value
    if kind == "conditional":
        return f"({first} ? {rest[0][0]} : {rest[1][0]})", rest[0][1] if value else rest[1][1]
    sign, combine = OPERATORS[kind]
    return f"({first} {sign} {rest[0][0]})", combine(value, rest[0][1])


old, before = trees("0.5.1/bin/python")
new, now = trees("0.7.1/bin/python")
seen = {text: read(tree) for text, tree in zip(BICEP, now)}
same = now[[*BICEP].index("!a && b")] == now[-1]
print(f"pycep-parser {old} and {new}")
for text, (grouped, value) in seen.items():
    print(f"{text}: read as {grouped} = {value}; in Bicep {BICEP[text]}")
print(f"!a && b and !(a && b): {'one tree' if same else 'two trees'}")
sys.exit(not (before == now and same and seen == WANTED))
PY
