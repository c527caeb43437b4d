"""Strangers' text, made safe to show. Pure.

Teams: text goes into `TextRun`s of `RichTextBlock`s, never into a `TextBlock` or `FactSet`. RichTextBlock does not
support Markdown (https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features), so nothing in it can become
markup. Whether clients look for bare addresses in it is documented nowhere, and phones do. So `inert` breaks addresses,
mentions, and the `{{DATE()}}` functions that cards expand even in runs.

Slack: in an object of type `mrkdwn` with `verbatim: true`, Slack makes no links of addresses and no mentions of names,
but formats, and follows references in angle brackets
(https://docs.slack.dev/reference/block-kit/composition-objects/text-object). So `verbatim` escapes those brackets, and
an address reads naturally there. A text that has formatting characters stays in a `plain_text` object, which is not
formatted; of addresses in it nothing is documented, so it is `inert`.

Two places are markup by their specification: `fallbackText` of a card, which `markdown` is for, and the line that
Slack shows in a notification, which `mrkdwn` is for.
"""

import re
import unicodedata
from typing import Final

from guardrails.lazy_regex import lazy_regex

ELLIPSIS: Final = "…"
LOOKALIKE: Final = "\u2039"
"""Replaces the `<` of a mention."""
_MARKS_IN_A_ROW: Final = 4
"""Combining marks kept on a character: enough for every living script, too few to paint over neighbouring lines."""

_BLANK_CHARACTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that show as nothing (Unicode's Default_Ignorable_Code_Point, and the Braille blank)."""

_ADDRESS: Final = lazy_regex(r"(:?[/\\]{2,})(?=\S)")
_SCHEME: Final = lazy_regex(
    r"\b(mailto|tel|callto|sips?|skype|sms|im|xmpp|msteams|ms-[a-z-]+|javascript|vbscript|data|file|news)\s?:(?=\S)",
    re.IGNORECASE,
)
_DOT: Final = lazy_regex(r"(?<=[^\s.])(?:\.(?=[^\W\d_]{2})|[\uff0e\u3002\uff61](?=[a-zA-Z]{2}))")
_MENTION: Final = lazy_regex(r"<(?=\s*/?\s*at\b|\s*[!@#])", re.IGNORECASE)
_CROWD: Final = lazy_regex(r"@(?=(here|channel|everyone)\b)", re.IGNORECASE)
_MACRO: Final = lazy_regex(r"([{$])(?=\{)")

_MARKUP: Final = lazy_regex(r"([\\`*_{}\[\]()<>!|~&])")
_OPENING: Final = lazy_regex(r"^(#|[-+=]|\d+(?=[.)]))")


def plain(text: object, limit: int) -> str:
    """Return `text` on one line of at most `limit` characters, as a reader would see it.

    Control, bidirectional, zero-width and blank characters go; line ends and all kinds of space become one space; lone
    surrogates, private-use characters and non-characters become U+FFFD; the rest is in NFC. What is cut ends in "…".
    """
    whole = text if isinstance(text, str) else str(text)
    read = whole[: limit * 4 + 64]  # a stranger's 100 KB is not walked through for 200 characters
    usual = read.strip()
    if usual.isascii() and usual.isprintable() and "  " not in usual:
        read = usual
    else:
        body = read.removesuffix(ELLIPSIS)  # what was cut before is cut again
        if not (body.isascii() and body.isprintable()):
            read = unicodedata.normalize("NFC", _visible(read))
        read = " ".join(read.split())
    if len(read) <= limit and len(whole) <= limit * 4 + 64:
        return read
    return read[: limit - 1].rstrip() + ELLIPSIS


def _visible(text: str) -> str:
    kinds = {char: unicodedata.category(char) for char in set(text)}
    shown = {char: _shown(char, kind) for char, kind in kinds.items()}
    if not any(kind[0] == "M" for kind in kinds.values()):
        return text.translate({ord(char): as_ for char, as_ in shown.items()})
    kept: list[str] = []
    marks = 0
    for char in text:
        if kinds[char][0] == "M":
            marks += 1
            if marks <= _MARKS_IN_A_ROW:
                kept.append(shown[char])
        elif shown[char]:
            marks = 0
            kept.append(shown[char])
    return "".join(kept)


def _shown(char: str, category: str) -> str:
    """Return what a character is shown as."""
    if char.isspace():
        return " "
    if category in ("Cc", "Cf") or char in _BLANK_CHARACTERS or "\U000e0000" <= char <= "\U000e0fff":
        return ""
    unreadable = category in ("Cs", "Co") or ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"
    return "\ufffd" if unreadable else char


def inert(text: object, limit: int) -> str:
    """Return a stranger's text as `plain` does, with everything broken that a client acts on in plain text.

    Addresses stay readable and are seen to be broken: `https[://]contoso[.]com`, `jo@contoso[.]com`, `mailto[:]jo`.
    """
    read = plain(text, limit)
    read = _ADDRESS.sub(r"[\1]", read)
    read = _SCHEME.sub(r"\1[:]", read)
    read = _DOT.sub(lambda dot: f"[{dot[0]}]", read)
    read = _MENTION.sub(LOOKALIKE, read)
    read = _CROWD.sub("[@]", read)
    return _MACRO.sub(r"\1 ", read)


def inert_command(command: str) -> str:
    """Return a command in which no client finds an address: for a POSIX shell it is the same.

    An empty pair of quotes breaks what `inert` breaks: outside quotes, and within single ones, it says nothing. The
    command has nothing of the kind within double quotes. Azure's own namespaces in an id stay as they are.
    """
    return _SCHEME.sub(lambda found: found[0][:-1] + "'':", _FOUND_IN_COMMANDS.sub("''", command))


_FOUND_IN_COMMANDS: Final = lazy_regex(
    r"(?<=[/\\])(?=[/\\])"  # between the slashes of https://
    r"|(?<=\S)(?<!/providers/Microsoft)(?=[.\uff0e\u3002\uff61][^\W\d_]{2})"
    r"|(?<=<)(?=\s*/?\s*at\b|\s*[!@#])|(?<=@)(?=(?:here|channel|everyone)\b)|(?<=[{$])(?=\{)",
    re.IGNORECASE,
)


def markdown(text: object, limit: int) -> str:
    """Return a stranger's text for a place that is read as markdown: `inert`, with the markup characters escaped.

    Escapes are CommonMark's backslashes. Line ends are gone by then, so lists, headings and rules can only be at the
    very start, where they are escaped too.
    """
    return _OPENING.sub(_escaped_opening, _MARKUP.sub(r"\\\1", inert(text, limit)))


_MRKDWN: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"}
)
"""Slack has entities for three characters and no escape for the others, so these get lookalikes."""
_SHORTCODE: Final = lazy_regex(r":(?=[\w+'-]+:)")
"""The start of `:smile:`; its colon gets a lookalike too."""


def mrkdwn(text: object, limit: int) -> str:
    """Return a text for a place that Slack reads as mrkdwn: `inert`, with nothing left that formats or is a reference.

    The limit is before escaping; `&` grows to five characters. Quotes and lists need a line's start: `>` is an entity.
    """
    return _SHORTCODE.sub("\ua789", inert(text, limit)).translate(_MRKDWN)


def verbatim(text: str) -> str | None:
    """Return text, as `plain` gives it, for a `mrkdwn` object with `verbatim`; None where Slack would format it."""
    if _FORMATTING.search(text):
        return None
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_FORMATTING: Final = lazy_regex(r"[*_~`]|:[\w+'-]+:")


def _escaped_opening(match: re.Match[str]) -> str:
    opening = match[1]
    return opening + "\\" if opening[0].isdigit() else "\\" + opening
