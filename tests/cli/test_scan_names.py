"""scan --names: what Microsoft Graph calls owners, approvers and authors; refused, a note and no failure."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.microsoft_graph import MicrosoftGraph, Principal
from tests.sandbox.conftest import GROUP

from .test_scan import METADATA, Tenant, tenant

__all__ = ["tenant"]

JO = "11111111-aaaa-4000-8000-000000000001"
HOSTILE = "</script><script>alert(1)</script>\u202e\u2028Jo"


@pytest.fixture
async def directory(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MicrosoftGraph]:
    made = MicrosoftGraph()
    monkeypatch.setenv("GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT", await made.start())
    made.principals[JO] = Principal("Jo Meyer")
    yield made
    await made.stop()


async def page_of(tenant: Tenant, folder: Path, *words: str) -> tuple[str, str]:
    """Scan; return the page and what was printed."""
    tenant.seed(GROUP, "one", metadata=METADATA | {"owner": JO.upper(), "approver": JO})
    ran = await tenant.scan("--out", str(folder / "scan.html"), *words)
    assert ran.code == 0, ran.err
    return (folder / "scan.html").read_text(encoding="utf-8"), ran.out


async def test_owners_and_approvers_have_names(tenant: Tenant, directory: MicrosoftGraph, tmp_path: Path) -> None:
    page, printed = await page_of(tenant, tmp_path, "--names")
    assert "Jo Meyer (11111111…)" in page
    assert "approved by Jo Meyer (11111111…)" in page
    assert "note:" not in printed


async def test_nobody_is_asked_unless_the_option_is_given(
    tenant: Tenant, directory: MicrosoftGraph, tmp_path: Path
) -> None:
    page, _ = await page_of(tenant, tmp_path)
    assert JO.upper() in page
    assert directory.requests == []


async def test_a_refusal_is_a_note_that_names_the_permission(
    tenant: Tenant, directory: MicrosoftGraph, tmp_path: Path
) -> None:
    directory.allowed = False
    page, printed = await page_of(tenant, tmp_path, "--names")
    note = "display names could not be read: Microsoft Graph answered Authorization_RequestDenied"
    assert note in page
    assert note in " ".join(printed.split())
    assert "it needs Directory.Read.All" in " ".join(printed.split())
    assert JO.upper() in page


async def test_no_microsoft_graph_is_a_note_too(
    tenant: Tenant, directory: MicrosoftGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDRAILS_MICROSOFT_GRAPH_ENDPOINT", "http://127.0.0.1:9")
    page, _ = await page_of(tenant, tmp_path, "--names")
    assert "display names could not be read: Microsoft Graph (http://127.0.0.1:9) did not answer" in page


async def test_a_name_is_a_stranger_s_text(tenant: Tenant, directory: MicrosoftGraph, tmp_path: Path) -> None:
    directory.principals[JO] = Principal(HOSTILE)
    page, _ = await page_of(tenant, tmp_path, "--names")
    assert page.count("</script>") == page.count("<script") == 2
    assert not set("\u202e\u2028") & set(page)
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;Jo (11111111…)" in page.replace("&gt; Jo", "&gt;Jo")
