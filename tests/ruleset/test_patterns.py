"""The patterns of a ruleset file: what is refused in version 2, with its line; what version 1 keeps, with a warning."""

from random import Random

import pytest

from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.patterns import Scopes, glob
from guardrails.policy.globs import covers
from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset
from guardrails.ruleset.patterns import Comparison
from tests.limits import bound_at

SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
BREAK_GLASS = "/subscriptions/*/resourceGroups/break-glass"
OLDER = "is the older form, in which * crosses /"
NEITHER = "begins with neither / nor *; did you mean '/subscriptions/*/resourceGroups/x'?"
NESTED = f"{SUB}/resourceGroups/web/providers/Contoso.Other/things/a/resourceGroups/break-glass"
BELOW = "/providers/Microsoft.Authorization/policyExemptions/e"


def text_of(version: int, rest: str) -> str:
    rules = "" if rest.startswith("rules:") else "rules: {expired: alert}\n"
    return f"version: {version}\nmode: audit\n{rules}{rest}\n"


def mistakes(rest: str, version: int = 2) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        parse_ruleset(text_of(version, rest), "r.yaml")
    return list(caught.value.problems)


def excluded(version: int, scope: str, at: str) -> bool:
    ruleset = parse_ruleset(text_of(version, f"exclusions: [{{scope: '{scope}', reason: r}}]"))
    id_ = ExemptionId.parse(at + BELOW)
    return any(one.pattern.matches(id_.key) for one in ruleset.exclusions)


def test_a_nested_type_of_the_same_name_is_excluded_in_version_1_only() -> None:
    assert excluded(1, BREAK_GLASS, NESTED)
    assert not excluded(2, BREAK_GLASS, NESTED)
    assert all(excluded(version, BREAK_GLASS, f"{SUB}/resourceGroups/break-glass") for version in (1, 2))
    assert excluded(2, BREAK_GLASS.replace("*", "**"), NESTED)


SECTIONS = (
    ("exclusions", "exclusions: [{{scope: {0}, reason: r}}]", "exclusions[0].scope"),
    ("overrides", "overrides: [{{scope: {0}, rules: {{expired: off}}}}]", "overrides[0].scope"),
    ("durability", "durability: {{scopes: [{{scope: {0}, mode: never}}]}}", "durability.scopes[0].scope"),
    ("accepted", "bypasses: {{accepted: [{{scope: {0}, reason: r}}]}}", "bypasses.accepted[0].scope"),
    ("routes", "notices: [{{route: a, channel: teams, address_setting: A, scopes: [{0}]}}]", "notices[0].scopes[0]"),
    ("allowed", "rules: {{scope-too-broad: {{options: {{allowed: [{0}]}}}}}}",
     "rules.scope-too-broad.options.allowed[0]"),
)  # fmt: skip


@pytest.mark.parametrize(("form", "path"), [one[1:] for one in SECTIONS], ids=[one[0] for one in SECTIONS])
@pytest.mark.parametrize(
    ("scope", "meant"),
    [
        ("/subscription/s1", "/subscriptions/s1"),
        ("/Subscriptons/s1", "/subscriptions/s1"),
        ("/subscriptions/*/resourceGroup/web", "/subscriptions/*/resourceGroups/web"),
        ("/subscriptions/s1/resource-groups/web", "/subscriptions/s1/resourceGroups/web"),
        ("/subscriptions/s1/resourceGroups/web/provider/M.X", "/subscriptions/s1/resourceGroups/web/providers/M.X"),
        ("/managementGroup/corp", "/providers/Microsoft.Management/managementGroups/corp"),
        ("/managementGroups/corp", "/providers/Microsoft.Management/managementGroups/corp"),
        ("/providers/managementGroups/corp", "/providers/Microsoft.Management/managementGroups/corp"),
        ("/providers/Microsoft.Management/managementGroup/c", "/providers/Microsoft.Management/managementGroups/c"),
        ("/resourceGroups/web", "/subscriptions/*/resourceGroups/web"),
        ("'**/resourceGroup/web'", "**/resourceGroups/web"),
        ("resourceGroup/web", "/subscriptions/*/resourceGroups/web"),
        ("subscriptions/s1", "/subscriptions/s1"),
        ("managementGroup/corp", "/providers/Microsoft.Management/managementGroups/corp"),
    ],
)
def test_a_scope_with_a_wrong_part_is_refused_with_what_was_meant(form: str, path: str, scope: str, meant: str) -> None:
    (problem,) = mistakes(form.format(scope))
    line = 3 if form.startswith("rules") else 4
    assert problem.startswith(f"r.yaml:{line}:")
    assert f": {path}: " in problem
    assert f"did you mean '{meant}'?" in problem


@pytest.mark.parametrize("scope", ["/x", "/subscriptions/s1/nowhere/x", "web", "'*/resourceGroups/web'", "'*web*'"])
def test_what_is_no_scope_at_all_is_refused_too(scope: str) -> None:
    for _, form, path in SECTIONS:
        (problem,) = mistakes(form.format(scope))
        assert f": {path}: " in problem


@pytest.mark.parametrize(
    "scope",
    [
        SUB, SUB.upper() + "/", "/subscriptions/*", "/subscriptions/s1/resourceGroups/*", BREAK_GLASS,
        "/subscriptions/a?b/x", "/providers/Microsoft.Management/managementGroups/corp",
        "/providers/microsoft.management/MANAGEMENTGROUPS/*",
        "/subscriptions/s1/providers/M.X/y/z", "**/resourceGroups/web", "/sub*", "**web", "**web*",
        "/subscriptions/**/x/y",
        "/subscriptions/s1/resourceGroups/resourceGroup", "/[ps]*/x", "?subscriptions/x", "/subscriptions",
        "**/resourceGroups/resourceGroup/providers/x", f"{SUB}/resourceGroups/web/providers/M.X/y/z/providers/A.B/c/d",
    ],
)  # fmt: skip
def test_what_may_be_a_scope_is_taken(scope: str) -> None:
    for _, form, _ in SECTIONS:
        parse_ruleset(text_of(2, form.format(f"'{scope}'")))


@pytest.mark.parametrize("scope", ["*", "**", "/", "/**", "*/*", "//", "***/"])
def test_what_matches_everything_is_a_mistake_where_it_is_one(scope: str) -> None:
    never = "rules: {{never-exempt: {{options: {{assignments: [{0}]}}}}}}"
    narrow = [one[1] for one in SECTIONS if one[0] in ("exclusions", "accepted", "allowed")]
    for form in (*narrow, never):
        (problem,) = mistakes(form.format(f"'{scope}'"))
        assert problem.startswith("r.yaml:")
        assert f"'{scope}' matches everything; write a narrower pattern" in problem
        assert any("matches everything" in one for one in parse_ruleset(text_of(1, form.format(f"'{scope}'"))).warnings)
    for name, form, _ in SECTIONS:
        if name in ("overrides", "durability", "routes"):
            parse_ruleset(text_of(2, form.format(f"'{scope}'")))


def test_version_1_is_used_as_it_was_and_each_pattern_that_would_change_is_named() -> None:
    rest = (
        f"exclusions: [{{scope: '{BREAK_GLASS}', reason: r}}, {{scope: resourceGroup/x, reason: r}}]\n"
        "owners: [{name: x, metadata: {pacOwnerId: '*', team: 'a*/b'}}]\n"
        "people: {'*@contoso.com': {teams: jo@contoso.com, name: Jo}, '**/x': {teams: jo@contoso.com, name: Jo}}"
    )
    ruleset = parse_ruleset(text_of(1, rest), "r.yaml")
    assert ruleset.version == 1
    assert list(ruleset.warnings) == [
        f"r.yaml:1:1: version: 1 {OLDER}; 3 of its 6 patterns would match less in version 2, where * does not cross /",
        f"r.yaml:4:22: exclusions[0].scope: '{BREAK_GLASS}' is in version 2 '{BREAK_GLASS.replace('*', '**')}'",
        f"r.yaml:4:89: exclusions[1].scope: 'resourceGroup/x' {NEITHER}",
        "r.yaml:5:54: owners[0].metadata.team: 'a*/b' is in version 2 'a**/b'",
        "r.yaml:6:10: people: '*@contoso.com' is in version 2 '**@contoso.com'",
        "r.yaml:6:62: people: '**/x' has the ** of version 2; in version 1 it means what * does",
    ]
    (warning,) = parse_ruleset(text_of(1, ""), "r.yaml").warnings
    assert warning.endswith("no pattern would change: write version: 2")
    assert parse_ruleset(text_of(2, "")).warnings == ()


def test_the_shipped_rulesets_are_of_version_2_and_nothing_is_said_of_them() -> None:
    shipped = load_ruleset()
    assert (shipped.version, shipped.warnings) == (2, ())
    never = shipped.limits.bound()["never-exempt"]
    assert len(never.options.assignments) == 2, "what reports and what refuses"
    assert all(covers(glob) is not None for glob in never.options.assignments)  # Azure Policy can say it


def test_a_pattern_that_is_too_long_is_a_mistake_in_both_versions() -> None:
    for version in (1, 2):
        (problem,) = mistakes(f"overrides: [{{scope: /subscriptions/{'x' * 2000}, rules: {{expired: off}}}}]", version)
        assert "has 2,015 characters; at most 2,000 are allowed" in problem


def test_the_version_is_one_that_is_known() -> None:
    (problem,) = mistakes("", 3)
    assert problem == "r.yaml:1:10: version: 3 is not allowed; it must be one of 1, 2".replace("3 is", "'3' is")
    assert any("did you mean version?" in one for one in mistakes("versoin: 1"))
    assert any("'version' occurs twice" in one for one in mistakes("version: 1"))


def test_a_thousand_overrides_are_read_and_each_mistake_among_them_has_its_line() -> None:
    lines = [f"- {{scope: /subscriptions/s{n}/*/x, rules: {{expired: tag}}}}" for n in range(1000)]
    ruleset = parse_ruleset(text_of(2, "overrides:\n" + "\n".join(lines)))
    assert len(ruleset.limits.overrides) == 1000
    assert len(bound_at(ruleset, SUB + BELOW)) == 1
    lines[700] = lines[700].replace("subscriptions", "subscription")
    (problem,) = mistakes("overrides:\n" + "\n".join(lines))
    assert problem.startswith("r.yaml:705:11: overrides[700].scope: ")


def compared(rest: str) -> dict[str, list[str]]:
    ruleset: Ruleset = parse_ruleset(text_of(1, rest))
    comparison = Comparison(ruleset.patterns)
    for scope in (NESTED, f"{SUB}/resourceGroups/break-glass"):
        assignment = f"{SUB}/providers/Microsoft.Authorization/policyAssignments/guard"
        comparison.add(ExemptionId.parse(scope + BELOW), assignment, "jo; team a/b x")
    return {one.path: ids for one, ids in comparison.found.items()}


def test_registered_exemptions_whose_match_would_change_are_found() -> None:
    assert compared(f"exclusions: [{{scope: '{BREAK_GLASS}', reason: r}}, {{scope: '{SUB}', reason: r}}]") == {
        "exclusions[0].scope": [NESTED + BELOW]
    }
    both = [NESTED + BELOW, f"{SUB}/resourceGroups/break-glass{BELOW}"]
    assert compared("rules: {never-exempt: {options: {assignments: ['*/guard', 'g*d']}}}") == {
        "rules.never-exempt.options.assignments[0]": both,
        "rules.never-exempt.options.assignments[1]": [],
    }
    assert compared("people: {'team * x': {teams: jo@contoso.com, name: Jo}}") == {"people": both}


def test_many_globs_are_looked_up_as_each_is_asked() -> None:
    """Short ids and long ones, globs of each form, few and many: what is kept of one id is right for the next."""
    random = Random(5)  # noqa: S311
    words = ("a", "ab", "b", "subscriptions", "x-1", "**", "*", "a*", "*b", "?", "[ab]", "[!a]", "a**", "x-*")
    for count in (1, 3, 12, 60):
        for _ in range(12):
            texts = ["/".join(("", *random.choices(words, k=random.randint(1, 8)))) for _ in range(count)]
            globs = [glob(text) for text in [*texts, random.choice(("", "*", "**/b", "/a/*"))]]
            scopes = Scopes(globs)
            for _ in range(60):
                key = "/".join(("", *random.choices(("a", "ab", "b", "x-1", "x-12", "c"), k=random.randint(1, 9))))
                expected = tuple(number for number, one in enumerate(globs) if one.matches(key))
                assert scopes.matching(key) == expected, (key, [one.text for one in globs])
