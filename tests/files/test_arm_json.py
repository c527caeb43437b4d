"""Whatever Azure's tools wrap objects in, they come out with their place; what is wrong is named with its place."""

import codecs
import json
from typing import Any

import pytest

from guardrails.files.arm_json import DEEPEST, Reading, read_bytes, read_text
from tests import reference

A: dict[str, Any] = {"id": "/a", "properties": {}}
B: dict[str, Any] = {"id": "/b", "properties": {}}
CHECK = "judge it with `exg check` before it is deployed, or deploy it and save Azure's answer"


def found(value: Any) -> list[tuple[str, Any]]:
    reading = read_text(json.dumps(value))
    assert reading.problems == ()
    return [(item.place, item.body) for item in reading.items]


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_text(text).problems]


def test_one_object() -> None:
    assert found(A) == [("$", A)]


def test_lists() -> None:
    assert found([A, B]) == [("$[0]", A), ("$[1]", B)]
    assert found({"value": [A, B]}) == [("$.value[0]", A), ("$.value[1]", B)]
    assert found({"Value": [A], "Count": 1}) == [("$.Value[0]", A)]
    assert found([{"value": [A]}, {"value": [B]}]) == [("$[0].value[0]", A), ("$[1].value[0]", B)]
    assert found({"value": []}) == found([]) == []


def test_resource_graph_rows_and_table() -> None:
    assert found({"data": [A], "count": 1, "total_records": 1}) == [("$.data[0]", A)]
    columns = [{"name": "id", "type": "string"}, {"name": "properties", "type": "object"}]
    assert found({"data": {"columns": columns, "rows": [["/a", {}]]}}) == [("$.data.rows[0]", A)]


def test_specification_example() -> None:
    example = {"parameters": {"scope": "x"}, "responses": {"200": {"body": A}, "201": {"body": {"value": [B]}}}}
    assert found(example) == [("$.responses.200.body", A), ("$.responses.201.body.value[0]", B)]


def test_an_object_of_its_own_may_have_any_field() -> None:
    unusual = A | {"value": [1], "data": [], "responses": {}, "error": {}}
    assert found(unusual) == [("$", unusual)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "it is empty"),
        (" \n\t", "it is empty"),
        ('{"a": 1,}', "line 1, column 8: not JSON: illegal trailing comma before end of object"),
        ('[\n  {"a": ...}\n]', "line 2, column 9: not JSON: expecting value"),
        ("WARNING: hello\n[]", "line 1, column 1: not JSON: expecting value"),
        ('{"a": NaN}', "not JSON: NaN is not a JSON value"),
        ("[" * 100_000, f"nested more than {DEEPEST} levels deep"),
        ('"text"', "$: this must be a JSON object, not a text"),
        ("[1, null, true]", "$[0]: this must be a JSON object, not a number"),
        ('{"error": {"code": "PolicyExemptionNotFound", "message": "no"}}',
         "$: this is an error from Azure, not the requested data (PolicyExemptionNotFound: no)"),
        ('{"responses": {"200": {}}}', "$.responses: no response in this example has a body"),
        ('{"$schema": "x", "resources": []}',
         f"$: this is a deployment template; {CHECK}"),
        ('{"id": "/a", "id": "/b"}', "$: the key 'id' occurs twice; keep one"),
        ('[{"id": "/a", "properties": {"metadata": [{"x": 1, "x": 2}]}}]',
         "$[0].properties.metadata[0]: the key 'x' occurs twice; keep one"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, wanted: str) -> None:
    assert problems(text)[0] == wanted


def test_a_bad_item_costs_only_itself() -> None:
    deep: Any = 1
    for _ in range(DEEPEST + 1):
        deep = [deep]
    reading = read_text(json.dumps({"value": [A, 7, {"id": "/deep", "x": deep}, B]}))
    assert [item.body["id"] for item in reading.items] == ["/a", "/b"]
    assert [str(problem) for problem in reading.problems] == [
        "$.value[1]: this must be a JSON object, not a number",
        f"$.value[2]: nested more than {DEEPEST} levels deep",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("nextLink", "more"), ("skip_token", "more"), ("$skipToken", "more"), ("SkipToken", "more"),
     ("resultTruncated", "true"), ("ResultTruncated", True)],
)  # fmt: skip
def test_a_page_of_a_longer_list_is_reported(field: str, value: object) -> None:
    reading = read_text(json.dumps({"value": [A], field: value}))
    assert len(reading.items) == 1
    (note,) = reading.notes
    assert note.place == f"$.{field}"
    assert note.message.startswith("the list has more pages; only this one was read")


LINK = "/subscriptions/1/providers/Microsoft.Authorization/policyExemptions?api-version=v&$skiptoken=a%20b"


@pytest.mark.parametrize(
    ("field", "link", "command"),
    [
        ("nextLink", f"https://management.azure.com{LINK}", f"az rest --method get --url '{LINK}'"),
        ("nextLink", f"https://evil.example{LINK}", f"az rest --method get --url '{LINK}'"),
        ("nextLink", "https://x/a'; rm -rf ~?b", """az rest --method get --url '/a'"'"'; rm -rf ~?b'"""),
        ("skip_token", "x=", "az graph query --graph-query QUERY --first 1000 --skip-token x="),
        ("$skipToken", "x y", "az graph query --graph-query QUERY --first 1000 --skip-token 'x y'"),
        ("SkipToken", "x", "Search-AzGraph -Query QUERY -First 1000 -SkipToken x | ConvertTo-Json -Depth 100"),
    ],
)
def test_the_command_for_the_next_page_is_named(field: str, link: str, command: str) -> None:
    (note,) = read_text(json.dumps({"value": [A], "resultTruncated": "true", field: link})).notes
    assert note.rest.startswith("page-")
    assert note.rest.endswith(".json")
    assert note.message.endswith(f"Pass the next page too. Save it under this name: {command} > {note.rest}")


@pytest.mark.parametrize(
    "link", [True, 7, {}, "more", "https://x", "https://x//y", "https://[x/y", "https://x/\x07y", "https://x/\u202ey",
             "https://x/" + "y" * 3000, "\ud800"],
)  # fmt: skip
def test_a_link_that_cannot_be_followed_is_reported_and_not_shown(link: object) -> None:
    (note, *_) = read_text(json.dumps({"value": [A], "nextLink": link or [1]})).notes
    assert note.rest == ""
    assert note.message.endswith("the file does not lead to the next one: ask again for the whole list")


def test_pages_in_an_array_are_reported_too() -> None:
    reading = read_text(json.dumps([{"value": [A]}, {"value": [B], "nextLink": LINK}]))
    assert [note.place for note in reading.notes] == ["$[1].nextLink"]


@pytest.mark.parametrize("field", ["nextLink", "skip_token", "SkipToken", "resultTruncated"])
@pytest.mark.parametrize("value", [None, "", "false", False])
def test_a_whole_list_is_none(field: str, value: object) -> None:
    whole = field == "resultTruncated" or not value
    assert (not read_text(json.dumps({"value": [A], field: value})).notes) == whole


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-32"),
    ],
    ids=["utf-8", "utf-8 bom", "utf-16 bom", "utf-16-be bom", "utf-16-le", "utf-32"],
)
def test_every_encoding_of_a_redirect(encode: Any) -> None:
    body = A | {"name": "größe ☃"}
    reading = read_bytes(encode(json.dumps([body], ensure_ascii=False)))
    assert reading == Reading((reading.items[0],))
    assert reading.items[0].body == body


def test_bytes_that_are_no_text() -> None:
    assert [str(p) for p in read_bytes(b'{"a": "\xff\xfe"}').problems] == ["byte 8: not UTF-8 text: invalid start byte"]
    assert [str(p) for p in read_bytes(b"").problems] == ["it is empty"]


def test_every_json_of_the_corpus_gives_items_or_problems() -> None:
    for path in reference.files("corpus", "*.json"):
        reading = read_bytes(path.read_bytes())
        empty = json.loads(path.read_text(encoding="utf-8-sig")) == {"value": []} if reading == Reading() else False
        assert reading.items or reading.problems or empty, path.name


@pytest.mark.parametrize("levels", [DEEPEST - 3, 900, 20_000, 100_000])
@pytest.mark.parametrize("name", ["properties", "value", "resource", "exemptions", "data"])
def test_no_depth_makes_it_raise(levels: int, name: str) -> None:
    text = '{"id": "/a", "' + name + '": ' + '{"a": [' * levels + "]}" * levels + "}"
    for one in (text, text.replace('"id": "/a", ', "")):
        reading = read_text(one)
        assert reading.items or reading.problems or reading.cut_off
