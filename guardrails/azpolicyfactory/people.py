"""Whether AzPolicyFactory takes two names for one person: as the invariant culture compares texts. Pure.

That culture holds equal what differs in letter case or in a compatible form alone, such as a ligature or a hard blank.
"""

import unicodedata

from guardrails.epac.powershell import trim


def same_person(one: str, other: str) -> bool | None:
    """Return whether two names are one person; None where that depends on rare characters."""
    one, other = trim(one), trim(other)
    if one == other:
        return True
    first, second = _form(one), _form(other)
    plain = _without_ignored(first), _without_ignored(second)
    if first == second:
        return True
    if plain[0] == plain[1]:
        return None
    if plain == (first, second) and _usual(first) and _usual(second):
        return False
    for left, right in zip(*plain, strict=False):
        if left != right:
            return False if _distinct(left) and _distinct(right) else None
    return None


def _form(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def _without_ignored(text: str) -> str:
    """Return a text without what a comparison may ignore: control characters, format characters, joiners."""
    return "".join(one for one in text if unicodedata.category(one) not in ("Cc", "Cf") and one != "\u034f")


def _usual(text: str) -> bool:
    """Whether a text is ASCII and accents: each counts in a comparison."""
    return all(one.isascii() or unicodedata.category(one) == "Mn" for one in text)


def _distinct(one: str) -> bool:
    """Whether a character certainly differs from each other one: some of Latin that are not ASCII may not."""
    return one.isalnum() and (one.isascii() or not unicodedata.name(one, "LATIN").startswith("LATIN"))
