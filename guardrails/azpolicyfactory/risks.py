"""What AzPolicyFactory does with a file that nobody may expect, and says nothing of. Pure.

What its checks, the compiler or the engine refuse is no risk: it is said.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from guardrails.azpolicyfactory import VERSION
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
DEPLOYER: Final = f"AzPolicyFactory, seen at commit {VERSION} (2026-08)"
_KEYS_OF_SCOPE: Final = (
    "managementGroupId, subscriptionId, or subscriptionId with resourceGroupName, beside policyExemption"
)

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


def _found(rule: str, at: str, text: str, correction: str, **evidence: str) -> Found:
    return Found(at, Risk(rule, text, DEPLOYER, correction, {key: value for key, value in evidence.items() if value}))


def risks_of(one: FileAnswer, folder: FolderAnswer) -> list[Found]:
    """Return the risks of a file, at most one for each rule."""
    return [risk for look in _LOOKS if (risk := look(one, folder))]


def _unread(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if one.own_build is not Build.NOT_SEEN:
        return None
    text = "AzPolicyFactory reads files that end in .json and are not hidden; it never reads this one"
    return _found("file-never-read", "", text, "a name that ends in .json and begins with no dot", file=one.file.name)


def _hides(one: FileAnswer, folder: FolderAnswer) -> Found | None:
    if not (one.file.seen and one.file.stops):
        return None
    later = sum(each.checks is None and each.file.seen is not False for each in folder.files) - 1
    others = f", nor at {number_of(later, 'later file')}" if later > 0 else ""
    text = f"AzPolicyFactory's checks do not look at this file{others}, and the report counts no failure"
    return _found("hides-from-checks", "", text, "JSON that can be read", why=one.file.stops)


def _everything(one: FileAnswer, _: FolderAnswer) -> Found | None:
    root = one.file.value
    if not isinstance(one.effect, Sent) or any(member(root, key) for key in SCOPE_KEYS):
        return None
    at, said = _meant(root)
    why = f"the key {said} names no scope" if said else "no key names a scope"
    text = f"{why}, so AzPolicyFactory exempts the whole management group that it deploys to"
    return _found("scope-falls-back", at, text, _KEYS_OF_SCOPE, key=said)


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
    at = f"/{spelled(one.file.value, 'resourceGroupName')}"
    return _found(
        "deploys-nothing", at, text, "subscriptionId with the id of the subscription", resourceGroupName=group
    )


def _dropped(one: FileAnswer, folder: FolderAnswer) -> Found | None:
    if not (isinstance(one.effect, Sent | Left) or one.own_build is Build.EXPIRED):
        return None
    found = _unknown_keys(one.file.value)
    if scoped := _everything(one, folder):
        found.pop(scoped.at, None)  # that key is reported already
    if not found:
        return None
    keys = ", ".join([key for key, _ in found.values()][:_MOST])
    lost = next((_LOST[meant] for _, meant in found.values() if meant in _LOST), "")
    what, them = ("key", "it") if len(found) == 1 else ("keys", "them")
    text = f"AzPolicyFactory does not know the {what} {keys} here, and drops {them}{lost}"
    at, (_, meant) = next(iter(found.items()))
    return _found("key-dropped", at, text, meant or "no such key, or one in the metadata", keys=keys)


def _unknown_keys(root: Value) -> dict[str, tuple[str, str]]:
    """Return the keys that AzPolicyFactory does not know: pointer -> the key, and what may be meant by it."""
    found: dict[str, tuple[str, str]] = {}
    outer = spelled(root, EXEMPTION) or EXEMPTION
    for above, owner, known in (("", root, _ROOT), (f"/{outer}", member(root, EXEMPTION), _KNOWN)):
        for key in owner if isinstance(owner, dict) else ():
            if key.lower() not in known and not key.startswith(_REMARKS):
                found[f"{above}/{escaped(key)}"] = key, _spelling(key, inside=bool(above))
    return found


def _spelling(key: str, *, inside: bool) -> str:
    """Return what the author may have meant by a key, "" for nothing. `inside`: of policyExemption."""
    here, there = (PROPERTIES, SCOPE_KEYS) if inside else (SCOPE_KEYS, PROPERTIES)
    if near := nearest(key, here):
        return near[0]
    near = nearest(key, there)
    return f"{near[0]}, {'beside' if inside else 'inside'} {EXEMPTION}" if near else ""


def _ignored_scope(one: FileAnswer, _: FolderAnswer) -> Found | None:
    root = one.file.value
    if not isinstance(one.effect, Sent) or not (member(root, "managementGroupId") and member(root, "subscriptionId")):
        return None
    group = str(member(root, "managementGroupId"))
    text = f"AzPolicyFactory ignores managementGroupId beside subscriptionId: it exempts at {one.effect.scope}"
    at = f"/{spelled(root, 'managementGroupId')}"
    return _found("scope-key-ignored", at, text, "the key of one scope", managementGroupId=group)


def _end(one: FileAnswer, _: FolderAnswer) -> Found | None:
    """Return what becomes of an end that the schema lets pass."""
    end = member(one.file.exemption, "expiresOn")
    if not isinstance(end, str) or one.schema.status is not Status.VALID:
        return None
    at = f"/{EXEMPTION}/{spelled(one.file.exemption, 'expiresOn')}"
    moment = "a time in UTC that exists, such as 2027-03-31T22:00:00Z, as expiresOn"
    if one.own_build is Build.EXPIRED:
        text = "AzPolicyFactory skips it, because its expiry is past: the deployed exemption stays, with its own expiry"
        return _found("past-end-not-sent", at, text, "delete the exemption in Azure, then the file", expiresOn=end)
    if shifted(end):
        text = "AzPolicyFactory compares its expiry in the runner's time zone, which may be hours too early or too late"
        return _found("end-follows-runner", at, text, moment, expiresOn=end)
    if one.own_build is Build.KEPT and end and not has_moment(end):
        text = "AzPolicyFactory compares its expiry as text: it deploys it unchanged in each run, past or not"
        return _found("end-not-a-time", at, text, moment, expiresOn=end)
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
    at = f"/{EXEMPTION}/metadata/{escaped(keys[0])}"
    return _found("metadata-replaced", at, text, "another key", keys=", ".join(keys))


def _same_name(one: FileAnswer, folder: FolderAnswer) -> Found | None:
    if not isinstance(one.effect, Sent):
        return None
    name = one.effect.name.lower()
    for other in folder.files:
        if other is one:
            return None
        if isinstance(other.effect, Sent) and other.effect.name.lower() == name:
            break
    text = f"{other.file.name} has this name too: both deployments get one name"
    text += ", and Azure will probably refuse all files"
    return _found("deployment-names-collide", f"/{EXEMPTION}/name", text, "a name of its own", name=one.effect.name)


def _approval(one: FileAnswer, _: FolderAnswer) -> Found | None:
    if one.checks is None or one.checks.schema is not True:
        return None
    said = ["its approvedBy and requestedBy are the same person"] if one.checks.two_people is False else []
    said += ["its approvedOn is not today or an earlier day"] if one.checks.approved_before is False else []
    if not said:
        return None
    text = f"{', and '.join(said)}: AzPolicyFactory checks this only in its workflow for GitHub, not in Azure DevOps"
    key = "approvedBy" if one.checks.two_people is False else "approvedOn"
    metadata = member(one.file.exemption, "metadata")
    correction = "another person" if key == "approvedBy" else "today or an earlier day"
    at = f"/{EXEMPTION}/metadata/{spelled(metadata, key)}"
    return _found("approval-not-checked", at, text, correction, **{key: str(member(metadata, key))})


type _Look = Callable[[FileAnswer, FolderAnswer], Found | None]
_LOOKS: Final[tuple[_Look, ...]] = (
    _unread, _hides, _everything, _nothing, _dropped, _ignored_scope, _end, _replaced, _same_name, _approval,
)  # fmt: skip
_KNOWN: Final = frozenset(key.lower() for key in PROPERTIES)
_ROOT: Final = frozenset(key.lower() for key in (EXEMPTION, *SCOPE_KEYS))
_REMARKS: Final = ("_", "$", "/", "#")
"""What a key begins with that is a remark."""
