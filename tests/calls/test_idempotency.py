"""Idempotency keys looked up; how requests with one are answered is in test_enqueue."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from outdial.calls.enqueue import create_call
from outdial.calls.idempotency import earlier_answer, fingerprint
from outdial.calls.request import OutboundRequest
from outdial.db.tables import idempotency_keys
from outdial.refusals import Conflict
from outdial.settings import Settings
from tenants import make_tenant

TO = "+12025550115"


def test_a_request_is_known_by_its_meaning():
    one = OutboundRequest.model_validate({"to": TO, "variables": {"a": 1, "b": 2}})
    spelt_otherwise = OutboundRequest.model_validate({"variables": {"b": 2, "a": 1}, "to": f" {TO}".strip()})
    assert fingerprint("num_1", one) == fingerprint("num_1", spelt_otherwise) != fingerprint("num_2", one)
    assert fingerprint("num_1", one) != fingerprint("num_1", one.model_copy(update={"variables": {"a": 1}}))


async def test_a_key_is_of_one_call_for_as_long_as_was_asked_for(engine, tmp_path):
    tenant, other = await make_tenant(engine), await make_tenant(engine)

    async def placed(tenant, same_within_s=60.0):
        return await create_call(
            engine, Settings(data_dir=tmp_path), workspace_id=tenant.workspace_id, number_id=tenant.number_id,
            request=OutboundRequest.model_validate({"to": TO}), idempotency_key="k", same_within_s=same_within_s,
        )  # fmt: skip

    one = await placed(tenant)
    assert not one.replayed
    assert await placed(tenant) == replace(one, replayed=True)
    assert not (await placed(other)).replayed
    async with engine.begin() as conn:
        early = idempotency_keys.c.created_at - timedelta(seconds=61)
        await conn.execute(update(idempotency_keys).values(created_at=early))
    assert await placed(tenant, same_within_s=None) == replace(one, replayed=True)
    another = await placed(tenant)
    assert another.call_id != one.call_id
    assert not another.replayed
    assert await placed(tenant) == replace(another, replayed=True)


async def test_who_asks_while_a_key_is_being_forgotten_is_told_to_wait(engine):
    tenant = await make_tenant(engine)
    async with engine.begin() as first, engine.begin() as second:
        assert await earlier_answer(first, tenant.workspace_id, "k", b"", within_s=60.0) is None
        with pytest.raises(Conflict, match="idempotency_in_progress"):
            await earlier_answer(second, tenant.workspace_id, "k", b"", within_s=60.0)
