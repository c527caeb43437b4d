"""What a Teams card says, that it is valid, small, and that nothing in it acts but its one button."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import jsonschema
import jsonschema_rs
import pytest

from guardrails.channels.teams import MAX_BYTES, card, message
from guardrails.notices.notice import Kind
from sandbox.sink import CARD_SCHEMA
from tests import reference
from tests.channels.samples import EXEMPTION, EXEMPTION_ID, FIX, HOSTILE, SCOPE, SUBSCRIPTION, finding, hostile, notice
from tests.channels.test_text import LINKS, tokens

SCHEMAS: list[dict[str, Any]] = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in (CARD_SCHEMA, *reference.places("schemas/adaptive-card-1.5.json"))
]


def elements(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object in a card, outermost first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from elements(item)


def texts(content: dict[str, Any]) -> list[str]:
    return [found["text"] for found in elements(content) if found.get("type") == "TextRun"]


VALIDATORS = [jsonschema_rs.Draft6Validator(schema, offline=True) for schema in SCHEMAS]
TITLES = [schema.get("title", "published") for schema in SCHEMAS]


def problems(content: dict[str, Any]) -> list[str]:
    """Return what is wrong with a card, by any of the schemas."""
    return [error.message for one in VALIDATORS for error in one.iter_errors(standard(content))]


def standard(content: dict[str, Any]) -> dict[str, Any]:
    """Return the card without `msteams`, Teams' own extension, which the standard's schema does not know."""
    return {key: value for key, value in content.items() if key != "msteams"}


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("severity", ["high", "medium", "low", "info", "none of these"])
def test_every_kind_is_a_valid_card(kind: Kind, severity: str) -> None:
    for about in (EXEMPTION, {}):
        assert problems(card(notice(kind, severity=severity, exemption=about))) == []


@pytest.mark.parametrize("validator", VALIDATORS, ids=TITLES)
def test_the_validator_refuses_a_card_that_is_none(validator: jsonschema_rs.Validator) -> None:
    assert validator.is_valid(standard(card(notice())))
    assert not validator.is_valid({**standard(card(notice())), "body": [{"type": "TextBlock"}]})
    assert not validator.is_valid({"type": "AdaptiveCard", "body": [{"type": "RichTextBlock"}]})


@pytest.mark.parametrize(("validator", "schema"), list(zip(VALIDATORS, SCHEMAS, strict=True)), ids=TITLES)
def test_the_validator_says_what_the_usual_one_says(validator: jsonschema_rs.Validator, schema: dict[str, Any]) -> None:
    usual = jsonschema.Draft6Validator(schema)
    whole = standard(card(notice()))
    spoilt = ({**whole, "body": [{**one, "type": "Tex"}]} for one in whole["body"])
    for given in (whole, {**whole, "body": 1}, {**whole, "version": 1.5, "body": []}, *spoilt):
        said = [(error.instance_path, error.kind.name) for error in validator.iter_errors(given)]
        assert said == [(list(error.path), error.validator) for error in usual.iter_errors(given)]


def test_the_card_says_who_what_where_why_done_and_next() -> None:
    said = "\n".join(texts(card(notice())))
    for part in (
        "An exemption breaks two rules", "High · violation · 2026-11-21 12:30 UTC", "jo@contoso[.]com",
        "Partner ingestion over the public endpoint", "named partner-ingestion", "Resource group partner-ingestion",
        "Subscription 11111111-2222-3333-4444-555555555555", "Resource storageAccounts/partnerdrop",
        "storage-baseline", "Waiver, expires 2028-05-31 00:00 UTC", "SEC-1234", "CC6.1 (1 of 40)", "expiry-far",
        "Expiry more than 12 months ahead", "it expires 18 months after it was written", "latest: 2027-11-21",
        "Set expiresOn to 2027-11-21 or before.", "could not be checked", "It was deleted; its body is kept",
        "the scope is not excluded", "run `exg restore ID`",
    ):  # fmt: skip
        assert part in said


def test_the_envelope_is_what_a_workflow_takes() -> None:
    whole = json.loads(message(notice()))
    assert whole["type"] == "message"
    (attachment,) = whole["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    assert attachment["content"]["msteams"] == {"width": "Full"}


def test_worst_findings_come_first() -> None:
    said = texts(card(notice(findings=(finding("mild", severity="info"), finding("bad", severity="high")))))
    assert said.index("bad") < said.index("mild")


def test_an_exemption_without_terms_says_so() -> None:
    said = texts(card(notice(exemption={"id": EXEMPTION_ID, "name": "x"}, actor="")))
    assert {"never expires", "none", "not known"} <= set(said)
    assert "expires on 'soon', which is no date" in texts(card(notice(exemption={"name": "x", "expiresOn": "soon"})))


def test_the_only_action_opens_the_target_scope() -> None:
    found = card(notice())
    assert [item for item in elements(found) if str(item.get("type", "")).startswith("Action.")] == found["actions"]
    assert found["actions"][0]["url"] == "https://portal.azure.com/#@/resource" + SCOPE
    assert card(notice(), portal="https://portal.azure.us/")["actions"][0]["url"].startswith(
        "https://portal.azure.us/#"
    )


def test_a_name_cannot_bend_the_link() -> None:
    scope = SUBSCRIPTION + "/resourceGroups/a?b#c%zd&e@evil.com:80 é\u202e\"'<x>"
    about = {"id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/x"}
    url = card(notice(exemption=about))["actions"][0]["url"]
    head, tail = url.split("/resourceGroups/")
    assert head == "https://portal.azure.com/#@/resource" + SUBSCRIPTION
    assert tail.isascii()
    assert not set(tail) & set("?#&@: \"'\\<>/")
    assert unquote(tail) == scope.split("/resourceGroups/")[1]


@pytest.mark.parametrize("group", ["..", ".", "g" * 3000, "a%2F..", "%2e%2e", "a\\..", "a\nb"])
def test_a_path_that_climbs_or_never_ends_gets_no_link(group: str) -> None:
    about = {"id": f"{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Authorization/policyExemptions/x"}
    assert card(notice(exemption=about))["actions"] == []


def test_a_management_group_has_its_page() -> None:
    about = {"id": "/providers/Microsoft.Management/managementGroups/corp" + EXEMPTION_ID[len(SCOPE) :]}
    found = card(notice(exemption=about))
    assert found["actions"][0]["url"].endswith("/resource/providers/Microsoft.Management/managementGroups/corp")
    assert "Management group corp" in texts(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_ever_a_plain_run(text: str) -> None:
    about = hostile(text)
    whole = replace(about, findings=tuple({**found, "remediation": ""} for found in about.findings))  # that is ours
    found = card(whole)
    assert not [item for item in elements(found) if item.get("type") in ("TextBlock", "FactSet", "Image", "Media")]
    assert not [said for said in texts(found) if LINKS.search(said)]
    assert {token.type for token in tokens(found["fallbackText"])} <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special",
    }  # fmt: skip
    assert found["actions"][0]["url"] == "https://portal.azure.com/#@/resource" + SCOPE
    assert "entities" not in found["msteams"]


@pytest.mark.parametrize("char", ["x", '"', "\\", "😀", "\u0627", "\u202e", "\x00", "\ud800", "e\u0301\u0335", "."])
def test_the_message_is_small_whatever_is_in_it(char: str) -> None:
    whole = replace(hostile(char * 100_000, findings=200), title=char * 100_000, done=char * 100_000)
    whole = replace(whole, next=char * 100_000, why=(char * 100_000,) * 200, severity=char * 1000)
    sent = message(whole)
    assert len(sent) <= MAX_BYTES
    found = json.loads(sent)["attachments"][0]["content"]
    assert problems(found) == []
    assert found["actions"]


def test_detail_is_left_out_in_order() -> None:
    def said(count: int, size: int = 240) -> str:
        each = finding("code", text="T" * size, evidence={"e": "E" * 240}, remediation="M" * size)
        return "\n".join(texts(card(notice(findings=(each,) * count))))

    assert "EEE" in said(3)
    assert "Shortened" not in said(3)
    without_evidence = said(20)
    assert "EEE" not in without_evidence
    assert "MMM" in without_evidence
    assert "Shortened" in without_evidence
    without_remediation = said(25, 400)
    assert "MMM" not in without_remediation
    assert "TTT" in without_remediation
    assert "and 175 findings more" in said(200, 10)
    emoji = texts(card(notice(findings=tuple(finding(text="😀" * 400, rule="😀" * 100) for _ in range(25)))))
    assert "and 15 findings more" in emoji


def test_the_fix_says_field_current_value_allowed_value_and_the_command() -> None:
    found = card(notice(fix=FIX, findings=(finding(rule="owner-missing"),)))
    assert problems(found) == []
    said = texts(found)
    at = said.index("Fix")
    assert said[at + 1 :][:8] == [
        "properties.metadata.owner", "Now: nothing", "Allowed: the team",
        "properties.metadata.ticket", "Now: contoso[.]com", "Allowed: a key",
        "Change it. Replace each text in <> with your value:",
        str(FIX["command"]).replace("contoso.com", "contoso''.com"),
    ]  # fmt: skip
    assert "Set expiresOn to 2027-11-21 or before." not in said, "the exact change says it"
    code = next(item for item in elements(found) if str(item.get("text")).startswith("az "))
    assert code["fontType"] == "monospace"


@pytest.mark.parametrize("command", ["az x\u202e", "az  x", "az x\n", "a" * 3000, 7, None])
def test_a_command_that_cannot_be_shown_as_it_is_is_not_shown(command: Any) -> None:
    said = texts(card(notice(fix={"changes": FIX["changes"], "command": command})))
    assert "Fix" in said
    assert not [text for text in said if "az" in text or "aaa" in text]


def test_an_unknown_finding_has_nothing_to_fix() -> None:
    assert "Set expiresOn to 2027-11-21 or before." not in texts(card(notice(findings=(finding(status="unknown"),))))


def test_people_that_the_ruleset_knows_are_mentioned() -> None:
    found = card(notice(), mentions=[("Jo Doe", "87d349ed-44d7-43e1-9a83-5f2406dee5bd"), ("Al", "al@contoso.com")])
    blocks = [item["text"] for item in elements(found) if item.get("type") == "TextBlock"]
    assert blocks == ["For <at>Jo Doe</at>, <at>Al</at>"]
    assert found["msteams"]["entities"] == [
        {
            "type": "mention",
            "text": "<at>Jo Doe</at>",
            "mentioned": {"id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd", "name": "Jo Doe"},
        },
        {"type": "mention", "text": "<at>Al</at>", "mentioned": {"id": "al@contoso.com", "name": "Al"}},
    ]
    assert problems(found) == []


@pytest.mark.parametrize("name", [text for text in HOSTILE if text])
def test_a_name_in_a_mention_is_a_name_only(name: str) -> None:
    found = card(notice(), mentions=[(name, "87d349ed-44d7-43e1-9a83-5f2406dee5bd")])
    (block,) = [item["text"] for item in elements(found) if item.get("type") == "TextBlock"]
    (entity,) = found["msteams"]["entities"]
    inner = block.removeprefix("For <at>").removesuffix("</at>")
    assert entity["text"] == f"<at>{inner}</at>"
    assert entity["mentioned"]["name"] == inner
    assert inner
    assert not set(inner) & set("<>[]()*_`~#|\\!&/@:{}\n")
    assert {token.type for token in tokens("For " + inner)} <= {
        "paragraph_open", "paragraph_close", "inline", "text",
    }  # fmt: skip


def test_mentions_are_few_and_each_person_has_one() -> None:
    given = [("Jo", "a-1"), ("Jo", "a-1"), ("Jo", "a-2"), ("Al", "no id"), ("Al", "")]
    entities = card(notice(), mentions=given)["msteams"]["entities"]
    assert [(each["mentioned"]["name"], each["mentioned"]["id"]) for each in entities] == [
        ("Jo", "a-1"),
        ("Jo 2", "a-2"),
    ]
    many = card(notice(), mentions=[(f"Jo {at}", f"id-{at}") for at in range(50)])
    assert len(many["msteams"]["entities"]) == 10


def test_what_was_done_is_read_before_the_findings() -> None:
    said = texts(card(notice()))
    assert said.index("Done") < said.index("Findings") < said.index("Ticket")


def test_a_digest_says_what_it_counts() -> None:
    digest = {
        "since": "2026-11-21T12:15:00Z",
        "rules": {f"rule-{at}": at for at in range(1, 30)},
        "kinds": {"x.com": 2},
    }
    said = texts(card(notice(Kind.DIGEST, exemption={}, digest=digest)))
    assert {"2026-11-21 12:15 UTC", "x[.]com: 2", "The worst"} <= set(said)
    assert "Because" not in said
    (rules,) = [each for each in said if each.startswith("rule-29: 29; rule-28: 28")]
    assert rules.endswith("rule-22: 22; …")


def test_a_digest_says_which_exemption_each_line_is_about() -> None:
    worst = finding(text="it expires late", evidence={"exemption": EXEMPTION_ID, "notice": "n-1"})
    unknown = finding(text="no id here", evidence={"exemption": "nonsense"})
    said = texts(card(notice(Kind.DIGEST, exemption={}, findings=(worst, unknown), digest={"total": 2})))
    where = "resource storageAccounts/partnerdrop"
    assert f"partner-ingestion ({where}): it expires late" in said
    assert "no id here" in said
    assert "n-1" not in " ".join(said)
