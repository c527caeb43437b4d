"""Texts that strangers wrote: whether they say anything, what goes into evidence of them. And numbers. Not a rule."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from guardrails.lazy_regex import lazy_regex

LONGEST: Final = 200
"""Characters of one text in evidence."""
MOST: Final = 20
"""Items of one list in evidence."""

_READ: Final = 2000
_WORD: Final = lazy_regex(r"[^\W_]+")

_EMPTY: Final = """
    test tests tested testing tst temp temps temporary temporarily tmp tbd tba tbc todo na none null nil nothing
    unknown undefined undocumented empty blank placeholder example sample dummy foo bar baz foobar asdf asdfg
    asdfgh asdfghjk asdfghjkl qwer qwert qwerty qwertz abc abcd xyz lorem ipsum exemption exemptions exempt
    exempted exception exceptions waiver waived mitigated description justification justified reason reasons
    rationale ticket policy azure new need needs needed require required requires requirement requirements
    requested discussed business please fix later pending see above below ok okay yes no not true false approved
    the an of for to in on at is it its this that and or as be by with we so
    prueba pruebas teste testes essai temporal temporaire provisoire temporär vorübergehend entfällt kein keine
    ninguno nenhum aucun тест нет временно テスト なし 无 無 测试 測試 临时 暂时 테스트 임시 없음
"""
EMPTY_WORDS: Final = frozenset(_EMPTY.split())
"""Words that alone give no reason, name nobody and lead nowhere. Folded case."""


def says_nothing(text: str) -> bool:
    """Return whether a text has no word that means something: blank, signs only, "n/a", "TBD", "test test", "asdf"."""
    if not text:
        return True
    if text.isascii():
        # The usual text has a plain word near its start; the last piece of the slice may be cut, so it does not count.
        for word in text[:40].lower().split()[:-1]:
            if word.isalpha() and _means(word):
                return False
    return not any(map(_means, words_of(text)))


def words_of(text: str) -> list[str]:
    """Return the words of the first 2,000 characters, compatibility forms, case and invisible characters folded."""
    text = text[:_READ]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return _WORD.findall(text.casefold())


def _means(word: str) -> bool:
    if word in EMPTY_WORDS:
        return False
    if len(word) > 1 and word.find(word[0], 1) < 0:  # the usual word: how it begins does not come again
        return True
    if word.isascii() and word.count(word[0]) == len(word):  # x, aaaa, 0000; a single Chinese character is a word
        return False
    return len(word) < 6 or (word + word).find(word, 1) == len(word)  # asdasd, testtest: one piece over and over


def width_of(text: str) -> int:
    """Return the length of a text in Latin characters: a Chinese, Japanese or Korean one says about two of them."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text[:_READ].strip())


def clip(text: str) -> str:
    """Return a stranger's text short enough for evidence."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def clips(texts: Iterable[str]) -> list[str]:
    """Return strangers' texts few and short enough for evidence."""
    kept: list[str] = []
    for text in texts:
        if len(kept) == MOST:
            break
        kept.append(clip(text))
    return kept
