"""What PowerShell's ConvertTo-Json makes of an exemption: dates and lists are read, what is lost is found."""

from typing import Any

import pytest

from guardrails.files.powershell import cut_off, is_cut_off, read


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("/Date(1811721600000)/", "2027-05-31T00:00:00Z"),
        ("\\/Date(1811721600000)\\/", "2027-05-31T00:00:00Z"),
        (" /Date(1811721600000)/ ", "2027-05-31T00:00:00Z"),
        ("/Date(1811721600000+0200)/", "2027-05-31T00:00:00Z"),
        ("/Date(1811721600000-0730)/", "2027-05-31T00:00:00Z"),
        ("/Date(1811721600123)/", "2027-05-31T00:00:00.123000Z"),
        ("/Date(0)/", "1970-01-01T00:00:00Z"),
        ("/Date(-86400000)/", "1969-12-31T00:00:00Z"),
        ("/Date(-62135596800000)/", "0001-01-01T00:00:00Z"),
        ("/Date(253402300799000)/", "9999-12-31T23:59:59Z"),
        ({"value": "/Date(1811721600000)/", "DateTime": "Monday, 31 May 2027 00:00:00"}, "2027-05-31T00:00:00Z"),
        ({"Value": "/Date(1811721600000)/", "DisplayHint": 2, "dateTime": "x"}, "2027-05-31T00:00:00Z"),
        ({"value": "2027-05-31T00:00:00Z", "DateTime": "x"}, "2027-05-31T00:00:00Z"),
    ],
    ids=str,
)
def test_dates_are_read(written: Any, means: str) -> None:
    assert read(written) == means
    assert read({"a": [{"b": written}]}) == {"a": [{"b": means}]}


@pytest.mark.parametrize(
    "text",
    [
        "2027-05-31T00:00:00Z", "/Date()/", "/Date(soon)/", "/Date(99999999999999999)/", "until /Date(1811721600000)/",
        "/Date(1811721600000)/ or later", "Date(1811721600000)", "", "x" * 100_000, "/Date(" * 10_000,
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_is_no_date_stays(text: str) -> None:
    assert read(text) == text


def test_wrapped_lists_are_lists() -> None:
    assert read({"value": ["a", "b"], "Count": 2}) == ["a", "b"]
    assert read({"x": {"Value": [{"value": [], "Count": 0}], "count": 1}}) == {"x": [[]]}


@pytest.mark.parametrize(
    "value",
    [{"value": "a"}, {"value": ["a"]}, {"value": ["a"], "Count": 1, "more": 1}, {"DateTime": "x"}, 7, None, True, [],
     {"value": "a", "Count": 1}, {"value": 1, "DateTime": "x", "zone": "UTC"}],
    ids=str,
)  # fmt: skip
def test_other_values_stay(value: Any) -> None:
    assert read(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "System.Object[]", "System.String[]", "System.Object", " System.Object[] ", "System.Object[] System.Object[]",
        "System.Collections.Hashtable", "System.Collections.Specialized.OrderedDictionary",
        "System.Collections.Generic.List`1[System.String]", "System.Management.Automation.PSCustomObject",
        "System.Collections.Generic.Dictionary`2[System.String,System.Object]",
        "System.Collections.Generic.Dictionary`2[System.String, System.Object]",
        "System.Collections.Generic.List`1[Microsoft.Azure.PowerShell.Cmdlets.Policy.Models.IResourceSelector]",
        "Microsoft.Azure.PowerShell.Cmdlets.Policy.Models.PolicyExemption", "Newtonsoft.Json.Linq.JObject",
        "Microsoft.Azure.Commands.ResourceManager.Cmdlets.Implementation.Policy.PsPolicyExemptionProperties",
        "@{}", "@{ticket=SEC-1}", "@{ticket=SEC-1; approvers=System.Object[]; review=}", "@{a=1} @{a=2}", "@{a=x\ny}",
    ],
)  # fmt: skip
def test_what_is_left_of_an_object(text: str) -> None:
    assert is_cut_off(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "SEC-1234", "The list System.Object[] in a sentence.", "System", "System.Admin", "Microsoft.Storage",
        "Microsoft.Storage/storageAccounts", "see System.Object[]", "@{", "mail@{team}.example", "user@contoso.com",
        "use @{key=value} here", "System.Collections are used", "Microsoft.Azure", "a" * 100_000, "System." * 20_000,
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_somebody_wrote(text: str) -> None:
    assert not is_cut_off(text)


def _bag(**properties: Any) -> dict[str, Any]:
    return {"ResourceId": "/x", "Properties": {"PolicyAssignmentId": "/a", **properties}}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (_bag(PolicyDefinitionReferenceIds="denyPublic tls keys"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds="denyPublic,tls"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds="denyPublic;tls"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds="denyPublic&tls"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds="{denyPublic}"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds="..."), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds=["tls", ""]), ".Properties.PolicyDefinitionReferenceIds[1]"),
        (_bag(PolicyDefinitionReferenceIds="System.Object[]"), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds=""), ".Properties.PolicyDefinitionReferenceIds"),
        (_bag(PolicyDefinitionReferenceIds=["tls", "System.Object[]"]), ".Properties.PolicyDefinitionReferenceIds[1]"),
        (_bag(ResourceSelectors=""), ".Properties.ResourceSelectors"),
        (_bag(ResourceSelectors="System.Object[]"), ".Properties.ResourceSelectors"),
        (_bag(ResourceSelectors="@{name=a; selectors=System.Object[]}"), ".Properties.ResourceSelectors"),
        (_bag(ResourceSelectors=["@{name=a; selectors=System.Object[]}"]), ".Properties.ResourceSelectors[0]"),
        (_bag(ResourceSelectors=[{"name": "a", "selectors": ""}]), ".Properties.ResourceSelectors[0].selectors"),
        (_bag(ResourceSelectors=[{"selectors": ["@{kind=x}"]}]), ".Properties.ResourceSelectors[0].selectors[0]"),
        (_bag(ResourceSelectors=[{"name": "a", "selectors": [{"kind": "resourceLocation", "in": "a b"}]}]),
         ".Properties.ResourceSelectors[0].selectors[0].in"),
        (_bag(ResourceSelectors=[{"name": "a", "selectors": [{"kind": "resourceLocation", "notIn": ""}]}]),
         ".Properties.ResourceSelectors[0].selectors[0].notIn"),
        (_bag(Metadata="@{ticket=SEC-1}"), ".Properties.Metadata"),
        (_bag(Metadata="System.Collections.Hashtable"), ".Properties.Metadata"),
        (_bag(Metadata={"ticket": "SEC-1", "approvers": "System.Object[]"}), ".Properties.Metadata.approvers"),
        (_bag(Metadata={"a": {"b": [{"c": "@{d=1}"}]}}), ".Properties.Metadata.a.b[0].c"),
        ({"ResourceId": "/x", "Properties": "@{PolicyAssignmentId=/a}"}, ".Properties"),
        ({"ResourceId": "/x", "Properties": "System.Object"}, ".Properties"),
        ({"Id": "/x", "PolicyDefinitionReferenceId": "denyPublic tls"}, ".PolicyDefinitionReferenceId"),
        ({"Id": "/x", "ResourceSelector": [{"Selector": "System.Object[]"}]}, ".ResourceSelector[0].Selector"),
        ({"Id": "/x", "SystemData": "@{createdBy=jo}"}, ".SystemData"),
        ({"id": "/x", "policyDefinitionReferenceIds": "denyPublic tls"}, ".policyDefinitionReferenceIds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_place_of_what_is_lost(body: dict[str, Any], place: str) -> None:
    assert cut_off(body, "$[3]") == f"$[3]{place}"


@pytest.mark.parametrize(
    "body",
    [
        _bag(),
        _bag(PolicyDefinitionReferenceIds=None, ResourceSelectors=None, Metadata=None),
        _bag(PolicyDefinitionReferenceIds="denyPublic"),
        _bag(PolicyDefinitionReferenceIds="AINE_Minimum-Password.Length_1.0.0"),
        _bag(PolicyDefinitionReferenceIds="7261734529348711"),
        _bag(PolicyDefinitionReferenceIds='["denyPublic", "tls"]'),
        _bag(PolicyDefinitionReferenceIds=[], ResourceSelectors=[], Metadata=""),
        _bag(PolicyDefinitionReferenceIds=["deny public addresses", "tls"]),
        _bag(ResourceSelectors=[{"name": "a", "selectors": [{"kind": "resourceType", "in": "x/y", "notIn": None}]}]),
        _bag(Description="System.Object[]", DisplayName="@{a=b}"),
        _bag(Metadata={"note": "PowerShell wrote System.Object[] here", "empty": "", "list": ["a b"]}),
        {"id": "/x", "properties": {"policyAssignmentId": "/a", "metadata": {"service": "Microsoft.Storage"}}},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_lost(body: dict[str, Any]) -> None:
    assert cut_off(body) == ""
