"""A stand-in for the Bicep compiler: it answers `build` with the values that are recorded of Microsoft's own.

    python -m tests.oracles.compiler build --no-restore --stdout FILE

The template that it prints has those values as literals; what the engine does not know before a deployment is an
expression that nobody knows here either.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from .bicep import FOLDER, SUBSCRIPTION

_SCHEMAS: Final = {
    "resourceGroup": "2019-04-01/deploymentTemplate", "subscription": "2018-05-01/subscriptionDeploymentTemplate",
    "managementGroup": "2019-08-01/managementGroupDeploymentTemplate", "tenant": "2019-08-01/tenantDeploymentTemplate",
}  # fmt: skip
_OWN: Final = {
    "resourceGroup": f"{SUBSCRIPTION}/resourceGroups/rg-one", "subscription": SUBSCRIPTION,
    "managementGroup": "/providers/Microsoft.Management/managementGroups/corp", "tenant": "",
}  # fmt: skip
_TYPE: Final = "Microsoft.Authorization/policyExemptions"
_NOT_KNOWN: Final = "[reference('nobody', '2020-01-01').knows]"
_KINDS: Final = {str: "string", bool: "bool", int: "int", list: "array", dict: "object"}


def main(words: list[str]) -> int:
    """Answer; return the exit code."""
    if words[:3] != ["build", "--no-restore", "--stdout"]:
        print("only `build --no-restore --stdout FILE` is answered", file=sys.stderr)
        return 2
    file = Path(words[3])
    expected = json.loads((FOLDER / "expected" / f"{file.stem}.json").read_text("utf-8"))
    for one in expected["diagnostics"]:
        level = one["level"].capitalize()
        print(f"{file}({one['line']},{one['column']}) : {level} {one['code']}: As recorded.", file=sys.stderr)
    if not expected["compiles"]:
        return 1
    print(json.dumps(_template(expected)))
    return 0


def _template(expected: dict[str, Any]) -> dict[str, Any]:
    outputs = {
        name: {"type": _KINDS.get(type(value), "object"), "value": _literal(value)}
        for name, value in expected.get("outputs", {}).items()
    }
    return {
        "$schema": f"https://schema.management.azure.com/schemas/{_SCHEMAS[expected['scope']]}.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {},
        "resources": [_resource(one, _OWN[expected["scope"]]) for one in expected.get("exemptions", [])],
        "outputs": outputs,
    }


def _resource(one: dict[str, Any], own: str) -> dict[str, Any]:
    made = {"type": _TYPE, "apiVersion": one["apiVersion"], "name": _literal(one["name"])}
    scope = one["id"].partition(f"/providers/{_TYPE}")[0] if isinstance(one["id"], str) else _NOT_KNOWN
    if scope != own:
        made["scope"] = scope
    return made | {"properties": _literal(one["properties"])}


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        if "$unknown" in value:
            return _NOT_KNOWN
        return {_literal(key): _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return f"[{value}" if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
