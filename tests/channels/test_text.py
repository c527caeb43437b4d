"""Strangers' text can neither act nor hide in what is shown."""

import re
import shlex
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from guardrails.channels.text import inert, inert_command, markdown, plain, verbatim
from tests.channels.samples import HOSTILE

LINKS = re.compile(
    r"(?<!\[)://|\bwww\.|\bmailto:|[\w-]\.[^\W\d_]{2}|(?<![\[:])//\S|<\s*/?\s*at\b|\{\{|\$\{", re.IGNORECASE
)
"""What some client makes a link, mention or macro of, more widely than any known one."""


def tokens(source: str) -> list[Token]:
    """Return the tokens of markdown, block and inline, with HTML and the extensions of GitHub on."""
    found: list[Token] = []
    for block in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source):
        found += [block, *(block.children or [])]
    return found


def shown(source: str) -> str:
    return "".join(token.content for token in tokens(source) if token.type in ("text", "text_special"))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_hostile_text_renders_as_that_text_and_nothing_else(text: str) -> None:
    source = markdown(text, 300)
    assert {token.type for token in tokens(source)} <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special",
    }  # fmt: skip
    assert shown(source) == inert(text, 300)


@given(st.text(alphabet="[](){}<>*_`~#+-=|!\\/:.@&;1a \n\t", max_size=60) | st.text(max_size=60))
def test_markdown_of_any_text_is_one_plain_paragraph(text: str) -> None:
    assert {token.type for token in tokens(markdown(text, 300))} <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special",
    }  # fmt: skip


def test_the_same_parser_sees_the_danger_in_the_raw_text() -> None:
    found = {token.type for text in HOSTILE for token in tokens(text)}
    assert found >= {
        "link_open", "image", "strong_open", "em_open", "heading_open", "bullet_list_open", "ordered_list_open",
        "html_inline", "code_inline", "blockquote_open", "table_open", "hr",
    }  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_inert_text_holds_nothing_that_a_client_acts_on(text: str) -> None:
    assert not LINKS.search(inert(text, 300))


def test_a_real_link_finder_finds_nothing() -> None:
    finder = pytest.importorskip("linkify_it", reason="linkify-it-py is not installed").LinkifyIt()
    assert finder.match("see www.evil.com")
    assert [text for text in HOSTILE if finder.match(inert(text, 300))] == []


def test_broken_addresses_can_still_be_read() -> None:
    assert inert("https://contoso.com/a?b=1", 99) == "https[://]contoso[.]com/a?b=1"
    assert inert("mailto:jo@contoso.com", 99) == "mailto[:]jo@contoso[.]com"
    assert inert("<at>Jo</at>", 99) == "\u2039at>Jo\u2039/at>"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_command_is_inert_and_still_the_same_command(text: str) -> None:
    command = shlex.join(["az", "policy", "exemption", "delete", "--name", text, "--scope", f"/s/{text}"])
    shown = inert_command(command)
    assert shlex.split(shown) == shlex.split(command)
    assert not LINKS.search(shown)


def test_a_command_names_azures_providers_and_times_as_they_are() -> None:
    command = "az policy exemption update --scope /s/providers/Microsoft.Storage/x --expires-on 2027-11-21T09:00:00Z"
    assert inert_command(command) == command


def test_verbatim_text_has_no_reference_and_no_format() -> None:
    assert verbatim("a <b> & c@contoso.com") == "a &lt;b&gt; &amp; c@contoso.com"
    assert [verbatim(text) for text in ("*b*", "a_b", "~s~", "`c`", ":smile:")] == [None] * 5


@pytest.mark.parametrize("text", ["v1.2.3", "Partner ingestion (2027)", "e.g. a b", "SEC-1234: done", "12:30", "a / b"])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert inert(text, 99) == text


@given(st.text(alphabet=st.characters(codec=None), max_size=80), st.integers(1, 50))
def test_plain_text_is_bounded_visible_and_encodable(text: str, limit: int) -> None:
    read = plain(text, limit)
    assert len(read) <= limit
    assert unicodedata.is_normalized("NFC", read)
    assert not {unicodedata.category(char) for char in read} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert read == read.strip()
    read.encode()


def test_every_control_and_format_character_is_gone() -> None:
    hidden = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) in ("Cc", "Cf")]
    assert all(plain(f"a{char}b", 9) in ("ab", "a b") for char in hidden)
    assert "\u202e" in hidden
    assert "\u200b" in hidden


def test_line_ends_fold_and_surrogates_show() -> None:
    assert plain("a\r\n\u2028b\tc\u00a0d", 99) == "a b c d"
    assert plain("a\ud800b", 99) == "a\ufffdb"
    assert plain("e\u0301", 99) == "\u00e9"


def test_long_text_is_cut_and_shows_it() -> None:
    assert plain("x" * 100_000, 10) == "x" * 9 + "…"
    assert plain("\u200b" * 100_000 + "tail", 10) == "…"
    assert plain("x" * 10, 10) == "x" * 10


def test_marks_do_not_pile_up() -> None:
    assert len(plain("a" + "\u0335" * 500, 400)) <= 6
    assert plain("न्द्री", 99) == "न्द्री"
