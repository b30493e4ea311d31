"""The page Privacy, and what the page of a call says when something of it is gone."""

import pytest

from outdial.workspaces.access import Role
from personal import WORDS, told_call

DAYS = {"recordings_days": 30, "transcripts_days": 60, "details_days": 0}
TO = "+12025550166"


@pytest.fixture
async def operator(browser_of):
    return await browser_of(Role.OPERATOR)


@pytest.fixture
async def told(engine, settings, tenant, tmp_path):
    return await told_call(engine, tmp_path, tenant.workspace_id, tenant.number_id, settings, TO)


async def test_days_and_a_change_that_can_be_undone_are_shown(operator, tenant):
    page = (await operator.get("/settings/privacy")).text
    assert "90 days" in page
    assert "POST /v1/retention/undo" not in page
    await operator.put("/v1/retention", json=DAYS)
    await operator.put(f"/v1/agents/{tenant.agent_id}/retention", json={"recordings_days": 1})
    page = (await operator.get("/settings/privacy")).text
    assert "30 days" in page
    assert "For ever" in page
    assert page.count("POST /v1/retention/undo") == 2
    assert f"PUT /v1/agents/{tenant.agent_id}/retention" in page
    log = (await operator.get("/settings/audit-log?act=retention")).text
    assert "Changed how long calls are kept" in log


async def test_erased_numbers_are_listed_by_a_hint(operator, told):
    await operator.post("/v1/erase", json={"number": TO})
    page = (await operator.get("/settings/privacy")).text
    assert "+120…66" in page
    assert TO not in page


async def test_an_operator_may_erase_a_call_and_its_page_says_so_afterwards(operator, told):
    path = f"/calls/{told.call_id}"
    page = (await operator.get(path)).text
    assert f"DELETE /v1/calls/{told.call_id}" in page
    assert WORDS[0] in page
    await operator.delete(f"/v1/calls/{told.call_id}")
    page = (await operator.get(path)).text
    assert "All that is personal was erased" in page
    assert "What was said was erased." in page
    assert not any(trace in page for trace in (*WORDS, TO, "redial-dialog", f"DELETE /v1/calls/{told.call_id}"))
