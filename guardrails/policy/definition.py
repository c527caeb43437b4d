"""The policy definition of one rule, and the initiative over all of them, as JSON. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from guardrails.policy.refusal import Refusal
from guardrails.rules.base import title_of
from guardrails.rules.control import Parameter

CATEGORY: Final = "Policy exemptions"
INITIATIVE: Final = "exemption-guardrails"
VERSION: Final = "1.0.0"
"""Of definitions and initiatives; raised by hand where what a definition means changes."""

_LONGEST: Final = 512
"""Characters of a description (Microsoft Learn, definition structure)."""
_MORE: Final = "(metadata.leaves has the rest)"
_YOUNG: Final = "The alias of the metadata is young (April 2026): do not let this be the only control."


def definition(refusal: Refusal, source: str) -> dict[str, Any]:
    """Return the definition; `source` is the ruleset's file name."""
    rule = refusal.rule
    return {
        "name": refusal.name,
        "properties": {
            "displayName": f"{rule.code} {rule.name}: {title_of(rule).rstrip('.')}"[:128],
            "description": _description(refusal, source),
            "policyType": "Custom",
            "mode": "All",
            "metadata": {
                "category": CATEGORY,
                "version": VERSION,
                "rule": rule.code,
                "ruleset": source,
                "leaves": list(refusal.leaves),
            },
            "parameters": {
                "effect": _effect(refusal.effects, "Effect"),
                **{name: _parameter(one) for name, one in refusal.parameters.items()},
            },
            "policyRule": {"if": refusal.condition, "then": {"effect": "[parameters('effect')]"}},
        },
    }


def initiative(refusals: Sequence[Refusal], source: str) -> dict[str, Any]:
    """Return the initiative: an effect for each rule, and the rules' own parameters."""
    times = Counter(name for one in refusals for name in one.parameters)
    parameters: dict[str, Any] = {}
    members = []
    for one in refusals:
        effect, names = f"effect-{one.rule.name}", {name: name for name in one.parameters}
        names |= {name: f"{name}-{one.rule.name}" for name in names if times[name] > 1}
        parameters[effect] = _effect(one.effects, f"Effect of {one.rule.code} {one.rule.name}")
        parameters |= {names[name]: _parameter(said) for name, said in one.parameters.items()}
        members.append(
            {
                "policyDefinitionReferenceId": one.rule.name,
                "policyDefinitionName": one.name,
                "parameters": {
                    key: {"value": f"[parameters('{name}')]"} for key, name in {"effect": effect, **names}.items()
                },
            }
        )
    return {
        "name": INITIATIVE,
        "properties": {
            "displayName": "Guardrails for policy exemptions",
            "description": f"The rules of {source} that Azure can check when an exemption is written. What it cannot"
            " see, the service judges: see the README beside the definitions.",
            "policyType": "Custom",
            "metadata": {"category": CATEGORY, "version": VERSION, "ruleset": source},
            "parameters": parameters,
            "policyDefinitions": members,
        },
    }


def _effect(allowed: Sequence[str], name: str) -> dict[str, Any]:
    means = {"Audit": "reports", "Deny": "refuses the write", "Disabled": "does nothing"}
    described = "; ".join(f"{effect} {means[effect]}" for effect in allowed)
    return {
        "type": "String",
        "metadata": {"displayName": name, "description": f"{described}."},
        "allowedValues": list(allowed),
        "defaultValue": "Audit",
    }


def _parameter(said: Parameter) -> dict[str, Any]:
    return {
        "type": "Integer" if isinstance(said.default, int) else "Array",
        "metadata": {"displayName": said.title, "description": said.description},
        **({"allowedValues": list(said.allowed)} if said.allowed else {}),
        "defaultValue": said.default if isinstance(said.default, int) else list(said.default),
    }


def _description(refusal: Refusal, source: str) -> str:
    rule = refusal.rule
    said = [title_of(rule), f"From rule {rule.code} {rule.name} of {source}."]
    said += [_YOUNG] if refusal.reads_metadata else []
    said += ["Left to the service:"] if refusal.leaves else []
    return _fitting(said, refusal.leaves)


def _fitting(said: Sequence[str], more: Iterable[str]) -> str:
    """Return sentences as one text; those of `more` only as far as Azure has room."""
    text = " ".join(said)
    for sentence in more:
        if len(text) + len(sentence) + len(_MORE) + 2 > _LONGEST:
            return f"{text} {_MORE}"[:_LONGEST]
        text += f" {sentence}"
    return text[:_LONGEST]


def files(refusals: Sequence[Refusal], source: str) -> Mapping[str, Any]:
    """Return path -> JSON value; no initiative where there is nothing in it, for Azure refuses that."""
    made = {f"definitions/{one.name}.json": definition(one, source) for one in refusals}
    return {**made, f"initiatives/{INITIATIVE}.json": initiative(refusals, source)} if refusals else {}
