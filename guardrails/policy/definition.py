"""Policy definitions of rules, those that report and those that refuse, and the initiatives over them, as JSON. Pure.

What refuses lets identities past, so it looks at who writes; and of what does so, compliance scans say NotApplicable
(guardrails.rules.callers). So each rule has two definitions: one that reports, whose compliance data people read, and
one that refuses.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from guardrails.policy.condition import Refusal
from guardrails.rules.base import title_of
from guardrails.rules.callers import LET_PAST, NOT_KNOWN, not_let_past
from guardrails.rules.control import Condition, Parameter, every

CATEGORY: Final = "Policy exemptions"
INITIATIVE: Final = "exemption-guardrails"
DENIALS: Final = "exemption-guardrails-deny"
VERSION: Final = "2.0.0"
"""Of definitions and initiatives; raised by hand where what a definition means changes."""

CALLERS: Final = ("A caller that is listed in the parameter `letPast`.", NOT_KNOWN)
"""What each definition that refuses leaves to the service, besides what its rule leaves."""

_LONGEST: Final = 512
"""Characters of a description (Microsoft Learn, definition structure)."""
_MORE: Final = "(metadata.leaves has the rest)"
_YOUNG: Final = "The metadata alias is new (April 2026): do not make it the only control."
_EFFECTS: Final = {
    "Audit": "reports", "Deny": "refuses the write", "DenyAction": "refuses the delete", "Disabled": "does nothing",
}  # fmt: skip
_OF_EACH: Final = ("effect", LET_PAST)
"""Parameters that each member of an initiative has for itself."""


def report(refusal: Refusal, source: str) -> dict[str, Any]:
    """Return the definition that reports; `source` is the ruleset's file name."""
    return _of_rule(refusal, source, refusal.condition, {"effect": effect("Audit")}, refusal.all_leaves)


def denial(refusal: Refusal, source: str) -> dict[str, Any]:
    """Return the definition that refuses, but for whoever is let past."""
    parameters = {"effect": effect("Audit", "Deny"), LET_PAST: let_past()}
    condition = every((refusal.condition, not_let_past()))
    return _of_rule(refusal, source, condition, parameters, (*refusal.all_leaves, *CALLERS))


def _of_rule(
    refusal: Refusal, source: str, condition: Condition, parameters: Mapping[str, Any], leaves: Sequence[str]
) -> dict[str, Any]:
    rule, refuses = refusal.rule, LET_PAST in parameters
    does = "refuses: " if refuses else ""
    said = [title_of(rule), f"From rule {rule.code} {rule.name} of {source}."]
    said += [_YOUNG] if refusal.reads_metadata else []
    said += ["Left to the service:"] if leaves else []
    name = refusal.denial if refuses else refusal.name
    title = f"{rule.code} {rule.name}: {does}{title_of(rule).rstrip('.')}"[:128]
    asked = {**parameters, **{key: _parameter(one) for key, one in refusal.parameters.items()}}
    then = {"if": condition, "then": {"effect": "[parameters('effect')]"}}
    return custom(name, title, said, leaves, parameters=asked, policy_rule=then, rule=rule.code, ruleset=source)


def custom(
    name: str,
    title: str,
    said: Sequence[str],
    leaves: Sequence[str],
    *,
    parameters: Mapping[str, Any],
    policy_rule: Condition,
    **metadata: str,
) -> dict[str, Any]:
    """Return a custom definition. `leaves`: what it leaves to the service, a sentence each."""
    return {
        "name": name,
        "properties": {
            "displayName": title,
            "description": fitting(said, leaves),
            "policyType": "Custom",
            "mode": "All",
            "metadata": {"category": CATEGORY, "version": VERSION, **metadata, "leaves": list(leaves)},
            "parameters": parameters,
            "policyRule": policy_rule,
        },
    }


def effect(*allowed: str) -> dict[str, Any]:
    """Return the parameter of an effect: those allowed, of which the first is the default, and Disabled."""
    values = [*allowed, "Disabled"]
    return {
        "type": "String",
        "metadata": {
            "displayName": "Effect",
            "description": f"{'; '.join(f'{value} {_EFFECTS[value]}' for value in values)}.",
        },
        "allowedValues": values,
        "defaultValue": values[0],
    }


def let_past() -> dict[str, Any]:
    """Return the parameter of the identities that a definition lets past."""
    return {
        "type": "Array",
        "metadata": {
            "displayName": "Identities that are let past",
            "description": "Object ids, or application ids of applications. The guardrails' own identity belongs here:"
            " it tags, reverts and restores exemptions. Whoever else is named here is not refused.",
        },
        "defaultValue": [],
    }


def _parameter(said: Parameter) -> dict[str, Any]:
    return {
        "type": "Integer" if isinstance(said.default, int) else "Array",
        "metadata": {"displayName": said.title, "description": said.description},
        **({"allowedValues": list(said.allowed)} if said.allowed else {}),
        "defaultValue": said.default if isinstance(said.default, int) else list(said.default),
    }


def fitting(said: Sequence[str], more: Iterable[str]) -> str:
    """Return sentences as one text; those of `more` only as far as Azure has room."""
    text = " ".join(said)
    for sentence in more:
        if len(text) + len(sentence) + len(_MORE) + 2 > _LONGEST:
            return f"{text} {_MORE}"[:_LONGEST]
        text += f" {sentence}"
    return text[:_LONGEST]


def _initiative(name: str, title: str, text: str, source: str, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return an initiative over definitions by reference: what belongs to each, and the rules' own parameters."""
    declared = {reference: one["properties"]["parameters"] for reference, one in members.items()}
    times = Counter(key for parameters in declared.values() for key in parameters)
    shared: dict[str, Any] = {}
    made = []
    for reference, parameters in declared.items():
        names = {key: f"{key}-{reference}" if key in _OF_EACH or times[key] > 1 else key for key in parameters}
        for key, said in parameters.items():
            title_of_it = f"{said['metadata']['displayName']}: {reference}" if names[key] != key else None
            metadata = {**said["metadata"], **({"displayName": title_of_it} if title_of_it else {})}
            shared[names[key]] = {**said, "metadata": metadata}
        made.append(
            {
                "policyDefinitionReferenceId": reference,
                "policyDefinitionName": members[reference]["name"],
                "parameters": {key: {"value": f"[parameters('{theirs}')]"} for key, theirs in names.items()},
            }
        )
    return {
        "name": name,
        "properties": {
            "displayName": title,
            "description": text,
            "policyType": "Custom",
            "metadata": {"category": CATEGORY, "version": VERSION, "ruleset": source},
            "parameters": shared,
            "policyDefinitions": made,
        },
    }


def reports(refusals: Iterable[Refusal], source: str) -> list[dict[str, Any]]:
    """Return the initiative of what reports, and its definitions before it; nothing where no rule has a form."""
    made = {one.rule.name: report(one, source) for one in refusals if not one.by_caller}
    text = (
        f"The rules of {source} that Azure can check when an exemption is written. It reports and refuses nothing. What"
        " it cannot see, the service judges: see the README next to the definitions."
    )
    title = "Guardrails for policy exemptions"
    return [*made.values(), _initiative(INITIATIVE, title, text, source, made)] if made else []


def denials(refusals: Iterable[Refusal], source: str, more: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the initiative of what refuses, and its definitions before it; `more` are definitions by reference."""
    made = {one.rule.name: denial(one, source) for one in refusals if one.deny}
    text = (
        f"The rules of {source} by which Azure can refuse a write, and one about deletes. It lets past whom it names,"
        " and callers whom it does not know. It has no compliance data: the other initiative has."
    )
    title = "Guardrails for policy exemptions: refusing"
    members = {**made, **more}
    return [*members.values(), _initiative(DENIALS, title, text, source, members)]
