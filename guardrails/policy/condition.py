"""Conditions: what a ruleset refuses by one rule, everywhere, and where overrides say otherwise. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.policy.globs import covers, may_meet, not_excluded, outside
from guardrails.rules.base import Rule, is_as_strict
from guardrails.rules.control import IS_EXEMPTION, TYPE, Condition, Form, Given, Parameter, alias, every, some
from guardrails.ruleset.bound_rules import Limits
from guardrails.ruleset.model import Ruleset
from guardrails.ruleset.overrides import Override

_OFF: Final = "It is off in the ruleset."
_NO_GLOB: Final = "Everything: Azure cannot express this scope with its one wildcard."
_NOT_SEEN: Final = "Everything: a policy does not see what the exemption exempts from."
_ENDS: Final = "Everything: the override holds only until a date."
_WHOLE: Final[Condition] = {"field": alias("policyAssignmentId"), "exists": True}
"""A PUT has it, a PATCH has not: should Azure show a policy the fields of a PATCH alone, it looks at none of them."""
UNSEEN: Final = "Updates by PATCH, if policies do not see them: nobody has tested this in Azure."
_HELD_OFF: Final = "It may accept more, and a policy does not see where it holds."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule as a policy.

    Attributes:
        condition: the whole of `if`.
        leaves: violations that it leaves to the service, a sentence each.
        deny: whether a definition refuses by it.
        by_caller: whether it looks at who writes: then no definition reports by it.
    """

    rule: Rule
    condition: Condition
    parameters: Mapping[str, Parameter]
    leaves: tuple[str, ...]
    deny: bool
    by_caller: bool

    @property
    def name(self) -> str:
        """The name of the definition that reports: `exg101-expiry-missing`."""
        return f"{self.rule.code.lower()}-{self.rule.name}"

    @property
    def denial(self) -> str:
        """The name of the definition that refuses: `exg101-expiry-missing-deny`."""
        return f"{self.name}-deny"

    @property
    def reads_metadata(self) -> bool:
        """Whether it depends on the alias of the metadata."""
        return f"{TYPE}/metadata" in json.dumps(self.condition)


def refusal_of(rule: Rule, ruleset: Ruleset) -> Refusal | str:
    """Return what the ruleset refuses by a rule, or why it refuses nothing."""
    limits = ruleset.limits
    touching = _touching(rule, limits)
    by_scope = [number for number in touching if _is_place(limits.overrides[number])]
    branches: list[Condition] = []
    forms: list[Form] = []
    leaves: list[str] = []
    reasons: list[str] = []
    parameters: Mapping[str, Parameter] = {}
    for number in (None, *by_scope):
        form = _form(rule, ruleset, number)
        where = _where(rule, limits, number, touching)
        if isinstance(form, str):
            reasons.append(_at(limits, number, form))
        elif isinstance(where, str):
            leaves.append(_at(limits, number, where))
        else:
            forms.append(form)
            branches.append(every((*where, form.condition if number is None else _with_defaults(form))))
            leaves += [_at(limits, number, text) for text in form.leaves]
            parameters = form.parameters if number is None else parameters
    if not branches:
        return " ".join((*reasons, *leaves))
    leaves += [text for text in reasons if not text.endswith(_OFF)]
    others = [number for number in touching if number not in by_scope]
    leaves += [_at(limits, n, _ENDS if limits.overrides[n].by_scope_alone else _NOT_SEEN) for n in others]
    condition = every((IS_EXEMPTION, _WHOLE, *not_excluded(ruleset.exclusions), _any_of(branches)))
    deny, by_caller = all(form.deny for form in forms), any(form.by_caller for form in forms)
    return Refusal(rule, condition, parameters, (*leaves, *_blurred(by_scope, ruleset), UNSEEN), deny, by_caller)


def _is_place(override: Override) -> bool:
    """Whether a policy can say where an override holds, by its scope alone and for ever."""
    return override.by_scope_alone and override.expires is None


def _touching(rule: Rule, limits: Limits) -> list[int]:
    """Return the numbers of the overrides that may change what is a violation, not only what follows."""
    settings = (limits.rules, *(one.rules for one in limits.overrides))
    base, *others = ({"enabled": True, **said} if (said := one.get(rule.name)) else {} for one in settings)
    switches = len({said["enabled"] for said in (base or {"enabled": False}, *others) if said}) > 1
    return [number for number, said in enumerate(others) if said.get("options") or (said and switches)]


def _form(rule: Rule, ruleset: Ruleset, number: int | None) -> Form | str:
    """Return the rule's form where one override holds, or none; why there is none."""
    bound = ruleset.limits.bound(() if number is None else (number,)).get(rule.name)
    if bound is None:
        return _OFF
    control = rule.control
    return control(bound.options, Given(ruleset.names, ruleset.approved)) if callable(control) else control


def _where(rule: Rule, limits: Limits, number: int | None, touching: Sequence[int]) -> list[Condition] | str:
    """Return the conditions that an override holds, or none, and no other that lets more pass; why there are none."""
    this = None if number is None else limits.overrides[number]
    found: list[Condition] = []
    if this is not None:
        here = covers(_text(this))
        if here is None:
            return _NO_GLOB
        found.append(here)
    for other in touching:
        one = limits.overrides[other]
        if other == number or (this and one.scope and not may_meet(_text(this), _text(one))):
            continue
        if _is_place(one):
            found.append(outside(_text(one)))
        elif _lets_more_pass(rule, limits, number, other):
            away = _away(one)
            if away is None:
                return f"Everything: {one.path} holds for some controls. {_HELD_OFF}"
            found.append(away)
    return found


def _lets_more_pass(rule: Rule, limits: Limits, number: int | None, other: int) -> bool:
    """Whether, where another override holds too, a violation may be none any more."""
    before = limits.bound(() if number is None else (number,)).get(rule.name)
    after = limits.bound(tuple(sorted((other, *(() if number is None else (number,)))))).get(rule.name)
    return before is not None and (after is None or not is_as_strict(after.options, before.options))


def _away(override: Override) -> Condition | None:
    """Return a condition that holds nowhere where the override does, by what a policy sees; None where it sees none."""
    found = [outside(_text(override))] if override.scope else []
    if override.exemption_category:
        category = {"field": alias("exemptionCategory")}
        found.append(every({**category, "notEquals": one} for one in override.exemption_category))
    return some(found) if found else None


def _text(override: Override) -> str:
    return override.scope.text if override.scope else ""


def _any_of(branches: Sequence[Condition]) -> Condition:
    """Return the condition that any branch holds. What all share is written once: Azure takes ten counts of values."""
    parts = [branch.get("allOf", [branch]) for branch in branches]
    shared = [one for one in parts[0] if all(one in others for others in parts)]
    rests = [[one for one in some_parts if one not in shared] for some_parts in parts]
    return every((*shared, some(map(every, rests)))) if all(rests) else every(shared)


def _at(limits: Limits, number: int | None, text: str) -> str:
    if number is None:
        return text
    override = limits.overrides[number]
    return f"At `{override.said}`: {text}" if override.by_scope_alone else f"Where {override.path} holds: {text}"


def _with_defaults(form: Form) -> Condition:
    """Return the condition with its parameters' values in it: parameters speak for where no override applies."""
    text = json.dumps(form.condition)
    for name, parameter in form.parameters.items():
        value = json.dumps(parameter.default)
        text = text.replace(f"\"[parameters('{name}')]\"", value).replace(f"parameters('{name}')", value)
    made: Condition = json.loads(text)
    return made


def _blurred(touching: Sequence[int], ruleset: Ruleset) -> list[str]:
    """Return what is left because of where the rule applies."""
    said = []
    if len(touching) > 1:
        said.append("All where two overrides of the rule apply.")
    overrides = (ruleset.limits.overrides[number] for number in touching)
    places = {one.said: _text(one) for one in overrides}
    places |= {one.scope: one.pattern.text for one in ruleset.exclusions}
    globs = [scope for scope, text in places.items() if covers(text) is None]
    if globs:
        listed = ", ".join(f"`{glob}`" for glob in globs)
        said.append(f"All ids with the texts between the wildcards of {listed}: Azure has only one wildcard.")
    return said
