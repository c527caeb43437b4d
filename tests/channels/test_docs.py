"""The page about notices says what is so: its snippet runs, its tables are complete."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guardrails.channels.truncate import STEPS
from guardrails.channels.webhook import signed
from guardrails.notices.notice import Kind
from tests.channels.samples import EXEMPTION, finding, notice

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "notices.md").read_text()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def receive() -> Callable[[str, Mapping[str, str], bytes], int]:
    snippet = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert snippet
    names: dict[str, Callable[[str, Mapping[str, str], bytes], int]] = {}
    exec(snippet[1], names)  # noqa: S102 - our own page
    return names["receive"]


def test_the_receiver_in_the_page_takes_ours_once_and_nothing_else(
    receive: Callable[[str, Mapping[str, str], bytes], int], capsys: pytest.CaptureFixture[str]
) -> None:
    headers, body = signed(notice(Kind.REVERTED), [SECRET], datetime.now(UTC))
    assert receive(SECRET, headers, body) == 204
    assert receive(SECRET, headers, body) == 204
    assert capsys.readouterr().out == f"exemption.reverted {notice().title}\n"
    assert receive(SECRET, headers, body.replace(b"high", b"info", 1)) == 401
    assert receive(SECRET, {**headers, "webhook-id": "other"}, body) == 401


def test_every_field_kind_and_step_is_on_the_page() -> None:
    for name in (*notice().to_json(), *EXEMPTION, *(step for step, _ in STEPS)):
        assert f"`{name}`" in PAGE
    kinds = (DOCS / "notices" / "README.md").read_text()
    assert "(notices/README.md)" in PAGE
    assert [kind for kind in Kind if f"| [`{kind}`](" not in kinds] == []
    assert "{" + ", ".join(finding()) + "}" in PAGE
