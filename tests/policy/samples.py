"""Exemptions to judge twice: those of the public corpus as request bodies, and generated ones from a seed."""

import csv
import json
import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from guardrails.exemption.model import ROLES
from guardrails.files.arm_json import read_bytes

_EXEMPTIONS: Final = "/providers/Microsoft.Authorization/policyExemptions/"
_MG: Final = "/providers/Microsoft.Management/managementGroups/"
_SUBSCRIPTIONS: Final = (
    "/subscriptions/11111111-2222-3333-4444-555555555555",
    "/subscriptions/aaaaaaaa-0000-1111-2222-333333333333",
    "/subscriptions/AAAAAAAA-0000-1111-2222-444444444444",
)
_GROUPS: Final = (
    "prod",
    "prod-data",
    "Prod-web",
    "sandbox",
    "my sandbox",
    "x-prod-1",
    "data(1)",
    "rg-ß",
    "prod-data-x",
)
_RESOURCES: Final = (
    "Microsoft.Storage/storageAccounts/drop",
    "Microsoft.Sql/servers/one/databases/two",
    "Microsoft.Network/virtualNetworks/prod/subnets/sandbox",
    "Microsoft.Authorization/policyAssignments/audit-logs",
)
_NAMES: Final = ("everything", "e", "prod", "[x]", "it's", "a b", "subscriptions", "ä", "a.b~c", "x" * 64)
_ASSIGNMENTS: Final = (
    "storage-baseline", "audit-logs", "audit", "guardrails", "exemption-guardrails", "the audit-logs", "a'b",
)  # fmt: skip
_GOOD: Final = (
    "SEC-1234",
    "data-platform@contoso.com",
    "2027-02-01",
    "The partner's uploader has no private endpoint.",
)
_EMPTY: Final = ("", " ", "n/a", "TBD", "test test", "x", "-")


def corpus(place: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file, body) of every exemption in a corpus, whatever its form; bodies as a PUT sends them.

    What is no ARM body has its id made of its scope and name; what has neither is left out. A body of a PUT, which has
    no id, gets one.
    """
    for path in sorted(place.rglob("*")):
        if path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                found: list[Any] = [_from_row(row) for row in csv.DictReader(file)]
        elif path.suffix in (".json", ".jsonc") and path.parent.name in ("epac", "terraform"):
            found = [_loose_json(path.read_text(encoding="utf-8-sig"))]
        elif path.suffix in (".json", ".txt"):
            found = [item.body for item in read_bytes(path.read_bytes()).items]
        else:
            continue
        for body in _exemptions_in(found):
            yield path.name, body


def _loose_json(text: str) -> Any:
    """Read JSON with comments and trailing commas; None where it is no such thing."""
    plain = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text, flags=re.DOTALL)
    try:
        return json.loads(re.sub(r",(\s*[}\]])", r"\1", plain))
    except json.JSONDecodeError:
        return None


def _from_row(row: Mapping[str, str | None]) -> dict[str, Any]:
    said: dict[str, Any] = {key: value for key, value in row.items() if key and value}
    if "policyDefinitionReferenceIds" in said:
        said["policyDefinitionReferenceIds"] = said["policyDefinitionReferenceIds"].split("&")
    for name in ("metadata", "resourceSelectors"):
        if name in said:
            said[name] = _loose_json(said[name])
    return said


def _exemptions_in(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _exemptions_in(item)
    elif isinstance(node, Mapping):
        names = {key.lower() for key in node}
        scope = node.get("scope") or node.get("scopes")
        if "properties" in names or {"id", "policyassignmentid"} <= names:
            yield dict(node) if "id" in names else {"id": f"{_SUBSCRIPTIONS[0]}{_EXEMPTIONS}put", **node}
        elif "name" in node and scope:
            for one in scope if isinstance(scope, list) else [scope]:
                place = "/" + str(one).partition(":/")[2] if ":/" in str(one) else str(one)
                kept = {key: value for key, value in node.items() if key not in ("name", "scope", "scopes")}
                kept.setdefault("policyAssignmentId", f"{place}/providers/Microsoft.Authorization/policyAssignments/a")
                yield {"id": f"{place}{_EXEMPTIONS}{node['name']}", "name": node["name"], "properties": kept}
        else:
            for item in node.values():
                yield from _exemptions_in(item)


class Generator:
    """Makes exemptions and times. The same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)  # noqa: S311 - nothing secret

    def now(self) -> datetime:
        """Return a time of a write: any second of eight years, at times with decimals."""
        time = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=self.pick.randrange(8 * 365 * 86_400))
        if self._one_in(4):
            time = time.replace(hour=0, minute=0, second=0)
        return time.replace(microsecond=self.pick.randrange(1_000_000)) if self._one_in(4) else time

    def body(self, now: datetime) -> dict[str, Any]:
        """Return an exemption's body as a PUT at `now` has it."""
        identity = self._id()
        properties = {
            "policyAssignmentId": self._assignment(),
            "policyDefinitionReferenceIds": self.pick.choice((None, [], ["denyPublicNetwork"])),
            "exemptionCategory": self.pick.choice(("Waiver", "Mitigated", "waiver", "mitigated", "Accepted", "", None)),
            "displayName": self.pick.choice((None, "Partner ingestion", "")),
            "description": self._text(),
            "expiresOn": self._expiry(now),
            "metadata": self._metadata(),
            "resourceSelectors": self._selectors(),
            "assignmentScopeValidation": self.pick.choice(
                (None, None, "Default", "DoNotValidate", "doNotValidate", "Later")
            ),
        }
        kept = {name: value for name, value in properties.items() if value is not None or self._one_in(5)}
        if self._one_in(10):
            kept = {name[0].upper() + name[1:]: value for name, value in kept.items()}
        kind = self.pick.choice(
            ("Microsoft.Authorization/policyExemptions", "microsoft.authorization/policyexemptions")
        )
        return {"id": identity, "name": identity.rpartition("/")[2], "type": kind, "properties": kept}

    def _one_in(self, count: int) -> bool:
        return self.pick.randrange(count) == 0

    def _id(self) -> str:
        choose = self.pick.choice
        scope = choose(
            (
                _MG + choose(("contoso", "prod", "sandbox")),
                choose(_SUBSCRIPTIONS),
                choose(_SUBSCRIPTIONS) + "/resourceGroups/" + choose(_GROUPS),
                choose(_SUBSCRIPTIONS) + "/resourceGroups/" + choose(_GROUPS) + "/providers/" + choose(_RESOURCES),
                choose(_SUBSCRIPTIONS) + "/providers/" + choose(_RESOURCES),
            )
        )
        identity = scope + _EXEMPTIONS + choose(_NAMES)
        return choose((identity, identity, identity.lower(), identity.upper()))

    def _assignment(self) -> str:
        scope = self.pick.choice((*_SUBSCRIPTIONS, _MG + "contoso", _SUBSCRIPTIONS[0] + "/resourceGroups/prod"))
        whole = f"{scope}/providers/Microsoft.Authorization/policyAssignments/{self.pick.choice(_ASSIGNMENTS)}"
        return self.pick.choice((whole, whole, whole.lower(), whole.upper(), whole + "/", "audit-logs"))

    def _text(self) -> object:
        return self.pick.choice((None, _GOOD[3], _GOOD[3], *_EMPTY, "for Bob", 5))

    def _expiry(self, now: datetime) -> object:
        # What has the form of a time and is none, such as a 13th month, is left out: the property is a time, and Azure
        # refuses the write by itself.
        unusual = (
            None,
            None,
            "",
            " ",
            "end of quarter",
            "20270630",
            "T",
            "zzzz-zz-zzTzz:zz:zzZ",
            "2027-W01-1",
            20270630,
        )
        if self._one_in(6):
            return self.pick.choice(unusual)
        days = self.pick.choice(
            (-400, -31, -30, -29, -1, 0, 1, 27, 28, 29, 30, 31, 32, 33, 90, 364, 365, 366, 367, 368, 369)
        )
        near = timedelta(days=days + self.pick.choice((0, 0, 1, -1)) * self.pick.randrange(4), seconds=self.pick.choice(
            (0, 0, 1, -1, 3600, -3600, 86_399)
        ))  # fmt: skip
        time = now + self.pick.choice((near, near, near, timedelta(days=self.pick.randrange(4000) - 1000)))
        return self.pick.choice(
            (self._spelled(time), "9999-12-31T23:59:59.9999999Z") if self._one_in(20) else (self._spelled(time),)
        )

    def _spelled(self, time: datetime) -> str:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S")
        offset = (time + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
        west = (time - timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%S-09:00")
        parts = f"{time.microsecond:06}"
        forms = (f"{whole}Z", f"{whole}Z", f"{whole}.{parts[:3]}Z", f"{whole}.{parts}0Z", f"{whole}.{parts[0]}Z", whole,
                 whole[:10], offset, west, whole.replace("T", " ") + "Z", whole.lower() + "z", whole[:16] + "Z",
                 f" {whole}Z")  # fmt: skip
        return self.pick.choice(forms)

    def _metadata(self) -> object:
        if self._one_in(6):
            return self.pick.choice((None, {}, "", '{"approvalTicket": "SEC-1"}', '{"Owner" : "a@b.com"}'))
        said: dict[str, Any] = {}
        for role, keys in ROLES.items():
            if self.pick.randrange(5) < 2:
                said[self._spelled_key(self.pick.choice(keys))] = self._said()
            elif self._one_in(12):
                said[self.pick.choice(("note", role.upper() + "s", "x"))] = self.pick.choice(
                    (keys[0], f'"{keys[0]}"', {keys[0]: "x"}, [keys[0]], f"say {keys[0]}")
                )
        if self._one_in(8):
            said["guardrails"] = {"status": "violation", "codes": ["EXG201"]}
        if self._one_in(8):
            said[self.pick.choice(('ap"proval', "ü", "Cost Center", "ref", "ticket" + " " * 70))] = self._said()
        return said

    def _said(self) -> object:
        return self.pick.choice((*_GOOD, *_EMPTY, None, True, 7, [], ["SEC-1"], {"a": "b"}, "2020-01-01"))

    def _spelled_key(self, key: str) -> str:
        parts = re.sub("([A-Z])", r" \1", key).split()
        return self.pick.choice(
            (key, key.lower(), key.upper(), "_".join(parts), "-".join(parts), ".".join(parts), " ".join(parts))
        )

    def _selectors(self) -> object:
        if self.pick.randrange(3):
            return self.pick.choice((None, []))
        kinds = ("resourceLocation", "userPrincipalId", "GroupPrincipalId", "policyDefinitionReferenceId", "", None)
        made = []
        for index in range(self.pick.randrange(3)):
            conditions = [
                {"kind": self.pick.choice(kinds), self.pick.choice(("in", "notIn")): ["a"]}
                for _ in range(self.pick.randrange(3))
            ]
            made.append({"name": f"s{index}", "selectors": conditions})
        return made
