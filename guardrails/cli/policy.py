"""Azure Policy from the ruleset: `build` writes definitions, initiatives, Bicep and a page that says what they leave.

--check writes nothing and exits 1 where a file is stale. Given definitions are those that an approved tag may let past.
What else is in the folder stays; of definitions and initiatives, what an earlier build made and this one does not goes.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from guardrails.cli.options import add_ruleset, ruleset_of
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.policy import given
from guardrails.policy.build import build, is_ours

OUT: Final = Path(__file__).parents[2] / "infra/policies"
_FOLDERS: Final = ("definitions", "initiatives")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="build", required=True)
    making = actions.add_parser("build", help="write the policies that the ruleset makes", description=__doc__)
    making.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="default: infra/policies")
    making.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is stale")
    making.add_argument(
        "--definitions", type=Path, metavar="DIR",
        help="policy definitions (JSON) that an approved tag may let past; default: `sources` in the --out folder",
    )  # fmt: skip
    making.add_argument(
        "--aliases", type=Path, metavar="FILE",
        help='refuse what uses an alias that the tenant lacks: the output of az provider show --namespace'
        ' Microsoft.Authorization --expand "resourceTypes/aliases"',
    )  # fmt: skip
    add_ruleset(making)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write what differs, or name it."""
    out: Path = args.out
    made = build(ruleset_of(args), _given(args.definitions, out), _aliases(args.aliases))
    stale = [path for path, text in made.items() if _read(out / path) != text]
    left = [path for path in _there(out) if path not in made]
    if args.check:
        if stale or left:
            screen.problem(f"stale: {', '.join([*stale, *left])}. Run: python -m guardrails policy build")
            return 1
        screen.line(f"{len(made)} files of policies, all fresh")
        return 0
    try:
        _write(out, {path: made[path] for path in stale}, left)
    except OSError as error:
        raise Misconfigured(
            f"cannot be written: {error.strerror}", code="cannot-write", subject=str(error.filename or out),
            remedy="Give another folder with --out.",
        ) from error  # fmt: skip
    changed = [*stale, *(f"{path} (removed)" for path in left)]
    screen.line(f"written: {', '.join(changed)}" if changed else "every file of the policies is fresh")
    return 0


def _write(out: Path, texts: Mapping[str, str], left: list[str]) -> None:
    for path, text in texts.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, encoding="utf-8", newline="\n")
    for path in left:
        (out / path).unlink()


def _given(folder: Path | None, out: Path) -> dict[str, object]:
    """Return file name -> JSON value of the given definitions. Raises Misconfigured with every file that is no JSON."""
    where = folder or out / "sources"
    if folder is None and not where.exists():
        return {}
    try:
        return given.read({path.name: path.read_bytes() for path in sorted(where.iterdir()) if path.suffix == ".json"})
    except OSError as error:
        raise Misconfigured(
            f"cannot be read: {error.strerror}", code="cannot-read", subject=str(error.filename or where),
            remedy="Name a folder of policy definitions with --definitions.",
        ) from error  # fmt: skip


def _aliases(path: Path | None) -> tuple[str, object] | None:
    """Return the name and the JSON of the file of a tenant's aliases. Raises Misconfigured where it is no JSON."""
    if path is None:
        return None
    try:
        return path.name, json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise Misconfigured(
            f"cannot be read: {error}", code="cannot-read", subject=str(path),
            remedy='Save: az provider show --namespace Microsoft.Authorization --expand "resourceTypes/aliases"',
        ) from error  # fmt: skip


def _there(out: Path) -> Iterator[str]:
    """Yield the definitions and initiatives in the folder that a build made."""
    for folder in _FOLDERS:
        for path in sorted((out / folder).glob("*.json")):
            if is_ours(_read(path) or ""):
                yield f"{folder}/{path.name}"


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
