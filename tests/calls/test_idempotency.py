"""Idempotency keys looked up; how requests with one are answered is in test_enqueue."""

from datetime import timedelta

from sqlalchemy import update

from outdial.calls.enqueue import create_call
from outdial.calls.idempotency import Accepted, earlier_call, fingerprint
from outdial.calls.request import OutboundRequest
from outdial.db.tables import idempotency_keys
from outdial.settings import Settings
from tenants import make_tenant

TO = "+12025550115"


def test_a_request_is_known_by_its_meaning():
    one = OutboundRequest.model_validate({"to": TO, "variables": {"a": 1, "b": 2}})
    spelt_otherwise = OutboundRequest.model_validate({"variables": {"b": 2, "a": 1}, "to": f" {TO}".strip()})
    assert fingerprint("num_1", one) == fingerprint("num_1", spelt_otherwise) != fingerprint("num_2", one)
    assert fingerprint("num_1", one) != fingerprint("num_1", one.model_copy(update={"variables": {"a": 1}}))


async def test_the_call_of_a_key_is_found_while_it_is_recent(engine, tmp_path):
    tenant, other = await make_tenant(engine), await make_tenant(engine)
    request = OutboundRequest.model_validate({"to": TO})
    placed = await create_call(
        engine, Settings(data_dir=tmp_path), workspace_id=tenant.workspace_id, number_id=tenant.number_id,
        request=request, idempotency_key="k",
    )  # fmt: skip
    found = await earlier_call(engine, tenant.workspace_id, "k", within_s=60)
    assert found == Accepted(call_id=placed.call_id, status="queued", replayed=True)
    assert await earlier_call(engine, other.workspace_id, "k", within_s=60) is None
    assert await earlier_call(engine, tenant.workspace_id, "K", within_s=60) is None
    async with engine.begin() as conn:
        early = idempotency_keys.c.created_at - timedelta(seconds=61)
        await conn.execute(update(idempotency_keys).values(created_at=early))
    assert await earlier_call(engine, tenant.workspace_id, "k", within_s=60) is None
