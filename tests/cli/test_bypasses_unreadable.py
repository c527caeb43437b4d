"""scan and assignments that cannot be read: unknown, counted, no pass, and never taken for none."""

from typing import Any

import pytest

from tests.sandbox.conftest import SINGLE

from .test_scan import Tenant, tenant
from .test_scan_bypasses import change

__all__ = ["tenant"]


@pytest.mark.parametrize(
    "properties",
    [{"notScopes": 5}, {"overrides": ["x"]}, {"metadata": "no object"}, {"selfServeExemptionSettings": [1]}],
    ids=lambda properties: next(iter(properties)),
)
async def test_it_is_unknown_and_counted(tenant: Tenant, properties: dict[str, Any]) -> None:
    change(tenant.cloud, SINGLE, **properties)
    ran = await tenant.scan("--format", "json")
    assert ran.code == 3
    [one] = ran.json["bypasses"]
    assert (one["kind"], one["subject"], one["verdict"], one["severity"]) == ("unreadable", SINGLE, "unknown", None)
    assert [(found["code"], found["status"]) for found in one["findings"]] == [("EXG500", "unknown")]
    assert (ran.json["counts"]["unknown"], ran.json["counts"]["violation"]) == (1, 0)
    assert [count["kind"] for count in ran.json["bypasses_by_kind"] if count["whole"]] == ["exemption", "tag"]
    text = (await tenant.scan()).out
    assert "1 bypass, 0 with a violation. Not all could be read, so there may be more." in text
    assert (await tenant.scan("--exit-zero")).code == 0
