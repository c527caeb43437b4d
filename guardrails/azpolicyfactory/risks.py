"""What AzPolicyFactory does with a file that nobody may expect, and says nothing of. Pure.

What its checks, the compiler or the engine refuse is no risk: it is said.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from guardrails.azpolicyfactory.build import Build, has_moment, shifted
from guardrails.azpolicyfactory.config import EXEMPTION, Value, member, spelled
from guardrails.azpolicyfactory.folder import FileAnswer, FolderAnswer
from guardrails.azpolicyfactory.template import ADDED, Left, Sent
from guardrails.azpolicyfactory.typed import PROPERTIES, SCOPE_KEYS
from guardrails.epac.schema import Verdict as Status
from guardrails.evaluation.values import escaped
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import Risk
from guardrails.nearest import nearest

_MEANT_SCOPE: Final = frozenset({
    "scope", "scopes", "resourceid", "resource", "resourcegroup", "subscription", "managementgroup", "rg", "sub", "mg",
})  # fmt: skip
"""Keys in lower case that authors take for the scope."""
_BESIDE: Final = "managementGroupId, subscriptionId, or subscriptionId with resourceGroupName, beside policyExemption"
_END: Final = f"/{EXEMPTION}/expiresOn"
_LOST: Final = {
    "expiresOn": ": the exemption never ends",
    "resourceSelectors": ": the exemption covers all resources of its scope",
    "policyDefinitionReferenceIds": ": the exemption covers the whole initiative",
}
"""What becomes of an exemption without a key."""
_MOST: Final = 10
"""Keys that are named."""


class Found(NamedTuple):
    """A risk, and the JSON pointer into the file of what it is about."""

    at: str
    risk: Risk


def risks_of(one: FileAnswer, folder: FolderAnswer) -> list[Found]:
    """Return the risks of a file, at most one for each rule."""
    return [risk for look in _LOOKS if (risk := look(one, folder))]


def _unread(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if one.own_build is not Build.NOT_SEEN:
        return None
    text = "AzPolicyFactory reads files that end in .json and are not hidden; it never reads this one"
    return Found("", Risk("file-never-read", text, {"file": one.file.name}, "file name", one.file.name, "NAME.json"))


def _hides(one: FileAnswer, folder: FolderAnswer) -> Found | None:
    if not (one.file.seen and one.file.stops):
        return None
    later = sum(each.checks is None and each.file.seen is not False for each in folder.files) - 1
    others = f", nor at {number_of(later, 'later file')}" if later > 0 else ""
    text = (
        f"AzPolicyFactory cannot read this file ({one.file.stops}): its checks do not look at it{others}, and the"
        " report counts no failure"
    )
    return Found("", Risk("hides-from-checks", text, {"laterFiles": later}, "the file", "", "JSON that can be read"))


def _everything(one: FileAnswer, _: FolderAnswer) -> Found | None:
    root = one.file.value
    if not isinstance(one.effect, Sent) or any(member(root, key) for key in SCOPE_KEYS):
        return None
    at, said = _meant(root)
    why = f"{said!r} names no scope" if said else "no key names a scope"
    text = f"{why}, so AzPolicyFactory exempts the whole management group that it deploys to"
    return Found(at, Risk("scope-falls-back", text, {"key": said or None}, "the scope", said, _BESIDE))


def _meant(root: Value) -> tuple[str, str]:
    """Return the pointer and name of the key that its author may have meant for the scope; "" for none."""
    for key in SCOPE_KEYS:  # null or empty
        if (name := spelled(root, key)) is not None:
            return f"/{name}", name
    outer = spelled(root, EXEMPTION) or EXEMPTION
    for above, owner in (("", root), (f"/{outer}", member(root, EXEMPTION))):
        for key in owner:
            known = above and key.lower() in _KNOWN
            if not known and (key.lower() in _MEANT_SCOPE or nearest(key, SCOPE_KEYS)):
                return f"{above}/{escaped(key)}", key
    return "", ""


def _nothing(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if not isinstance(one.effect, Left):
        return None
    group = str(member(one.file.value, "resourceGroupName"))
    text = "it names a resource group and no subscription: AzPolicyFactory deploys nothing, without an error"
    risk = Risk(
        "deploys-nothing", text, {"resourceGroupName": group}, "subscriptionId", "", "the id of the subscription"
    )
    return Found(f"/{spelled(one.file.value, 'resourceGroupName')}", risk)


def _dropped(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if not (isinstance(one.effect, Sent | Left) or one.own_build is Build.EXPIRED):
        return None
    root = one.file.value
    scoped = _everything(one, _)
    told = scoped.at if scoped else ""
    outer = spelled(root, EXEMPTION) or EXEMPTION
    found: dict[str, tuple[str, str]] = {}
    for above, owner, known in (("", root, _ROOT), (f"/{outer}", member(root, EXEMPTION), _KNOWN)):
        for key in owner if isinstance(owner, dict) else ():
            at = f"{above}/{escaped(key)}"
            if key.lower() not in known and not key.startswith(("_", "$", "/", "#")) and at != told:
                found[at] = key, _spelling(key, above)
    if not found:
        return None
    keys = [key for key, _ in found.values()][:_MOST]
    lost = next((_LOST[meant] for _, meant in found.values() if meant in _LOST), "")
    at, (first, meant) = next(iter(found.items()))
    what, them = ("key", "it") if len(found) == 1 else ("keys", "them")
    text = f"AzPolicyFactory does not know the {what} {', '.join(keys)} here, and drops {them}{lost}"
    return Found(at, Risk("key-dropped", text, {"keys": keys}, first, "", meant or "no such key"))


def _spelling(key: str, above: str) -> str:
    """Return what the author may have meant by a key; "" for nothing."""
    here, there = (PROPERTIES, SCOPE_KEYS) if above else (SCOPE_KEYS, PROPERTIES)
    if near := nearest(key, here):
        return near[0]
    near = nearest(key, there)
    return f"{near[0]}, {'beside' if above else 'inside'} {EXEMPTION}" if near else ""


def _ignored_scope(one: FileAnswer, _: FolderAnswer) -> Found | None:
    root = one.file.value
    if not isinstance(one.effect, Sent) or not (member(root, "managementGroupId") and member(root, "subscriptionId")):
        return None
    group = str(member(root, "managementGroupId"))
    text = f"AzPolicyFactory ignores managementGroupId beside subscriptionId: it exempts at {one.effect.scope}"
    risk = Risk("scope-key-ignored", text, {"managementGroupId": group}, "managementGroupId", group, "one of the two")
    return Found(f"/{spelled(root, 'managementGroupId')}", risk)


def _end(one: FileAnswer, _: FolderAnswer) -> Found | None:
    """Return what becomes of an end that the schema lets pass."""
    end = member(one.file.exemption, "expiresOn")
    if not isinstance(end, str) or one.schema.status is not Status.VALID:
        return None
    at = f"{_END.rpartition('/')[0]}/{spelled(one.file.exemption, 'expiresOn')}"
    evidence = {"expiresOn": end}
    moment = "a time in UTC that exists, such as 2027-03-31T22:00:00Z"
    if one.own_build is Build.EXPIRED:
        text = "AzPolicyFactory leaves it out, for its end is past: what is deployed stays, with its own end"
        return Found(at, Risk("past-end-not-sent", text, evidence, "expiresOn", end, "delete the exemption in Azure"))
    if one.own_build is not Build.KEPT or not end:
        return None
    if not has_moment(end):
        text = "AzPolicyFactory compares its end as a text: it keeps sending it, past or not, as it is written"
        return Found(at, Risk("end-not-a-time", text, evidence, "expiresOn", end, moment))
    if shifted(end):
        text = "AzPolicyFactory compares its end in the runner's time zone: elsewhere it expires hours earlier or later"
        return Found(at, Risk("end-follows-runner", text, evidence, "expiresOn", end, moment))
    return None


def _replaced(one: FileAnswer, _: FolderAnswer) -> Found | None:
    metadata = member(one.file.exemption, "metadata")
    if not isinstance(one.effect, Sent) or not isinstance(metadata, dict):
        return None
    added = {key.lower() for key in ADDED}
    keys = [key for key in metadata if key.lower() in added]
    if not keys:
        return None
    text = f"AzPolicyFactory's template writes its own value for {', '.join(keys)} of the metadata"
    risk = Risk("metadata-replaced", text, {"keys": keys}, f"metadata.{keys[0]}", "", "another key")
    return Found(f"/{EXEMPTION}/metadata/{escaped(keys[0])}", risk)


def _same_name(one: FileAnswer, folder: FolderAnswer) -> Found | None:
    if not isinstance(one.effect, Sent):
        return None
    name = one.effect.name.lower()
    for other in folder.files:
        if other is one:
            return None
        if isinstance(other.effect, Sent) and other.effect.name.lower() == name:
            break
    text = f"{other.file.name} has this name, too: their deployments get one name, which stops all of them in Azure"
    risk = Risk(
        "deployment-names-collide", text, {"other": other.file.name}, "name", one.effect.name, "a name of its own"
    )
    return Found(f"/{EXEMPTION}/name", risk)


def _approval(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if one.checks is None or one.checks.schema is not True:
        return None
    said = {False: "its approvedBy is its requestedBy", None: ""}.get(one.checks.two_people, "")
    key, allowed = "approvedBy", "another person"
    if one.checks.approved_before is False:
        said = f"{said}{', and ' if said else ''}its approvedOn is no day in the past"
        key, allowed = ("approvedOn", "a day in the past") if one.checks.two_people is not False else (key, allowed)
    if not said:
        return None
    text = f"{said}: AzPolicyFactory checks that in its workflow for GitHub alone, not in Azure DevOps"
    metadata = member(one.file.exemption, "metadata")
    current = str(member(metadata, key))
    risk = Risk("approval-not-checked", text, {key: current}, f"metadata.{key}", current, allowed)
    return Found(f"/{EXEMPTION}/metadata/{spelled(metadata, key)}", risk)


type _Look = Callable[[FileAnswer, FolderAnswer], Found | None]
_LOOKS: Final[tuple[_Look, ...]] = (
    _unread, _hides, _everything, _nothing, _dropped, _ignored_scope, _end, _replaced, _same_name, _approval,
)  # fmt: skip
_KNOWN: Final = frozenset(key.lower() for key in PROPERTIES)
_ROOT: Final = frozenset(key.lower() for key in (EXEMPTION, *SCOPE_KEYS))
