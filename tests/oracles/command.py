"""The command's JSON against what Microsoft's compiler and deployment engine make of the same files.

    python -m tests.oracles.command [FOLDER]

prints, for templates and for expressions, how many leaf values were compared, how many of them were called known, and
how many are wrong; then every difference.
"""

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from guardrails.cli.main import main
from tests.oracles.bicep import FOLDER, SUBSCRIPTION

PLACE: Final = (
    "--deploy-to", f"{SUBSCRIPTION}/resourceGroups/rg-one",
    "--deploy-to", "/providers/Microsoft.Management/managementGroups/corp", "--deploy-to", "/",
    "--tenant", "33333333-3333-3333-3333-333333333333", "--location", "westeurope", "--deployment-name", "main",
)  # fmt: skip
"""Where all goes, as the engine was given it."""

_UNKNOWN: Final = "$unknown"
_TYPES: Final = {
    str: "string",
    bool: "bool",
    int: "int",
    list: "array",
    dict: "object",
    float: "object",
    type(None): "object?",
}
_AT_ONCE: Final = 60
"""Files that one run of the command checks."""


@dataclass(slots=True)
class Tally:
    """What a comparison came to: leaf values that the engine knows, those called known of them, and what differs."""

    compared: int = 0
    known: int = 0
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The part of the compared values that is known."""
        return self.known / self.compared if self.compared else 1.0

    def __str__(self) -> str:
        return f"compared {self.compared}, known {self.known} ({self.share:.1%}), wrong {len(self.wrong)}"


def answer_of(paths: Sequence[Path], *more: str) -> dict[str, Any]:
    """Return what the command prints of some files."""
    return printed([*map(str, paths), *PLACE, *more])


def printed(arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        main(["check", "--format", "json", *arguments])
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def compare_templates(folder: Path = FOLDER) -> Tally:
    """Compare each file that has an answer."""
    tally = Tally()
    for answer in sorted((folder / "expected").glob("*.json")):
        expected = json.loads(answer.read_text("utf-8"))
        _compare(expected, answer_of([folder / expected["file"]]), tally)
    return tally


def _compare(expected: dict[str, Any], said: dict[str, Any], tally: Tally) -> None:
    name = expected["file"]
    (deployment,) = [one for one in said["deployments"] if one["paths"][:1] == [name]]
    refused = expected.get("compiles", True) is False
    if refused != (deployment["outcome"] == "refused"):
        tally.wrong.append(f"{name}: {deployment['outcome']}, and the engine {'refuses' if refused else 'deploys'} it")
    if "parameters" in expected and deployment["parameters"] != expected["parameters"]:
        tally.wrong.append(f"{name}: the parameters of {deployment['parameters']} were taken")
    if refused:
        return
    if "outputs" in expected:
        _leaves(expected["outputs"], deployment["outputs"], _unknown(deployment), "/outputs", (name, tally))
    for one, other in _pairs(expected.get("exemptions", []), said["exemptions"], name, tally):
        wanted = {key: value for key, value in one.items() if key in ("id", "name", "apiVersion", "properties")}
        if other is None:
            for at, _ in _each(wanted, ""):
                tally.compared += 1
                tally.unknown.append(f"{name}: {one['id']}{at}: it is not listed by itself")
        else:
            for key, value in wanted.items():
                _leaves(value, other[key], _unknown(other), f"/{key}", (f"{name}: {one['id']}", tally))


def _pairs(
    expected: list[dict[str, Any]], said: list[dict[str, Any]], name: str, tally: Tally
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Yield each exemption of the engine with ours: by the id, else in the order of the file."""
    left = [one for one in said if one["deployed"] is not False]
    rest = []
    for one in expected:
        wanted = one["id"] if isinstance(one["id"], str) else None
        same = next((other for other in left if other["id"] is not None and other["id"] == wanted), None)
        if same is None:
            rest.append(one)
        else:
            left.remove(same)
            yield one, same
    nameless = [other for other in left if other["id"] is None]
    tally.wrong += [
        f"{name}: {other['id']} is not deployed" for other in left if other["id"] is not None and other["deployed"]
    ]
    if len(nameless) == len(rest):
        yield from zip(rest, nameless, strict=True)
    else:
        if not any(other["deployed"] is None for other in nameless):
            tally.wrong += [f"{name}: {one['id']} is missing" for one in rest]
        yield from ((one, None) for one in rest)


def _unknown(said: dict[str, Any]) -> set[str]:
    return {one["at"] for one in said["unknown"]}


def _leaves(expected: Any, said: Any, unknown: set[str], at: str, where: tuple[str, Tally]) -> None:
    """Compare a value with ours, leaf by leaf. What the engine does not know counts only if we claim to know it.

    `where`: what differences begin with, and where they are counted.
    """
    name, tally = where
    if at in unknown:
        count = [*_each(expected, at)]
        tally.compared += len(count)
        tally.unknown += [f"{name}{one}" for one, _ in count]
    elif isinstance(expected, dict) and _UNKNOWN in expected:
        tally.wrong.append(f"{name}{at}: {json.dumps(said)[:200]}, and the engine does not know it")
    elif isinstance(expected, dict) and isinstance(said, dict) and expected and list(expected) == list(said):
        for key, value in expected.items():
            pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            _leaves(value, said[key], unknown, pointer, where)
    elif isinstance(expected, list) and isinstance(said, list) and expected and len(expected) == len(said):
        for number, value in enumerate(expected):
            _leaves(value, said[number], unknown, f"{at}/{number}", where)
    else:
        tally.compared += 1
        tally.known += 1
        if not _same(expected, said):
            tally.wrong.append(f"{name}{at}: {json.dumps(said)[:200]}, and the engine has {json.dumps(expected)[:200]}")


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one and the same JSON; the order of keys does not matter to Azure."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def _each(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves that the engine knows."""
    if isinstance(value, dict) and _UNKNOWN in value:
        return
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _each(one, f"{at}/{key}")
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from _each(one, f"{at}/{number}")
    else:
        yield at, value


def compare_expressions(folder: Path = FOLDER) -> Tally:
    """Try each expression as an output of a template, and compare."""
    tally = Tally()
    expected = json.loads((folder / "expressions.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as made:
        files = {}
        for number, one in enumerate(expected):
            file = Path(made) / f"{number:04}.{'bicep' if one['language'] == 'bicep' else 'json'}"
            file.write_text(_template(one), encoding="utf-8")
            files[file.name] = one
        every = [Path(made) / name for name in files]
        for at in range(0, len(every), _AT_ONCE):
            for deployment in answer_of(every[at : at + _AT_ONCE])["deployments"]:
                _compare_one(files[deployment["paths"][0]], deployment, tally)
    return tally


def _template(one: dict[str, Any]) -> str:
    value = one.get("value")
    kind = _TYPES[type(value)] if "value" in one else "string"
    if one["language"] == "bicep":
        return f"output x {kind} = {one['expression']}\n"
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    output = {"type": kind.rstrip("?"), "value": one["expression"], **({"nullable": True} if value is None else {})}
    return json.dumps({"$schema": schema, "contentVersion": "1.0.0.0", "resources": [], "outputs": {"x": output}})


def _compare_one(one: dict[str, Any], deployment: dict[str, Any], tally: Tally) -> None:
    name = one["expression"]
    refused = deployment["outcome"] == "refused"
    if one.get("error"):
        tally.compared += 1
        tally.known += refused
        if deployment["outcome"] == "deploys" and not deployment["unknown"]:
            tally.wrong.append(f"{name}: {deployment['outputs']}, and the engine refuses it")
        elif not refused:
            tally.unknown.append(name)
    elif one.get("unknown"):
        if refused or not deployment["unknown"]:
            tally.wrong.append(
                f"{name}: {deployment['outcome']} {deployment['outputs']}, and the engine does not know it"
            )
    elif refused:
        said = "; ".join(diagnostic["message"] for diagnostic in deployment["diagnostics"])
        tally.compared += 1
        tally.known += 1
        tally.wrong.append(f"{name}: refused ({said}), and the engine has {one['value']!r}")
    else:
        _leaves(one["value"], deployment["outputs"].get("x"), _unknown(deployment), "/outputs/x", (f"{name} ", tally))


def report(folder: Path) -> int:
    """Print both comparisons; return 1 if anything is wrong."""
    code = 0
    for what, tally in (("templates", compare_templates(folder)), ("expressions", compare_expressions(folder))):
        print(f"{what}: {tally}")
        for line in tally.wrong:
            print(f"  wrong: {line}")
        for line in tally.unknown:
            print(f"  unknown: {line}")
        code = code or bool(tally.wrong)
    return int(code)


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
