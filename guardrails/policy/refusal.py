"""What a ruleset refuses at the control plane by one rule: everywhere, and where overrides say otherwise. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from guardrails.exemption import ExemptionId
from guardrails.policy.conditions import covers, may_meet, not_excluded, outside
from guardrails.rules.base import Rule
from guardrails.rules.control import TYPE, Condition, Form, Parameter, every, some
from guardrails.rules.sample import BODY
from guardrails.ruleset import Layer, Ruleset

_IS_EXEMPTION: Final[Condition] = {"field": "type", "equals": TYPE}
_ANY: Final = ExemptionId.parse(BODY["id"])
_OFF: Final = "It is off in the ruleset."
_NO_GLOB: Final = "All of it, for Azure cannot say this scope with its one wildcard."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule as a policy.

    Attributes:
        condition: the whole of `if`.
        leaves: violations that it leaves to the service, a sentence each.
    """

    rule: Rule
    condition: Condition
    parameters: Mapping[str, Parameter]
    leaves: tuple[str, ...]
    deny: bool

    @property
    def name(self) -> str:
        """The definition's name: `exg101-expiry-missing`."""
        return f"{self.rule.code.lower()}-{self.rule.name}"

    @property
    def effects(self) -> tuple[str, ...]:
        """The effects that whoever assigns it may choose."""
        return ("Audit", "Deny", "Disabled") if self.deny else ("Audit", "Disabled")

    @property
    def reads_metadata(self) -> bool:
        """Whether it stands and falls with the alias of the metadata."""
        return f"{TYPE}/metadata" in json.dumps(self.condition)


def refusal_of(rule: Rule, ruleset: Ruleset) -> Refusal | str:
    """Return what the ruleset refuses by a rule, or why it refuses nothing."""
    touching = _touching(rule, ruleset.layers)
    branches: list[Condition] = []
    forms: list[Form] = []
    leaves: list[str] = []
    reasons: list[str] = []
    parameters: Mapping[str, Parameter] = {}
    for layer in (None, *touching):
        form = _form(rule, ruleset, layer)
        where = _where(layer, touching)
        if isinstance(form, str):
            reasons.append(_at(layer, form))
        elif where is None:
            leaves.append(_at(layer, _NO_GLOB))
        else:
            forms.append(form)
            branches.append(every((*where, form.condition if layer is None else _with_defaults(form))))
            leaves += [_at(layer, text) for text in form.leaves]
            parameters = parameters if layer else form.parameters
    if not branches:
        return " ".join((*reasons, *leaves))
    leaves += [text for text in reasons if not text.endswith(_OFF)]
    condition = every((_IS_EXEMPTION, *not_excluded(ruleset.exclusions), _any_of(branches)))
    deny = all(form.deny for form in forms)
    return Refusal(rule, condition, parameters, (*leaves, *_blurred(touching, ruleset)), deny)


def _touching(rule: Rule, layers: Sequence[Layer]) -> list[Layer]:
    """Return the overrides that may change what is a violation of a rule, not only what follows."""
    base, *others = ({"enabled": True, **said} if (said := layer.rules.get(rule.name)) else {} for layer in layers)
    switches = len({said["enabled"] for said in (base or {"enabled": False}, *others) if said}) > 1
    return [layer for layer, said in zip(layers[1:], others, strict=True) if said.get("options") or (said and switches)]


def _form(rule: Rule, ruleset: Ruleset, layer: Layer | None) -> Form | str:
    """Return the rule's form where one override applies, or none; why there is none."""
    over = () if layer is None else (layer._replace(scope="", pattern=None),)
    there = replace(ruleset, layers=(ruleset.layers[0], *over), _bound={})
    bound = next((one for one in there.rules_for(_ANY) if one.rule is rule), None)
    if bound is None:
        return _OFF
    control = rule.control
    return control(bound.options, ruleset.names) if callable(control) else control


def _where(layer: Layer | None, touching: Sequence[Layer]) -> list[Condition] | None:
    """Return the conditions that an override applies, or none, and no other; None where they cannot be said."""
    if layer is None:
        return [outside(_text(other)) for other in touching]
    here = covers(_text(layer))
    meeting = (other for other in touching if other is not layer and may_meet(_text(layer), _text(other)))
    return None if here is None else [here, *(outside(_text(other)) for other in meeting)]


def _text(layer: Layer) -> str:
    return layer.pattern.text if layer.pattern else layer.scope


def _any_of(branches: Sequence[Condition]) -> Condition:
    """Return the condition that any branch holds. What stands in all stands once: Azure takes ten counts of values."""
    parts = [branch.get("allOf", [branch]) for branch in branches]
    shared = [one for one in parts[0] if all(one in others for others in parts)]
    rests = [[one for one in some_parts if one not in shared] for some_parts in parts]
    return every((*shared, some(map(every, rests)))) if all(rests) else every(shared)


def _at(layer: Layer | None, text: str) -> str:
    return text if layer is None else f"At `{layer.scope}`: {text}"


def _with_defaults(form: Form) -> Condition:
    """Return the condition with its parameters' values in it: parameters speak for where no override applies."""
    text = json.dumps(form.condition)
    for name, parameter in form.parameters.items():
        value = json.dumps(parameter.default)
        text = text.replace(f"\"[parameters('{name}')]\"", value).replace(f"parameters('{name}')", value)
    made: Condition = json.loads(text)
    return made


def _blurred(touching: Sequence[Layer], ruleset: Ruleset) -> list[str]:
    """Return what is left because of where the rule applies."""
    said = []
    if len(touching) > 1:
        said.append("All where two overrides of the rule apply.")
    places = {layer.scope: _text(layer) for layer in touching}
    places |= {one.scope: one.pattern.text for one in ruleset.exclusions}
    globs = [scope for scope, text in places.items() if covers(text) is None]
    if globs:
        listed = ", ".join(f"`{glob}`" for glob in globs)
        said.append(f"All at ids that hold the texts between the wildcards of {listed}: Azure has one wildcard.")
    return said
