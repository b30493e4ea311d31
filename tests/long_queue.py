"""A workspace whose newest calls all wait, in front of a past of the same length."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tenants import Tenant, make_tenant

LENGTH = 20_000
RARE = {"number": "num_rare", "agent": "agent_rare", "party": "+13035550000"}

# One of 1000 has ended otherwise, was answered by a fax, came in, or is of another number and agent; the past ones of
# these are the oldest of all.
_CALLS = """
    INSERT INTO calls (id, workspace_id, number_id, agent_id, direction, state, end_reason, outcome, answered_by,
        metadata, "from", "to", ring_timeout_s, max_duration_s, created_at, due_at, ended_at)
    SELECT 'call_' || :state || n, :workspace, CASE WHEN rare THEN :rare_number ELSE :number END,
        CASE WHEN rare THEN :rare_agent ELSE :agent END,
        CASE WHEN rare AND has_ended THEN 'inbound' ELSE 'outbound' END, :state,
        CASE WHEN has_ended THEN CASE WHEN rare THEN 'failed' ELSE 'completed' END END,
        CASE WHEN has_ended THEN CASE WHEN rare THEN 'seldom' ELSE 'often' END END,
        CASE WHEN has_ended THEN jsonb_build_object('category', CASE WHEN rare THEN 'fax' ELSE 'human' END) END,
        jsonb_build_object('order', n, 'campaign', CASE WHEN rare THEN 'trial' ELSE 'spring' END),
        CASE WHEN rare AND has_ended THEN :party ELSE '+15551230002' END,
        CASE WHEN NOT rare THEN '+1202' || (1000000 + n) WHEN has_ended THEN '+15551230002' ELSE :party END,
        30, 600, at, at, CASE WHEN has_ended THEN at + interval '1 minute' END
    FROM (
        SELECT n, n <= :length / 1000 AS rare, :state = 'ended' AS has_ended,
            now() - interval '1 hour' - ((:length - n + CASE :state WHEN 'ended' THEN :length ELSE 0 END)
                * interval '1 second') AS at
        FROM generate_series(1, :length) AS n
    ) AS made
"""


async def make_long_queue(engine: AsyncEngine) -> Tenant:
    tenant = await make_tenant(engine)
    names = {
        "workspace": tenant.workspace_id,
        "number": tenant.number_id,
        "agent": tenant.agent_id,
        "rare_number": RARE["number"],
        "rare_agent": RARE["agent"],
        "party": RARE["party"],
        "length": LENGTH,
    }
    async with engine.begin() as conn:
        await conn.execute(
            text(
                "INSERT INTO numbers (id, workspace_id, carrier_account_id, e164, name)"
                " SELECT :rare_number, workspace_id, carrier_account_id, '+15551230003', '' FROM numbers"
                " WHERE id = :number"
            ),
            {"rare_number": RARE["number"], "number": tenant.number_id},
        )
        for state in ("ended", "queued"):
            statement = _CALLS.replace(":state", f"'{state}'").replace(":length", str(LENGTH))
            await conn.execute(text(statement), names)
        await conn.execute(
            text(
                "INSERT INTO turns (call_id, seq, speaker, text, start_ms, latency)"
                " SELECT id, 1, 'agent', 'Hello', 0, '{\"total\": 500}' FROM calls WHERE state = 'ended'"
            )
        )
    async with engine.connect() as conn:
        conn = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("VACUUM ANALYZE calls, turns"))
    return tenant
