"""Which criteria an exemption weakens: by the groups of its initiative, and by the table of Azure's for SOC 2."""

import re
from dataclasses import replace
from typing import Any

import pytest

from guardrails.criteria.model import (
    BySource,
    Criterion,
    Source,
    SourceKind,
    Weakened,
    line_of,
    line_within,
    sentences_of,
)
from guardrails.criteria.table import own_table
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.exemption.sources import RESOURCE_GRAPH
from guardrails.rules.sample import ASSIGNMENT
from tests.criteria.samples import (
    BENCHMARK,
    DEFINITIONS,
    PREFIX,
    SOC2,
    assignment_of,
    benchmark_body,
    custom,
    exempting,
    soc2_body,
)

CERTIFICATES, SECRETS = "certificatesValidityPeriodMonitoring", "secretsExpirationSet"
TECHNICAL, MANUAL = next(iter(own_table().technical)), next(iter(own_table().manual))


def by(weakened: Weakened, kind: str) -> BySource:
    [found] = [one for one in weakened.by_source if one.source.kind == kind]
    return found


def counts(found: BySource) -> dict[str, tuple[int, int]]:
    return {one.name: (one.policies, one.of) for one in found.criteria}


@pytest.fixture
def benchmark() -> Assignment:
    return assignment_of(BENCHMARK, benchmark_body())


def test_the_table_has_the_criteria_of_the_initiative() -> None:
    table = own_table()
    assert (len(table.technical), len(table.manual)) == (114, 193)
    assert dict(table.totals) == {
        "CC6.1": 40, "CC6.8": 37, "CC8.1": 37, "CC6.6": 22, "CC6.7": 17, "CC7.2": 17, "CC6.3": 9, "A1.2": 4, "PI1.5": 4,
        "CC5.2": 4, "CC7.4": 4, "CC7.5": 4, "CC2.2": 3, "CC2.3": 3, "CC3.2": 3, "CC7.1": 3, "CC6.2": 3,
    }  # fmt: skip


def test_the_table_has_numbers_and_no_text_of_the_standard() -> None:
    both = {**own_table().technical, **own_table().manual}
    assert all(re.fullmatch(r"[ACIP]{1,2}\d\.\d", one) for some in both.values() for one in some)


def test_an_exemption_from_the_benchmark_has_criteria_of_soc_2_too(benchmark: Assignment) -> None:
    weakened = own_criteria().by_exemption(exempting(CERTIFICATES), benchmark)
    own, table = weakened.by_source
    assert (own.source.name, own.source.version) == ("Microsoft cloud security benchmark", "57.56.0")
    assert counts(own).keys() == {PREFIX + "DP-7"}
    assert (table.source.id, table.source.version) == ("4054785f-702b-4a98-9215-009cbd58b141", "1.12.0")
    assert counts(table) == {"CC6.1": (1, 40)}
    assert (weakened.policies, weakened.unmapped, weakened.certain, weakened.unknown) == (1, 0, True, "")
    assert sentences_of(weakened)[1] == (
        "1 of the 40 policies that Azure's initiative SOC 2 Type 2 1.12.0 groups under CC6.1"
        " does not apply to this scope"
    )


def test_the_whole_benchmark_has_105_of_its_223_policies_in_soc_2(benchmark: Assignment) -> None:
    weakened = own_criteria().by_exemption(exempting(), benchmark)
    own, table = weakened.by_source
    assert (weakened.policies, own.policies, table.policies) == (223, 223, 105)
    assert all(one.policies == one.of for one in own.criteria)
    assert all(one.policies <= one.of for one in table.criteria)


def test_without_the_groups_of_the_initiative_the_table_is_left(benchmark: Assignment) -> None:
    removed = assignment_of(BENCHMARK, {**benchmark_body(grouped=False), "policyDefinitionGroups": None})
    weakened = own_criteria().by_exemption(exempting(), removed)
    [table] = weakened.by_source
    assert table == by(own_criteria().by_exemption(exempting(), benchmark), "table")
    assert weakened.unknown == "no source has criteria for 118 of its 223 policies"
    assert weakened.unmapped == 118


def test_the_initiative_of_the_table_speaks_for_itself() -> None:
    weakened = own_criteria().by_exemption(exempting(), assignment_of(SOC2, soc2_body()))
    [own] = weakened.by_source
    assert own.source.kind == "initiative"
    assert counts(own) == {f"SOC_2_{name}": (total, total) for name, total in own_table().totals.items()}
    assert (weakened.policies, weakened.manual) == (114, 193)
    assert weakened.includes(["cc6.1"])
    assert weakened.includes(["soc_2_cc6.1"])
    assert not weakened.includes(["c6.1", "p7.1", ""])


def test_manual_policies_weaken_no_technical_check() -> None:
    weakened = own_criteria().by_exemption(exempting(MANUAL), assignment_of(SOC2, soc2_body()))
    assert (weakened.by_source, weakened.unknown, weakened.manual) == ((), "", 1)
    assert line_of(weakened) == "none"


def test_groups_of_a_custom_initiative_are_shown_as_they_are() -> None:
    members = [
        {
            "policyDefinitionReferenceId": "A",
            "policyDefinitionId": "/x/policyDefinitions/a",
            "groupNames": ["g1", "g2"],
        },
        {"policyDefinitionReferenceId": "b", "policyDefinitionId": "/x/policyDefinitions/b", "groupNames": ["g1"]},
    ]
    groups = [{"name": "g1", "displayName": "ISO A.9.2"}, {"name": "g2"}]
    weakened = own_criteria().by_exemption(exempting("a"), custom(members, policyDefinitionGroups=groups))
    [own] = weakened.by_source
    assert [(one.name, one.title, one.policies, one.of) for one in own.criteria] == [
        ("g1", "ISO A.9.2", 1, 2), ("g2", "", 1, 1),
    ]  # fmt: skip
    assert line_of(weakened) == "Ours 1.0.0: g1 ISO A.9.2 (1 of 2), g2 (1 of 1)"
    assert weakened.includes(["iso a.9.2"])


def test_a_definition_that_an_initiative_holds_twice_counts_once_by_the_table() -> None:
    members = [
        {"policyDefinitionReferenceId": name, "policyDefinitionId": DEFINITIONS + TECHNICAL} for name in ("a", "b")
    ]
    weakened = own_criteria().by_exemption(exempting(), custom(members))
    assert {one.policies for one in by(weakened, "table").criteria} == {1}


def test_a_single_policy_has_the_criteria_of_the_table() -> None:
    for reference in ((), ("left over",)):
        single = Assignment(ASSIGNMENT, DEFINITIONS + TECHNICAL.upper(), {})
        weakened = own_criteria().by_exemption(exempting(*reference), single)
        assert [one.name for one in by(weakened, "table").criteria] == list(own_table().technical[TECHNICAL])


def test_a_custom_definition_of_the_same_name_is_another_policy() -> None:
    single = Assignment(ASSIGNMENT, "/subscriptions/s" + DEFINITIONS + TECHNICAL, {})
    weakened = own_criteria().by_exemption(exempting(), single)
    assert (weakened.is_unknown, weakened.unknown) == (True, "no source has criteria for its policy")


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        (Gone(), "does not exist"),
        (Unread("busy"), "busy"),
        (assignment_of(BENCHMARK, Unread("403")), "403"),
        (Assignment(ASSIGNMENT, DEFINITIONS + "ours", {}), "no source has criteria for its policy"),
    ],
)
def test_where_no_mapping_is_known_it_is_unknown_and_not_none(assignment: Any, said: str) -> None:
    weakened = own_criteria().by_exemption(exempting(), assignment)
    assert weakened.is_unknown
    assert said in weakened.unknown
    assert line_of(weakened).startswith("unknown: ")


@pytest.mark.parametrize(
    "names", [7, "@{name=x}", "System.Object[]", {"a": 1}, [None], [""], [["x"]], [{}], True], ids=str
)
def test_groups_of_unexpected_types_are_unknown_and_the_table_is_left(names: Any) -> None:
    member = {"policyDefinitionReferenceId": "a", "policyDefinitionId": DEFINITIONS + TECHNICAL, "groupNames": names}
    weakened = own_criteria().by_exemption(exempting(), custom([member]))
    assert weakened.unknown.startswith("the groups of the initiative are not known: ")
    assert not weakened.is_unknown
    assert by(weakened, "table").policies == 1


@pytest.mark.parametrize("groups", [7, "x", [7, None, {"name": 7}, {"displayName": "x"}], {"g": "x"}], ids=str)
def test_a_list_of_groups_that_cannot_be_read_leaves_the_names(groups: Any) -> None:
    member = {"policyDefinitionReferenceId": "a", "policyDefinitionId": "/x", "groupNames": ["g", "g", "absent"]}
    weakened = own_criteria().by_exemption(exempting(), custom([member], policyDefinitionGroups=groups))
    assert counts(by(weakened, "initiative")) == {"g": (1, 1), "absent": (1, 1)}


def test_an_initiative_with_too_many_groups_is_unknown() -> None:
    members = [
        {
            "policyDefinitionReferenceId": str(number), "policyDefinitionId": f"/x/{number}",
            "groupNames": [f"g{group}" for group in range(1000)],
        }
        for number in range(51)
    ]  # fmt: skip
    assert "more than 50,000 times" in own_criteria().by_exemption(exempting(), custom(members)).unknown


def test_what_may_be_exempted_is_an_upper_limit(benchmark: Assignment) -> None:
    weakened = own_criteria().by_exemption(exempting(CERTIFICATES, source=RESOURCE_GRAPH), benchmark)
    assert not weakened.certain
    assert line_of(weakened).endswith("SOC 2 Type 2 1.12.0: CC6.1 (up to 1 of 40)")
    selectors = [{"selectors": [{"kind": "policyDefinitionReferenceId", "in": [CERTIFICATES]}]}]
    weakened = own_criteria().by_exemption(exempting(resourceSelectors=selectors), benchmark)
    assert (weakened.certain, counts(by(weakened, "table"))) == (True, {"CC6.1": (1, 40)})


def test_a_reference_that_the_initiative_has_not_weakens_nothing(benchmark: Assignment) -> None:
    assert own_criteria().by_exemption(exempting("no such policy"), benchmark) == Weakened()


def test_what_was_found_is_kept_until_the_initiative_is_another(benchmark: Assignment) -> None:
    criteria = Criteria(own_table())
    first = criteria.by_exemption(exempting(CERTIFICATES), benchmark)
    assert criteria.by_exemption(exempting(CERTIFICATES), benchmark) is first
    members = [one for one in benchmark_body()["policyDefinitions"] if one["policyDefinitionReferenceId"] != SECRETS]
    edited = assignment_of(BENCHMARK, {**benchmark_body(), "policyDefinitions": members})
    assert criteria.by_exemption(exempting(), edited).policies == 222
    assert criteria.by_exemption(exempting(), benchmark).policies == 223


def test_the_json_form_reads_back(benchmark: Assignment) -> None:
    for references in ((), (CERTIFICATES,), ("none",)):
        weakened = own_criteria().by_exemption(exempting(*references), benchmark)
        assert Weakened.read(weakened.to_json()) == weakened


@pytest.mark.parametrize("said", [{}, {"unknown": None, "policies": "x"}, {"by_source": 7}], ids=str)
def test_what_is_kept_and_cannot_be_read_is_unknown(said: Any) -> None:
    assert Weakened.read(said).is_unknown


def test_one_line_says_how_much_it_leaves_out(benchmark: Assignment) -> None:
    weakened = own_criteria().by_exemption(exempting(), benchmark)
    assert " and 12 more" in line_of(weakened)
    assert line_of(weakened, 100).count(" of ") == sum(len(one.criteria) for one in weakened.by_source)


@pytest.mark.parametrize("limit", [50, 200, 500])
def test_a_line_that_is_cut_never_hides_that_some_is_unknown_or_left_out(limit: int) -> None:
    source = Source(SourceKind.INITIATIVE, "i", "Ours", "1.0")
    criteria = tuple(Criterion(f"C{number}", 1, 40, "t" * 60) for number in range(9))
    known = Weakened("no source has criteria for 1 of its 10 policies", 10, by_source=(BySource(source, 9, criteria),))
    line = line_within(known, limit)
    assert len(line) <= limit
    assert "; unknown: no source has criteria" in line
    assert "..." in line or " more" in line
    whole = replace(known, unknown="")
    assert len(line_within(whole, limit)) <= limit
    assert line_within(whole, limit).endswith(("...", " more"))
    assert line_within(whole, 10_000) == line_of(whole)
    assert line_within(Weakened("w" * 600), limit) == f"unknown: {'w' * (limit - 12)}..."
    assert line_within(Weakened(), limit) == "none"
