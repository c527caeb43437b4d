"""Policy definitions as somebody gives them."""

from typing import Any

EFFECT = {"type": "String", "allowedValues": ["Audit", "Deny", "Disabled"], "defaultValue": "Audit"}
CHECK = {
    "anyOf": [
        {
            "field": "[concat('tags[', parameters('exemptionTagName'), ']')]",
            "notIn": "[parameters('approvedExemptionIds')]",
        },
        {
            "value": "[trim(string(coalesce(field(concat('tags[', parameters('exemptionTagName'), ']')),'')))]",
            "equals": "",
        },
    ]
}
TYPE = {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}


def properties(**changes: Any) -> dict[str, Any]:
    """Return a definition's properties. A change to None takes a key out."""
    usual = {
        "displayName": "No storage",
        "description": "There is no storage.",
        "policyType": "Custom",
        "mode": "All",
        "metadata": {"category": "Storage", "version": "2.1.0"},
        "parameters": {"effect": EFFECT},
        "policyRule": {"if": TYPE, "then": {"effect": "[parameters('effect')]"}},
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


def rule(effect: Any = "deny", condition: Any = TYPE) -> dict[str, Any]:
    return {"if": condition, "then": {"effect": effect}}


def definition(name: str = "no-storage", **changes: Any) -> dict[str, Any]:
    return {"name": name, "properties": properties(**changes)}
