"""Ids: one spelling for one object, and nothing that leads to another one."""

import pytest

from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.ids import LONGEST, folded, is_same, resource_id
from guardrails.rules.sample import EXEMPTIONS, GROUP, RESOURCE, SUBSCRIPTION

ELSEWHERE = {
    "dots": f"{RESOURCE}{EXEMPTIONS}a/..{EXEMPTIONS}victim",
    "a dot": f"{RESOURCE}/.{EXEMPTIONS}victim",
    "a name of dots": f"{RESOURCE}{EXEMPTIONS}..",
    "three dots": f"{RESOURCE}/...{EXEMPTIONS}victim",
    "dots and a space": f"{RESOURCE}/.. {EXEMPTIONS}victim",
    "encoded dots": f"{RESOURCE}/%2e%2e{EXEMPTIONS}victim",
    "half encoded dots": f"{RESOURCE}/.%2E{EXEMPTIONS}victim",
    "dots encoded twice": f"{RESOURCE}/%252e%252e{EXEMPTIONS}victim",
    "dots beside what is no UTF-8": f"{RESOURCE}/%2e%2e{EXEMPTIONS}%ff",
    "dots with a parameter": f"{RESOURCE}/..;x=1{EXEMPTIONS}victim",
    "dots of another alphabet": f"{RESOURCE}/\uff0e\uff0e{EXEMPTIONS}victim",
    "a two dot leader": f"{RESOURCE}/\u2025{EXEMPTIONS}victim",
    "an encoded slash": f"{GROUP}%2Fproviders{EXEMPTIONS}victim",
    "an encoded slash in the name": f"{RESOURCE}{EXEMPTIONS}a%2fb",
    "a slash encoded twice": f"{RESOURCE}{EXEMPTIONS}a%252Fb",
    "a space encoded twice": f"{RESOURCE}{EXEMPTIONS}a%2520b",
    "a backslash": f"{RESOURCE}{EXEMPTIONS}a\\b",
    "an encoded backslash": f"{RESOURCE}/..%5c..{EXEMPTIONS}a",
    "nothing between slashes": f"{GROUP}//providers/Microsoft.Storage/storageAccounts/x{EXEMPTIONS}a",
    "a newline": f"{RESOURCE}{EXEMPTIONS}a\nERROR all is well",
    "an encoded newline": f"{RESOURCE}{EXEMPTIONS}a%0d%0ab",
    "a zero": f"{RESOURCE}{EXEMPTIONS}a\0",
    "an encoded zero": f"{RESOURCE}{EXEMPTIONS}a%00",
    "a later control character": f"{RESOURCE}{EXEMPTIONS}a\x85b",
    "an encoded space at the end": f"{RESOURCE}{EXEMPTIONS}a%20",
    "half a character": f"{RESOURCE}{EXEMPTIONS}a\ud800",
    "far too long": f"{RESOURCE}{EXEMPTIONS}{'a' * LONGEST}",
}


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_an_id_that_may_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(Permanent) as refused:
        ExemptionId.parse(text)
    assert refused.value.code == "not-an-exemption"
    assert str(refused.value).isprintable()
    assert not is_same(f"{RESOURCE}{EXEMPTIONS}victim", text)


@pytest.mark.parametrize(
    "name",
    [
        "waiver #5030", "it's ok", "100$", "a@b=c", "ünï (é)", "~tilde", "per%cent", "50%", "a.b", "..a", "a..", ".a",
        "what?", "a;b", ";a", "a:b", "a*b<c>&d+e", "half \u00bd", "50\uff05", "a\uff0fb", "日本", " a",
        "a\u00a0",
    ],
)  # fmt: skip
def test_an_unusual_name_is_taken_as_it_is(name: str) -> None:
    for spelled in (f"{RESOURCE}{EXEMPTIONS}{name}", f"{RESOURCE}/{name}{EXEMPTIONS}{name}/x{EXEMPTIONS}{name}"):
        read = ExemptionId.parse(spelled) if spelled.count(name) == 1 else None
        assert read is None or (read.name, read.text) == (name, spelled)
        assert resource_id(spelled) == spelled
        assert is_same(spelled.upper() if spelled.isascii() else spelled, spelled)


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        (f"{SUBSCRIPTION[1:]}{EXEMPTIONS}x", f"{SUBSCRIPTION}{EXEMPTIONS}x"),
        (f"//{SUBSCRIPTION}{EXEMPTIONS}x/ \r\n", f"/{SUBSCRIPTION.strip('/')}{EXEMPTIONS}x"),
        (f"{SUBSCRIPTION}{EXEMPTIONS}my%20waiver", f"{SUBSCRIPTION}{EXEMPTIONS}my waiver"),
        (f"{SUBSCRIPTION}{EXEMPTIONS}%C3%BCber%2etop", f"{SUBSCRIPTION}{EXEMPTIONS}über.top"),
        (f"{SUBSCRIPTION}{EXEMPTIONS}50%25", f"{SUBSCRIPTION}{EXEMPTIONS}50%"),
        (f"%2Fsubscriptions{EXEMPTIONS}x"[3:], f"/subscriptions{EXEMPTIONS}x"),
    ],
)
def test_spellings_of_one_id_are_one(spelled: str, meant: str) -> None:
    assert resource_id(spelled) == meant == resource_id(meant)
    assert is_same(spelled, meant)
    assert is_same(meant.lower(), spelled)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u212aelvin", "kelvin"), ("\u212bngstrom", "ångstrom"), ("\u2126", "ω"), ("stra\u1e9ee", "straße"),
        ("e\u0301", "é"), ("a\u00a0", "a"), ("a\u200bb", "ab"), ("\u0430", "a"), ("\uff41", "a"), ("İ", "i"),
    ],
)  # fmt: skip
def test_characters_that_look_alike_name_two_objects(one: str, other: str) -> None:
    first, second = (ExemptionId.parse(f"{RESOURCE}{EXEMPTIONS}{name}") for name in (one, other))
    assert first != second
    assert first.hash != second.hash
    assert not is_same(first.text, second.text)


@pytest.mark.parametrize("name", ["ÜBER", "ΑΣ", "ΑΣΣΑΣ", "ЖУК", "ÅÉ"])
def test_casing_of_any_alphabet_is_one_object(name: str) -> None:
    lower = "".join(character.lower() for character in name)  # as Azure does: each character by itself
    assert ExemptionId.parse(f"{RESOURCE}{EXEMPTIONS}{name}") == ExemptionId.parse(f"{RESOURCE}{EXEMPTIONS}{lower}")
    assert folded(name) == lower


def test_an_exemption_of_an_exemption_is_neither_of_the_two_others() -> None:
    """Azure attaches exemptions to exemptions, too."""
    inner = ExemptionId.parse(f"{RESOURCE}{EXEMPTIONS}inner")
    outer = ExemptionId.parse(f"{inner.text}{EXEMPTIONS}outer")
    assert outer.scope == inner.text
    assert len({inner, outer, ExemptionId.parse(f"{RESOURCE}{EXEMPTIONS}outer")}) == 3
    assert not is_same(inner.text, outer.text)


@pytest.mark.parametrize("answered", [None, 7, {}, "", "/", "x"])
def test_an_answer_without_an_id_is_of_nothing(answered: object) -> None:
    assert not is_same(answered, f"{RESOURCE}{EXEMPTIONS}x")
