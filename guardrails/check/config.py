"""`.exg-check.yaml`: what the options of `check` would say, for the files of a folder and below it. Pure.

It comes with the code that is checked, so it says nothing that weakens the check: neither which ruleset, nor what
fails, nor which program to run. Options of the command line go before it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.exemption.expiry import duration
from guardrails.exemption.patterns import LONGEST, Glob, glob
from guardrails.exemption.times import parse_time

NAME: Final = ".exg-check.yaml"


@dataclass(frozen=True, slots=True)
class Options:
    """What is known of where, when and with what files are deployed. Nothing: nobody said it.

    Attributes:
        deploy_to: ids of scopes, at most one of a kind; `/` is the tenant.
        tenant, location, deployment_name: see guardrails.evaluation.world.
        parameters, azure: files: a Path as whoever runs the check names it, or a text from the root.
        azure_complete: what `azure` does not hold does not exist.
        online: Azure is asked, too.
        now: the time of the deployment, UTC.
        next_run: how long after `now` the code is deployed again.
        epac_settings: EPAC's file of settings, as `azure`.
        pac_selector, epac_switch: the environment of EPAC, and the switches that it is called with, `NAME[=VALUE]`.
        time_zone, culture: of the runner of EPAC or AzPolicyFactory.
    """

    deploy_to: tuple[str, ...] = ()
    tenant: str = ""
    location: str = ""
    deployment_name: str = ""
    parameters: tuple[Path | str, ...] = ()
    azure: tuple[Path | str, ...] = ()
    azure_complete: bool = False
    online: bool = False
    now: datetime | None = None
    next_run: timedelta | None = None
    epac_settings: Path | str | None = None
    pac_selector: str = ""
    epac_switch: tuple[str, ...] = ()
    time_zone: str = ""
    culture: str = ""

    def overridden_by(self, other: "Options") -> "Options":
        """Return these options, with what `other` says in place of its own."""
        said = {name: value for name in NAMES if (value := getattr(other, name))}
        return replace(self, **said)


NAMES: Final = (
    "deploy_to", "tenant", "location", "deployment_name", "parameters", "azure", "azure_complete", "online", "now",
    "next_run", "epac_settings", "pac_selector", "epac_switch", "time_zone", "culture",
)  # fmt: skip
_PATHS: Final = ("parameters", "azure")
_LISTS: Final = ("deploy_to", "epac_switch")

_TEXT: Final = {"type": "string", "minLength": 1}
_TEXTS: Final = {"type": "array", "items": _TEXT, "minItems": 1}
_FIELDS: Final[Mapping[str, Any]] = {
    "deploy_to": {**_TEXTS, "description": "The ids of the scopes that templates are deployed to; / is the tenant."},
    "tenant": {**_TEXT, "description": "The tenant's id."},
    "location": {**_TEXT, "description": "The region of the resource group, or of the deployment."},
    "deployment_name": {**_TEXT, "description": "The name of the deployment."},
    "parameters": {**_TEXTS, "description": "Parameter files, relative to this file."},
    "azure": {**_TEXTS, "description": "Files with objects of Azure, relative to this file."},
    "azure_complete": {"type": "boolean", "description": "What these files do not hold does not exist in Azure."},
    "online": {"type": "boolean", "description": "Ask Azure, with the login of whoever runs the check; it only reads."},
    "now": {
        "type": "string", "format": "iso-8601", "pattern": r"^\d{4}-\d{2}-\d{2}([T ].*)?$", "examples": ["2027-06-30"],
        "description": "The time of the deployment.",
    },
    "next_run": {
        "type": "string", "pattern": r"^\d{1,4}[mhd]$", "examples": ["7d"],
        "description": "The time until the code is deployed again.",
    },
    "epac_settings": {**_TEXT, "description": "EPAC's global-settings.jsonc, relative to this file."},
    "pac_selector": {**_TEXT, "description": "The environment of EPAC."},
    "epac_switch": {**_TEXTS, "description": "Switches that EPAC is called with, NAME or NAME=VALUE."},
    "time_zone": {**_TEXT, "description": "The time zone of the runner of EPAC or AzPolicyFactory, such as UTC."},
    "culture": {**_TEXT, "description": "The culture of the runner of EPAC, such as en-US."},
}  # fmt: skip

SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Configuration of exg check",
    "type": "object",
    "properties": {
        "version": {"type": "integer", "enum": [1], "description": "Format version."},
        **_FIELDS,
        "paths": {
            "type": "object",
            "additionalProperties": {"type": "object", "properties": _FIELDS, "additionalProperties": False},
            "description": "Other values for the files that match a pattern, relative to this file; ** is any text, *"
            " any without a slash. Of several that match, the last one counts.",
        },
    },
    "required": ["version"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file: what holds for all files below its folder, and for those that match a pattern."""

    folder: str
    options: Options
    paths: tuple[tuple[Glob, Options], ...] = ()

    def options_for(self, path: str) -> Options:
        """Return what it says of a file below its folder, by the path from the root."""
        return self.options.overridden_by(self.by_pattern(path))

    def by_pattern(self, path: str) -> Options:
        """Return what its patterns say of a file."""
        below = path[len(self.folder) + 1 :] if self.folder else path
        found = Options()
        for pattern, options in self.paths:
            if pattern.matches(below.lower()):
                found = found.overridden_by(options)
        return found


def read_config(text: str, path: str) -> tuple[Config | None, list[str]]:
    """Return a configuration file, None where it has a mistake, and every mistake as `path:line:column: what`.

    Args:
        path: its own, from the root.
    """
    from guardrails.ruleset.load import load_by  # noqa: PLC0415 - most folders have no such file, and need no YAML

    said, problems = load_by(text, path, SCHEMA)
    if problems:
        return None, problems
    folder = path.rpartition("/")[0]
    said = said or {}
    long = [pattern for pattern in said.get("paths", {}) if len(pattern) > LONGEST]
    if long:
        return None, [f"{path}:1:1: paths: a pattern has more than {LONGEST:,} characters: {long[0][:60]}"]
    paths = tuple((glob(pattern), _options(one, folder)) for pattern, one in said.get("paths", {}).items())
    return Config(folder, _options(said, folder), paths), []


def _options(said: Mapping[str, Any], folder: str) -> Options:
    made: dict[str, Any] = {}
    for name, value in said.items():
        if name in _PATHS:
            made[name] = tuple(_below(folder, one) for one in value)
        elif name == "epac_settings":
            made[name] = _below(folder, value)
        elif name in _LISTS:
            made[name] = tuple(value)
        elif name == "now":
            made[name] = parse_time(value)
        elif name == "next_run":
            made[name] = duration(value)
        elif name in NAMES:
            made[name] = value
    return Options(**made)


def _below(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else f"./{path}"


def folders_above(path: str) -> Sequence[str]:
    """Return the folders in which a configuration of a file may be, the nearest first; "" is the root."""
    found = []
    while path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found
