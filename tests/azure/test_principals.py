"""Display names by Microsoft Graph: few requests, each id once; where it refuses, a sentence and no failure."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from guardrails.azure.principals import PERMISSION, Principals
from sandbox.identity import token_for
from sandbox.microsoft_graph import MicrosoftGraph, Principal

from .conftest import OID, StaticCredential

pytestmark = pytest.mark.http

JO, TEAM, PIPELINE = (str(UUID(int=number)) for number in (1, 2, 3))
CLIENT = str(UUID(int=99))


@pytest.fixture
async def directory() -> AsyncIterator[MicrosoftGraph]:
    made = MicrosoftGraph()
    await made.start()
    made.principals = {
        JO: Principal("Jo Meyer"),
        TEAM: Principal("Payments", "group"),
        PIPELINE: Principal("Pipeline", "servicePrincipal", CLIENT),
    }
    yield made
    await made.stop()


class Waits(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
async def connect(directory: MicrosoftGraph) -> AsyncIterator[Callable[..., Principals]]:
    made = []

    def one(endpoint: str = "", waits: Waits | None = None) -> Principals:
        address = endpoint or directory.address
        credential = StaticCredential(token_for("scan", OID, audience=directory.address))
        made.append(Principals(address, credential, sleep=waits if waits is not None else Waits()))
        return made[-1]

    yield one
    for each in made:
        await each.close()


async def test_people_groups_and_applications_are_named_in_two_requests(
    directory: MicrosoftGraph, connect: Callable[..., Principals]
) -> None:
    principals = connect()
    texts = [JO.upper(), TEAM, CLIENT, "jo@contoso.com", "", "no id"]
    assert await principals.names(texts) == ({JO: "Jo Meyer", TEAM: "Payments", CLIENT: "Pipeline"}, "")
    assert [one.partition("?")[0] for one in directory.requests] == [
        "POST /v1.0/directoryObjects/getByIds", "GET /v1.0/servicePrincipals"
    ]  # fmt: skip


async def test_what_is_known_is_not_asked_again(directory: MicrosoftGraph, connect: Callable[..., Principals]) -> None:
    principals = connect()
    await principals.names([JO, TEAM])
    before = len(directory.requests)
    assert (await principals.names([TEAM, JO]))[0][JO] == "Jo Meyer"
    assert len(directory.requests) == before


async def test_without_ids_nothing_is_asked(directory: MicrosoftGraph, connect: Callable[..., Principals]) -> None:
    assert await connect().names(["jo@contoso.com", ""]) == ({}, "")
    assert directory.requests == []


async def test_thousands_of_ids_go_by_thousands(directory: MicrosoftGraph, connect: Callable[..., Principals]) -> None:
    ids = [str(UUID(int=number)) for number in range(1000, 3500)]
    directory.principals |= {one: Principal(f"P{one[-4:]}") for one in ids}
    names, why = await connect().names(ids)
    assert (len(names), why) == (2500, "")
    assert len(directory.requests) == 3


async def test_an_id_that_nobody_knows_has_no_name_and_is_no_trouble(connect: Callable[..., Principals]) -> None:
    assert await connect().names([str(UUID(int=7))]) == ({}, "")


async def test_who_may_not_read_is_said_with_the_permission(
    directory: MicrosoftGraph, connect: Callable[..., Principals]
) -> None:
    directory.allowed = False
    names, why = await connect().names([JO])
    assert names == {}
    assert "Authorization_RequestDenied" in why
    assert why.endswith(f"it needs {PERMISSION}")


async def test_objects_whose_names_are_hidden_are_counted(
    directory: MicrosoftGraph, connect: Callable[..., Principals]
) -> None:
    directory.hidden = {"group"}
    names, why = await connect().names([JO, TEAM])
    assert names == {JO: "Jo Meyer"}
    assert why == f"Microsoft Graph hides 1 display name: it needs {PERMISSION}"


async def test_a_busy_service_is_asked_again_after_a_while(
    directory: MicrosoftGraph, connect: Callable[..., Principals]
) -> None:
    waits, directory.busy = Waits(), 2
    assert (await connect(waits=waits).names([JO]))[0] == {JO: "Jo Meyer"}
    assert waits == [2.0, 2.0]
    directory.busy = 9
    assert "TooManyRequests" in (await connect().names([TEAM]))[1]


async def test_a_service_that_is_not_there_is_said(connect: Callable[..., Principals]) -> None:
    names, why = await connect("http://127.0.0.1:9").names([JO])
    assert names == {}
    assert why.startswith("display names could not be read: Microsoft Graph (http://127.0.0.1:9) did not answer")
