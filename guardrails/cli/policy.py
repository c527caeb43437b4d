"""Build Azure Policy from the ruleset: definitions, initiatives, Bicep, and a page about their limits.

`build` replaces the definitions and initiatives of earlier builds, and deletes those that the ruleset no longer makes.
Other files in the folder stay. If one file cannot be written, no file is written. --check writes nothing, and exits
with 1 if a file is stale. --compare shows what would change, and exits with 1 on any change.
"""

import argparse
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from guardrails.cli import policy_would_refuse
from guardrails.cli.options import add_format, add_ruleset, ruleset_of
from guardrails.cli.screen import Screen
from guardrails.cli.whole import write_whole
from guardrails.dataclass import replace
from guardrails.errors import Misconfigured
from guardrails.exemption.counts import number_of
from guardrails.policy import given
from guardrails.policy.build import build, is_ours
from guardrails.policy.differences import Difference, differences
from guardrails.ruleset.model import load_ruleset

OUT: Final = Path("infra", "policies")
"""Where they are written to, from the current folder: theirs whose ruleset it is, wherever the program is installed."""

_FOLDERS: Final = ("definitions", "initiatives")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    actions = parser.add_subparsers(dest="action", metavar="build|would-refuse", required=True)
    making = actions.add_parser("build", help="write the policies for the ruleset", description=__doc__)
    making.add_argument(
        "--out", type=Path, default=OUT, metavar="DIR", help="the folder to write to; default: %(default)s"
    )
    rather = making.add_mutually_exclusive_group()
    rather.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is stale")
    rather.add_argument(
        "--compare", nargs="?", const="", metavar="FILE",
        help="write nothing; show what would change in the --out folder, or compared with the ruleset FILE; exit with"
        " 1 if something would",
    )  # fmt: skip
    making.add_argument(
        "--definitions", type=Path, metavar="DIR",
        help="folder with policy definitions (JSON) from which an approved exception tag exempts; default: `sources` in"
        " the --out folder",
    )  # fmt: skip
    making.add_argument(
        "--aliases", type=Path, metavar="FILE",
        help='refuse definitions with aliases that the tenant lacks; FILE is the output of az provider show --namespace'
        ' Microsoft.Authorization --expand "resourceTypes/aliases"',
    )  # fmt: skip
    add_ruleset(making)
    add_format(making, default=None, text="for --compare; default: table")
    asking = actions.add_parser(
        "would-refuse",
        help="list recent writes that the effect Deny would have refused",
        description=policy_would_refuse.__doc__,
    )
    policy_would_refuse.arguments(asking)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Write what differs, or name it; or ask the register."""
    if args.action == "would-refuse":
        return policy_would_refuse.run(args, screen)
    if args.format and args.compare is None:
        raise Misconfigured("--format needs --compare", code="bad-use", remedy="Leave it out, or add --compare.")
    out: Path = args.out
    named, aliases = _given(args.definitions, out), _aliases(args.aliases)
    ruleset = ruleset_of(args)
    for one in ruleset.retired:
        screen.note(one)
    made = build(ruleset, named, aliases)
    if args.compare is not None:
        before = _before(out, made)
        if args.compare:  # under one name, so that the name is no difference
            before = build(replace(load_ruleset(Path(args.compare)), source=ruleset.source), named, aliases)
        return _compare(differences(before, made), screen, form=args.format or "table")
    stale = [path for path, text in made.items() if _read(out / path) != text]
    left = [path for path in _there(out) if path not in made]
    if args.check:
        if stale or left:
            screen.problem(f"stale: {', '.join([*stale, *left])}. Run: exg policy build")
            return 1
        screen.line(f"{len(made)} files of policies; all are up to date")
        return 0
    try:
        if stale or left:
            write_whole(out, {path: made[path] for path in stale}, left)
    except OSError as error:
        raise Misconfigured(
            f"cannot be written: {error.strerror}", code="cannot-write", subject=str(error.filename or out),
            remedy="Nothing was changed. Give another folder with --out.",
        ) from error  # fmt: skip
    changed = [*stale, *(f"{path} (removed)" for path in left)]
    screen.line(f"written: {', '.join(changed)}" if changed else "every file of the policies is up to date")
    return 0


def _compare(found: Sequence[Difference], screen: Screen, *, form: str) -> int:
    """Say what would change; 1 where something would."""
    if form == "json":
        screen.json([one.to_json() for one in found])
        return 1 if found else 0
    for one in found:
        screen.line(f"{one.kind}: {one.path}")
        for about, changes in one.changes.items():
            screen.line(f"{about}:", indent=2)
            for said in changes:
                screen.line(said, indent=4)
    screen.note(f"{number_of(len(found), 'file')} would change" if found else "nothing would change")
    return 1 if found else 0


def _before(out: Path, made: Collection[str]) -> dict[str, str]:
    """Return what an earlier build left in the folder, and what is where this one would write."""
    texts = {path: _read(out / path) for path in {*_there(out), *made}}
    return {path: text for path, text in texts.items() if text is not None}


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
    """Return the name and the JSON of the file of a tenant's aliases. Raises Misconfigured where it is not JSON."""
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
    """Yield the definitions and initiatives in the folder that a build made. Raises Misconfigured (cannot-read)."""
    for folder in _FOLDERS:
        try:
            names = sorted(path.name for path in (out / folder).iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(error, out / folder) from error
        yield from (f"{folder}/{name}" for name in names if is_ours(_read(out / folder / name) or ""))


def _read(path: Path) -> str | None:
    """Return a file's text: "" for a folder and for what is no UTF-8, None where nothing is there.

    Raises Misconfigured (cannot-read).
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (IsADirectoryError, UnicodeDecodeError):
        return ""
    except OSError as error:
        raise _unreadable(error, path) from error


def _unreadable(error: OSError, path: Path) -> Misconfigured:
    return Misconfigured(
        f"cannot be read: {error.strerror}", code="cannot-read", subject=str(error.filename or path),
        remedy="Nothing was changed. Make it readable, or give another folder with --out.",
    )  # fmt: skip
