"""Resource ids in one spelling: what Azure Resource Manager is asked for, and whether its answer is that. Pure.

Ids come from events, queues, bodies and hands, and become paths of requests. A path that a client, a proxy or Azure
rewrites on its way leads to another object. So an id is brought into one spelling before use, or it is refused.

Names of exemptions hold none of `<>*%&:\\?+/` and no control characters (Microsoft Learn, ARM template reference of
policyExemptions); older schemas are looser, and other types have rules of their own. So a name that is merely unusual
is taken as it is: it is percent-encoded on its way, and the answer is compared with it.
"""

import unicodedata
from typing import Final

LONGEST: Final = 8_000
"""Characters of an id. No URL to Azure holds more, and the register's column `id` holds as many."""

_REWRITTEN: Final = ("%", "\\", "//", "/.", "/ ")
"""What an id without has nothing to be looked at, if it is printable ASCII."""

_REPLACED: Final = "\ufffd"
_AROUND: Final = " \t\r\n/"


def resource_id(text: str) -> str:
    """Return an id as it is used: one slash in front, none at its end, percent-encoding undone; the casing stays.

    Two spellings of one id give the same text but for casing, and the result gives itself. Raises ValueError, saying
    why, for what cannot name one object: `.` or `..` or nothing between two slashes, a slash or a second encoding under
    a percent-encoding, a backslash, control characters, half a character, more than LONGEST characters.
    """
    text = "/" + text.strip(_AROUND)
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters; an id has at most {LONGEST}")
    if text.isascii() and text.isprintable() and not any(map(text.__contains__, _REWRITTEN)):
        return text
    if any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError("it holds half a character (a lone surrogate)")
    from urllib.parse import unquote  # noqa: PLC0415 - few ids come this far

    plain = unquote(text)
    if plain.count("/") != text.count("/"):
        raise ValueError("it has an encoded slash in it")
    if unquote(plain) != plain:
        raise ValueError("it is percent-encoded twice")
    if "\\" in plain:
        raise ValueError("it has a backslash in it, which some take for a slash")
    if any(unicodedata.category(one) == "Cc" for one in plain):
        raise ValueError("it has a control character in it")
    if plain[-1] == " ":
        raise ValueError("it ends in a space")
    if any(_leads_elsewhere(unicodedata.normalize("NFKC", one)) for one in plain[1:].split("/")):
        raise ValueError("a part of it is empty or of dots, and leads elsewhere")
    return plain if _REPLACED not in plain or _REPLACED in text else text  # what is no UTF-8 was no encoding


def folded(text: str) -> str:
    """Return a text in lower case, character by character, where that can be undone; its length stays.

    Azure's ids ignore case. Characters that merely share a lower case are different: the sign of Kelvin is no k.
    """
    return text.lower() if text.isascii() else "".join(map(_low, text))


def is_same(answered: object, asked: str) -> bool:
    """Whether an id in an answer of Azure is the one that was asked for."""
    if not isinstance(answered, str):
        return False
    if answered == asked:
        return True
    try:
        return folded(resource_id(answered)) == folded(resource_id(asked))
    except ValueError:
        return False


def _low(one: str) -> str:
    low = one.lower()
    return low if len(low) == 1 and low.upper() == one else one


def _leads_elsewhere(segment: str) -> bool:
    before, cut, _ = segment.partition(";")  # some cut a segment at its first `;`
    return not before.strip(" .") and (before != "" or not cut)
