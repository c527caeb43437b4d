"""What AzPolicyFactory's template sends of a file, or why it is refused. Pure.

The template goes to a management group. An exemption goes to the resource group, the subscription or the management
group that its file names, else to that of the deployment.
"""

from typing import Any, Final

from guardrails.azpolicyfactory.config import EXEMPTION, ConfigFile, Value, member
from guardrails.azpolicyfactory.typed import PROPERTIES, SCOPE_KEYS, Mistake, mistakes_of, untyped
from guardrails.dataclass import dataclass
from guardrails.evaluation.template import Stage
from guardrails.evaluation.values import Unknown
from guardrails.lazy_regex import lazy_regex

API_VERSION: Final = "2025-12-01-preview"
KIND: Final = "providers/Microsoft.Authorization/policyExemptions"
GROUPS: Final = "/providers/Microsoft.Management/managementGroups/"
ADDED: Final = ("createdBy", "hidden_vml_name", "hidden_vml_version")
"""Keys of the metadata that the template writes, in place of the file's."""

_HEX: Final = r"[0-9A-Fa-f]"
_GUID: Final = lazy_regex(rf"([({{]?){_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}[)}}]?|{_HEX}{{32}}")
_CLOSING: Final = {"": "", "(": ")", "{": "}"}
_NUMBERS: Final = 2**63


@dataclass(frozen=True, slots=True)
class Sent:
    """An exemption as it would be sent. `id` and `scope`: Unknown where nobody said where the template goes to."""

    id: Value
    scope: Value
    name: str
    properties: dict[str, Value]


@dataclass(frozen=True, slots=True)
class TemplateRefused:
    """The template is refused, for all files of the run.

    Attributes:
        at: a JSON pointer into the file.
        stage: where; None where that is not certain.
    """

    at: str
    why: str
    stage: Stage | None


@dataclass(frozen=True, slots=True)
class Left:
    """Nothing is sent, and no error says so."""

    why: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """It is not certain what becomes of it."""

    why: str


type Effect = Sent | TemplateRefused | Left | Doubt


def effect_of(file: ConfigFile, target: str, *, alone: bool) -> Effect:
    """Return what the template makes of a file that the build step keeps.

    Args:
        target: the management group's id that the template is deployed to; "" where nobody said.
        alone: whether no other file is deployed with it.
    """
    if file.doubt:
        return Doubt(file.doubt)
    if file.value is None and file.strict.readable is False:
        return TemplateRefused("", "cannot be read as JSON", Stage.COMPILE)
    mistakes = [one for one in mistakes_of(file.value) if alone or not one.alone]
    if mistakes:
        return _refused(file.value, mistakes, alone=alone)
    if name := untyped(file.value):
        return Doubt(
            f"the compiler does not look at `{name[:60]}` in this letter case, and its value is of another type"
        )
    return _evaluated(file.value, target)


def _refused(root: Value, mistakes: list[Mistake], *, alone: bool) -> Effect:
    first = mistakes[0]
    if alone:
        return TemplateRefused(first.at, first.why, Stage.COMPILE)
    certain = [one for one in mistakes if one.why == "type" or one.why.startswith("too long")]
    for one in certain:
        if _at(root, one.at) is not None and "resourceSelectors" not in one.at:
            return TemplateRefused(one.at, one.why, Stage.COMPILE)
    if first.why == "type" or "resourceSelectors" in first.at:
        return Doubt("beside other files the compiler may let a null or a missing key pass")
    return TemplateRefused(first.at, first.why, None)


def _at(root: Value, pointer: str) -> Value:
    for part in pointer.split("/")[1:]:
        root = root[int(part)] if isinstance(root, list) else root[part]
    return root


def _evaluated(root: Value, target: str) -> Effect:
    exemption = member(root, EXEMPTION)
    name = str(member(exemption, "name"))
    if not name:
        return TemplateRefused(f"/{EXEMPTION}/name", "empty", Stage.EVALUATE)
    group, subscription, resource_group = (member(root, key) or "" for key in SCOPE_KEYS)
    if doubt := _strange(exemption, name, group, subscription, resource_group):
        return Doubt(doubt)
    if resource_group and not subscription:
        return Left("a resource group without a subscription: the template deploys nothing")
    if subscription and not _is_guid(subscription):
        if resource_group or not subscription.strip():
            return Doubt("the subscription is no id")
        return TemplateRefused("/subscriptionId", "the subscription is no id", Stage.EVALUATE)
    scope = _scope(group, subscription, resource_group, target)
    identity = f"{scope}/{KIND}/{name}" if isinstance(scope, str) else scope
    return Sent(identity, scope, name, _properties(exemption))


def _scope(group: str, subscription: str, resource_group: str, target: str) -> Value:
    if subscription:
        inner = f"/resourceGroups/{resource_group}" if resource_group else ""
        return f"/subscriptions/{subscription}{inner}"
    if group:
        return GROUPS + group
    return target or Unknown("the management group of the deployment is not known; say it with --deploy-to")


def _strange(exemption: Value, name: str, *scope: str) -> str:
    """Return why it is not certain what the engine makes of a file; "" where it is."""
    if "/" in name or not name.strip():
        return "what the engine makes of this name is not known"
    if any("/" in one or (one and not one.strip()) for one in scope):
        return "what the engine makes of this scope is not known"
    if any(map(_rare, exemption.values())):
        return "a number in it may be sent otherwise than it is written"
    return ""


def _rare(value: Any) -> bool:
    """Whether a value holds a number that the compiler may write otherwise."""
    if isinstance(value, dict):
        return any(map(_rare, value.values()))
    if isinstance(value, list):
        return any(map(_rare, value))
    if isinstance(value, float):
        return value.is_integer() or len(repr(value)) > 15 or "e" in repr(value)
    return isinstance(value, int) and not -_NUMBERS <= value < _NUMBERS


def _is_guid(text: str) -> bool:
    text = text.strip()
    found = _GUID.fullmatch(text)
    opening = (found[1] or "") if found else ""
    return found is not None and text.endswith(_CLOSING[opening]) and (bool(opening) or text[-1] not in ")}")


def _properties(exemption: Value) -> dict[str, Value]:
    found = {key: member(exemption, key) for key in PROPERTIES if key != "name"}
    own = found["metadata"] or {}
    added = {key.lower() for key in ADDED}
    kept = {key: value for key, value in own.items() if key.lower() not in added}
    found["metadata"] = kept | {key: Unknown("AzPolicyFactory's template writes it") for key in ADDED}
    return found
