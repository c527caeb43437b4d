"""A look over many pages: what several of them say is reported once, and hides what it hides all the same."""

from guardrails.bypasses.model import BypassKind
from guardrails.ports import Page
from tests.bypasses.test_bypass import GROUP, TAGS, looked


async def test_what_several_pages_say_is_reported_once() -> None:
    gone, noted = Page(missing="tags of x could not be read"), Page(note="who tagged what is not known")
    found = await looked(gone, Page([{"id": GROUP, "tags": TAGS}]), noted, gone, noted)
    assert (found.missing, found.notes) == ([gone.missing], [noted.note])
    assert (len(found.found), found.partial) == (1, {BypassKind.TAG})
