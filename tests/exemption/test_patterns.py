r"""Patterns: what they match in both versions, against an obvious matcher; and that none takes long, whatever it is."""

import fnmatch
import random
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from guardrails.exemption.patterns import (
    LONGEST,
    Glob,
    Scopes,
    exact_glob,
    glob,
    id_glob,
    modern,
    narrows,
    pieces,
    regex,
    text_glob,
)
from tests.patience import bounded

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ruleset.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| (yes|no) \| (yes|no) \|", PAGE, re.MULTILINE)
LONG = "a" * 10_000


def obvious(pattern: str, text: str) -> bool:
    """Whether a glob of version 2 matches, by its meaning: one token after the other, every way tried."""
    tokens = re.findall(r"\*+|.", pattern, re.DOTALL)

    @cache
    def rest(token: int, at: int) -> bool:
        if token == len(tokens):
            return at == len(text)
        said = tokens[token]
        if said[0] != "*":
            return at < len(text) and said in ("?", text[at]) and rest(token + 1, at + 1)
        if rest(token + 1, at):
            return True
        crosses = len(said) > 1 or token == len(tokens) - 1
        return at < len(text) and (crosses or text[at] != "/") and rest(token, at + 1)

    return rest(0, 0)


def below(pattern: str, text: str) -> bool:
    """The same on scopes: what is below a scope is covered."""
    pattern = pattern.rstrip("/")
    ends = [at for at, sign in enumerate(text) if sign == "/"]
    return obvious(pattern, text) or any(obvious(pattern, text[:at]) for at in ends)


def old(pattern: str, text: str) -> bool:
    """Whether a glob of version 1 matches, as it always did; a line break in an id keeps nothing from being below."""
    body = fnmatch.translate(pattern.rstrip("/")).removesuffix("\\Z").removesuffix("\\z")
    return re.fullmatch(f"{body}(?s:/.*)?", text) is not None


def cases(signs: str, count: int, seed: int) -> list[tuple[str, str]]:
    """Return patterns and texts of few characters, so that many of them match."""
    pick = random.Random(seed)  # noqa: S311 - nothing secret
    return [
        ("".join(pick.choices(signs, k=pick.randrange(9))), "".join(pick.choices("ab/\n", k=pick.randrange(9))))
        for _ in range(count)
    ]


@pytest.mark.parametrize(("make", "means"), [(glob, below), (exact_glob, obvious)])
def test_a_glob_matches_what_its_meaning_says(make: Callable[[str], Glob], means: Callable[[str, str], bool]) -> None:
    found = [(means(pattern, text), pattern, text) for pattern, text in cases("ab/***?", 600, 1)]
    assert sum(one for one, _, _ in found) > 30
    for wanted, pattern, text in found:
        assert make(pattern).matches(text) is wanted, (pattern, text)


def test_version_1_means_what_it_always_meant() -> None:
    found = [(old(pattern, text), pattern, text) for pattern, text in cases("ab/**?[]!-^", 600, 2)]
    assert sum(one for one, _, _ in found) > 30
    for wanted, pattern, text in found:
        assert glob(modern(pattern)).matches(text) is wanted, (pattern, text)


def test_what_would_not_narrow_matches_the_same_in_both_versions() -> None:
    kept = [(pattern, text) for pattern, text in cases("ab/*?[", 600, 3) if not narrows(pattern)]
    assert len(kept) > 100
    for pattern, text in kept:
        assert glob(modern(pattern)).matches(text) is glob(pattern).matches(text), (pattern, text)
    assert narrows("/a/*/b")
    assert not narrows("/a/b*/")
    assert not narrows("/a/[*]/**/b")


@pytest.mark.parametrize(("pattern", "text", "two", "one"), TABLE)
def test_each_example_in_the_documentation_is_true(pattern: str, text: str, two: str, one: str) -> None:
    make = glob if pattern[0] in "/*" and "@" not in pattern else text_glob
    assert make(pattern).matches(text.lower()) is (two == "yes")
    assert make(modern(pattern)).matches(text.lower()) is (one == "yes")


def test_the_documentation_has_examples() -> None:
    assert len(TABLE) >= 12


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("[a-c]x", "bx", True),
        ("[a-c]x", "dx", False),
        ("[!a-c]x", "dx", True),
        ("[c-a]x", "bx", False),
        ("[!c-a]x", "bx", True),
        ("[]x]", "]", True),
        ("[!]x]", "]", False),
        ("[^a]", "^", True),
        ("[a", "[a", True),
        ("a.c", "abc", False),
        (r"a\d", "a1", False),
        ("a{2}", "aa", False),
        ("*.é", "x.É", True),
        ("?", "é", True),
        ("?", "😀", True),
        ("a?", "a\ud800", True),
        ("a*", "a\ud800\udfff", True),
        ("a\ud800*c", "a\ud800bc", True),
        ("*\x00b", "a\x00b", True),
        ("a\nb*c", "a\nb\nc", True),
    ],
)
def test_unusual_characters(pattern: str, text: str, matches: bool) -> None:
    assert id_glob(pattern).matches(text.lower()) is matches


def test_case_matters_where_it_is_said_to() -> None:
    assert exact_glob("Ab*").matches("Abc")
    assert not exact_glob("Ab*").matches("abc")
    assert text_glob(" Ab? ").matches("abc")


@pytest.mark.parametrize(
    ("glob", "texts", "any_text"),
    [
        ("/a", ["/a"], True),
        ("**/a", ["", "/a"], True),
        ("*/a", ["", "/a"], False),
        ("/a*", ["/a", ""], True),
        ("/a*b", ["/a", "b"], False),
        ("/a***b*", ["/a", "b", ""], True),
        ("/a?", ["/a", ""], False),
        ("a[b", ["a", "b"], False),
    ],
)
def test_the_texts_between_wildcards(glob: str, texts: list[str], any_text: bool) -> None:
    assert pieces(glob) == (texts, any_text)


@pytest.mark.parametrize(
    "pattern",
    [
        "*a*a*a*a*b",
        "**a" * 600 + "b",
        "?" * LONGEST,
        "*?" * 900 + "b",
        "[!b]*" * 390 + "b",
        "*" * LONGEST,
        "[" * LONGEST,
    ],
)
def test_no_glob_takes_long(pattern: str) -> None:
    makers = (glob, text_glob)
    with bounded():
        for make in makers:
            make(modern(pattern)).matches(LONG + "/")
            make(pattern).matches(LONG + "/")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){50}b", "(a?){500}a{500}", r"(\w+\s?)*!"])
def test_no_regular_expression_takes_long(pattern: str) -> None:
    with bounded():
        regex(pattern).matches(LONG + "?")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)b", "look-around"),
        ("(?!a)b", "look-around"),
        ("(?<=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "a back reference"),
        ("(?P<x>a)(?P=x)", "a back reference"),
        ("(a)(?(1)b|c)", "a condition"),
        ("(?>a)b", "an atomic group"),
        ("a++", "a possessive or doubled repetition"),
        ("a(?#why)", "a comment"),
        ("(?x)a b", "this flag is not known"),
        (r"a\Z", "the whole text is matched"),
        (r"\u00e4", "write the character itself"),
        ("a{1001}", "at most 1000"),
        ("(a{1000}){1000}", "at most 1000"),
        ("a{,3}", "{,3} would be taken for text"),
        ("a{1,99999999999}", "would be taken for text"),
        ("a{03}", "{03} would be taken for text"),
        (r"\pL{1000}", "too much memory"),
        ("(", "missing )"),
        ("a" * (LONGEST + 1), "at most 2,000 are allowed"),
    ],
)
def test_what_cannot_be_expressed_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        regex(pattern)


@pytest.mark.parametrize("pattern", [r"\{,3}", "[{,3}]", "a{3}", "a{0,1000}", r"[\]{,3}]", "[]{,3}]"])
def test_what_only_looks_like_it_is_taken(pattern: str) -> None:
    regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\d", "1", True),
        (r"\d", "\uff11", False),
        (r"\w", "ä", False),
        (r"[\w-]", "ä", False),
        (r"\pL", "ä", True),
        (r"\s", "\u00a0", False),
        (r"a$", "a", True),
        (r"a$", "a\n", False),
        (r"a$\n", "a\n", False),
        (r"a\z", "a", True),
        (".", "\n", False),
        ("(?s).", "\n", True),
        ("[^a]", "\n", True),
        ("a|ab", "ab", True),
        ("(?i)ä", "Ä", True),
        ("(?i)k", "\u212a", True),
        ("(?i)i", "İ", False),
        ("(?i:chg)1", "CHG1", True),
        (".", "é", True),
        (".", "😀", True),
        (".", "\ud800", True),
        ("[!-~]", "\ud800", False),
        ("a\x00b", "a\x00b", True),
        ("", "", True),
    ],
)
def test_what_a_regular_expression_means(pattern: str, text: str, matches: bool) -> None:
    assert regex(pattern).matches(text) is matches


def test_a_pattern_of_bytes_that_are_no_text_breaks_nothing() -> None:
    assert regex("\ud800").matches("\udfff")
    assert not regex("\ud800").matches("a")


@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_many_scopes_match_what_each_matches(count: int) -> None:
    found = 0
    for seed in range(12):
        said = cases("ab/**?[", count, seed)
        globs = [glob(pattern) for pattern, _ in said]
        together = Scopes(globs)
        for _, text in cases("a", 40, seed + 50):
            alone = tuple(number for number, one in enumerate(globs) if one.matches(text))
            assert together.matching(text) == alone, (text, [one.text for one in globs])
            found += len(alone)
    assert found > 20 * count or not count


def test_globs_that_are_too_large_for_one_expression_are_asked_one_by_one() -> None:
    globs = [glob(f"/{number}*{'[!a]' * 400}") for number in range(300)]
    assert Scopes(globs).matching("/7" + "b" * 400) == (7,)
    assert Scopes(globs).matching("/7" + "b" * 399 + "/") == (7,)


def test_what_is_only_text_needs_no_engine() -> None:
    code = (
        "import sys; from guardrails.ruleset.model import load_ruleset;"
        "from guardrails.exemption.patterns import Scopes, glob;"
        "Scopes([glob('/a'), glob('/b*')]).matching('/a/b'); glob('**/x').matches('/a/y'); print('re2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    assert done.stdout.strip() == "False"
