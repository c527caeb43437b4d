"""What every client of exemptions does against the sandbox and its service, and sees by its own output alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from sandbox.tenant import APPROVAL, GROUP, MANAGEMENT_GROUP, RESOURCE, exemption_id, in_days, waiver
from tests.clients.conftest import ABOVE, Site

type Shown = Mapping[str, Any]
"""An exemption as a client shows it, with ARM's names; properties are beside `id` and `name`."""

TAG: Final = "guardrails"
NO_TICKET: Final = {key: value for key, value in APPROVAL.items() if key != "approvalTicket"}


class Client(Protocol):
    """A client that is logged in as the approved pipeline. All fail where the client reports an error."""

    name: str

    def create(self, scope: str, name: str, properties: Mapping[str, Any]) -> Shown:
        """Write an exemption; return what is shown of it."""

    def show(self, scope: str, name: str) -> Shown | None:
        """Return an exemption; None where the client says that there is none."""

    def update(self, scope: str, name: str, **changes: Any) -> Shown:
        """Change properties, by ARM's names, and keep the others; None takes one out."""

    def listed(self) -> list[str]:
        """Return the ids of all exemptions that apply to the subscription or to anything in it."""

    def delete(self, scope: str, name: str) -> None:
        """Delete an exemption; one that is not there is no error."""


def compliant(**changes: Any) -> dict[str, Any]:
    """Return the properties of an exemption that keeps every rule, changed; None takes one out."""
    properties: dict[str, Any] = waiver(**{"expiresOn": in_days(120), **changes})["properties"]
    return properties


def same(shown: Shown | None, properties: Mapping[str, Any]) -> None:
    """Check that a client shows these properties, however it spells a time."""
    assert shown is not None
    found = {name: shown.get(name) for name in properties}
    moment, wanted = found.pop("expiresOn"), {**properties}
    assert moment
    assert datetime.fromisoformat(moment) == datetime.fromisoformat(wanted.pop("expiresOn"))
    assert found == wanted


def take(site: Site, client: Client) -> None:
    """Create, list, update, be tagged, put back, reverted and restored, delete."""
    name, good = f"{client.name}-waiver", compliant()
    one = exemption_id(RESOURCE, name)

    with site.answered(one, "written"):
        same(client.create(RESOURCE, name, good), good)
    same(client.show(RESOURCE, name), good)

    _lists_what_is_inherited(site, client, one)

    good["displayName"] = "Partner ingestion, renamed"
    with site.answered(one, "edited"):
        same(client.update(RESOURCE, name, displayName=good["displayName"]), good)
    same(client.show(RESOURCE, name), good)

    # Without a ticket it is tagged, and what the client writes next keeps the tag.
    with site.answered(one, "tagged"):
        client.update(RESOURCE, name, metadata=NO_TICKET)
    tagged = client.show(RESOURCE, name)
    assert tagged
    tag = tagged["metadata"][TAG]
    assert tag["codes"] == ["EXG201"]
    assert tagged["metadata"] == {**NO_TICKET, TAG: tag}
    good |= {"displayName": "Partner ingestion, renamed again", "metadata": tagged["metadata"]}
    with site.answered(one, "edited"):
        same(client.update(RESOURCE, name, displayName=good["displayName"]), good)
    same(client.show(RESOURCE, name), good)

    # With the ticket there the tag goes.
    good["metadata"] = dict(APPROVAL)
    with site.answered(one, "untagged"):
        client.update(RESOURCE, name, metadata={**APPROVAL, TAG: tag})
    same(client.show(RESOURCE, name), good)

    # An edit that takes the end out is put back.
    with site.answered(one, "put-back"):
        assert not client.update(RESOURCE, name, expiresOn=None).get("expiresOn")
    same(client.show(RESOURCE, name), good)

    _is_reverted_and_restored(site, client)

    with site.answered(one, "deleted"):
        client.delete(RESOURCE, name)
    assert client.show(RESOURCE, name) is None
    assert one not in client.listed()
    client.delete(RESOURCE, name)
    assert site.body(one) is None


def _lists_what_is_inherited(site: Site, client: Client, one: str) -> None:
    """A list at the subscription has what is inherited from the management group, and is followed over its pages."""
    name = f"{client.name}-inherited"
    above, group = (exemption_id(scope, name) for scope in (MANAGEMENT_GROUP, GROUP))
    high = compliant(policyAssignmentId=ABOVE)
    same(client.create(MANAGEMENT_GROUP, name, high), high)
    with site.answered(group, "written"):
        client.create(GROUP, name, compliant())
    same(client.show(MANAGEMENT_GROUP, name), high)
    site.control("PUT", "paging", {"size": 1})
    listed = client.listed()
    site.control("PUT", "paging", {"size": 100})
    assert {one, above, group} <= set(listed)
    assert len(listed) == len(set(listed))
    client.delete(MANAGEMENT_GROUP, name)
    assert client.show(MANAGEMENT_GROUP, name) is None
    with site.answered(group, "deleted"):
        client.delete(GROUP, name)


def _is_reverted_and_restored(site: Site, client: Client) -> None:
    """A new exemption without an end is deleted by the service, and stays once an operator restored it."""
    name, endless = f"{client.name}-endless", waiver()["properties"]
    bad = exemption_id(RESOURCE, name)
    with site.answered(bad, "reverted"):
        client.create(RESOURCE, name, endless)
    assert client.show(RESOURCE, name) is None
    assert bad not in client.listed()
    with site.answered(bad, "tagged"):
        site.restore(bad)
    shown = client.show(RESOURCE, name)
    assert shown
    tag = shown["metadata"][TAG]
    assert tag["codes"] == ["EXG101"]
    endless["metadata"] = {**APPROVAL, TAG: tag}
    assert {key: shown.get(key) for key in endless} == endless
    assert not shown.get("expiresOn")
    assert bad in client.listed()
    with site.answered(bad, "deleted"):
        client.delete(RESOURCE, name)
    assert client.show(RESOURCE, name) is None
