"""Character case, order and search in texts as .NET has them in the invariant culture. Pure.

Keys of objects compare *ordinally*: by UTF-16 code units of the upper-case text. `less`, `startsWith` and `indexOf`
compare by *culture*, as ICU's root collation does: that is computed here for printable ASCII, and for Latin characters
with one accent. Other texts raise `Uncertain`.
"""

from typing import Final, Literal


class Uncertain(Exception):
    """How the engine compares these texts is not computed here."""


_UNCHANGED: Final = "\u0130\u0131"
"""Dotted and dotless i: the invariant culture leaves both as they are."""
_LONG_S: Final = "\u017f"
"""It has no upper case where keys are compared; whether it has one in `toUpper` is not certain."""
_USUAL: Final = (
    ("\0", "\u024f"),
    ("\u0370", "\u052f"),
    ("\u1e00", "\u1fff"),
    ("\u2126", "\u212b"),
    ("\uff21", "\uff5a"),
)
"""Latin, Greek and Cyrillic characters, and their compatible forms."""
_ORDER: Final = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789"
"""Printable ASCII before the characters, in the order of the root collation; the blank comes before all of them."""
_WEIGHTS: Final = {character: weight for weight, character in enumerate(" " + _ORDER)} | {
    character: 100 + number for number, character in enumerate("abcdefghijklmnopqrstuvwxyz")
}
IGNORABLE: Final = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters that comparing by culture does not see."""
BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What .NET's `Trim` takes away."""


def lower(text: str) -> str:
    """Return a text in lower case, as `ToLowerInvariant`, by character. Raises Uncertain for rare characters."""
    return text.lower() if text.isascii() else "".join(_sure(character, _lower(character)) for character in text)


def upper(text: str) -> str:
    """Return a text in upper case, as `ToUpperInvariant`, by character. Raises Uncertain for rare characters."""
    if text.isascii():
        return text.upper()
    if _LONG_S in text:
        raise Uncertain
    return "".join(_sure(character, _upper(character)) for character in text)


def _sure(character: str, changed: str) -> str:
    """Return a changed character of the usual alphabets; of others, releases of Unicode differ. Raises Uncertain."""
    if character != changed and not any(first <= character <= last for first, last in _USUAL):
        raise Uncertain
    return changed


def _lower(character: str) -> str:
    changed = character.lower()
    return changed if len(changed) == 1 and character not in _UNCHANGED else character


def _upper(character: str) -> str:
    if character in _UNCHANGED:
        return character
    changed = character.upper()
    if len(changed) == 1:
        return changed
    changed = character.title()  # where the upper case is several characters, this is a single one for a few
    return changed if len(changed) == 1 else character


def _ordinal(text: str) -> str:
    if text.isascii():
        return text.upper()
    return "".join(character if character == _LONG_S else _upper(character) for character in text)


def ordinal_key(text: str) -> bytes:
    """Return the key by which the engine sorts and finds keys of objects: ordinal, letter case ignored."""
    return _ordinal(text).encode("utf-16-be", "surrogatepass")


def same_key(one: str, other: str) -> bool:
    """Whether two texts are the same key of an object."""
    return one == other or (len(one) == len(other) and _ordinal(one) == _ordinal(other))


def compare(one: str, other: str) -> int:
    """Compare by culture, letter case counting last: below 0 where `one` comes first. Raises Uncertain."""
    if one == other:
        return 0
    ones, others = _elements(one), _elements(other)
    for level in range(3):
        first, second = [e[level] for e in ones], [e[level] for e in others]
        if first != second:
            return _order(first, second, accents=level == 1)
    return 0


def _order(first: list[int], second: list[int], *, accents: bool) -> int:
    """Order two lists of weights that differ. Two different accents have no order here."""
    for one, other in zip(first, second, strict=False):
        if one != other:
            if accents and one and other:
                raise Uncertain
            return -1 if one < other else 1
    return -1 if len(first) < len(second) else 1


def _elements(text: str) -> list[tuple[int, int, int]]:
    """Return each character's weights: base character, accent (0 for none), letter case."""
    elements = []
    for character in text:
        if character in IGNORABLE:
            continue
        base, accent = _parts(character)
        small = base.lower()
        if small not in _WEIGHTS:
            raise Uncertain
        elements.append((_WEIGHTS[small], accent, int(base != small)))
    return elements


def _parts(character: str) -> tuple[str, int]:
    """Split a character with one accent into its base character and accent. Raises Uncertain for what is none."""
    if character.isascii():
        return character, 0
    parts = _normalized("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and "\u0300" <= parts[1] <= "\u036f":
        return parts[0], ord(parts[1])
    raise Uncertain


def _normalized(form: Literal["NFC", "NFD"], text: str) -> str:
    from unicodedata import normalize  # noqa: PLC0415  nearly all texts are ASCII

    return normalize(form, text)


def folded(text: str) -> str:
    """Return a text for searching by culture, letter case ignored. Raises Uncertain.

    Characters with an accent are one character in it, however they are written.
    """
    if text.isascii() and text.isprintable():
        return text.lower()
    text = _normalized("NFC", text)
    for character in text:
        base, _ = _parts(character)
        if base not in "\t\n" and not base.isprintable():
            raise Uncertain
    return lower(text)


def index_of(whole: str, part: str) -> int:
    """Return where `part` first occurs in `whole` by culture, letter case ignored; -1 for nowhere. Raises Uncertain."""
    seen = without_ignorable(whole)
    found = folded(seen).find(folded(without_ignorable(part)))
    if found < 0 or whole.isascii() or seen == whole == _normalized("NFC", whole):
        return found
    if found == 0 or seen != _normalized("NFC", seen):
        raise Uncertain
    kept = [number for number, character in enumerate(whole) if character not in IGNORABLE]
    return kept[found]


def last_index_of(whole: str, part: str) -> int:
    """Return where `part` last occurs in `whole`, as `index_of`. Raises Uncertain."""
    found = folded(without_ignorable(whole)).rfind(folded(without_ignorable(part)))
    if found >= 0 and not whole.isascii() and (without_ignorable(whole) != whole or whole != _normalized("NFC", whole)):
        raise Uncertain
    return found


def without_ignorable(text: str) -> str:
    """Return a text without the characters that comparing by culture does not see."""
    return text if text.isascii() else "".join(c for c in text if c not in IGNORABLE)
