"""The function `doctor`, run by the real worker library."""

import pytest

from guardrails.doctor.examine import CHECKS

from .conftest import Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_app_checks_itself_and_logs_the_result(site: Site) -> None:
    before = (await site.sandbox.functions_status())["doctor"]["successes"]
    await site.invoke("doctor", "")

    async def done() -> bool:
        return bool((await site.sandbox.functions_status())["doctor"]["successes"] > before)

    await until(done, "the function did not end")
    found = {one["check"]: one["state"] for one in await site.facts("doctor")}
    assert list(found) == list(CHECKS)
    wanted = ("settings", "ruleset", "identity", "permissions", "routes", "clock", "versions")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "pass")
    assert found["events"] == "fail"  # nobody onboarded the sandbox's subscriptions
    log = site.log.read_text(encoding="utf-8", errors="replace")
    assert "doctor, events: /subscriptions/11111111-2222-3333-4444-555555555555: " in log
    assert "Fix: Onboard the subscription" in log
