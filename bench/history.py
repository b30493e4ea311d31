"""A past for a workspace: calls with their attempts, events and turns, written in bulk by PostgreSQL itself."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from outdial.calls.counts import QUARTERS_AT_ONCE, fold_counts

TURNS_A_CALL = 10
QUARTERS_A_DAY = 96
DAYS = 90

# Written in the order of time, as life does it. Some things are common, some rare: 85 % outbound, 60 % completed, 1 of
# 1000 failed; "hello" in every call, "sometimes" in 3 % of them, "r4711" in a few.
_CALLS = """
INSERT INTO calls (id, workspace_id, number_id, direction, state, end_reason, ended_by, outcome, error, "from", "to",
    agent_id, agent_version, variables, metadata, ring_timeout_s, max_duration_s, answered_by, created_at, due_at,
    answered_at, ended_at, recording)
SELECT id, :workspace_id, :number_id, direction, 'ended', end_reason,
    CASE WHEN answered THEN 'callee' WHEN end_reason = 'failed' THEN 'carrier' ELSE 'limit' END,
    CASE WHEN answered THEN (ARRAY['confirmed', 'moved', 'canceled', 'hung_up_early', NULL])[1 + n % 5] END,
    CASE WHEN end_reason = 'failed' THEN '{"code": "number_not_in_service", "message": "This number is not in '
        'service.", "carrier_code": "sip_404"}'::jsonb END,
    CASE direction WHEN 'outbound' THEN :e164 ELSE party END,
    CASE direction WHEN 'outbound' THEN party ELSE :e164 END,
    :agent_id, 1 + n % 3,
    jsonb_build_object('user_name', 'Customer ' || n % 5000, 'account_type', 'Premium', 'appointment',
        jsonb_build_object('day', 'Monday', 'time', '09:30')),
    jsonb_build_object('crm_id', n), 30, 1800,
    CASE WHEN answered THEN jsonb_build_object('category', CASE WHEN n % 7 = 0 THEN 'machine' ELSE 'human' END,
        'evidence', jsonb_build_array('twilio:human'), 'after_answer_ms', 1800) END,
    at, at, CASE WHEN answered THEN at + interval '8 seconds' END, at + interval '40 seconds',
    CASE WHEN answered THEN 'recordings/' || id || '.wav' END
FROM (
    SELECT n, 'call_' || substr(translate(md5(n::text || :workspace_id) || md5(:workspace_id || n::text),
            'abcdef', 'ghjkmn'), 1, 20) AS id,
        now() - n * (:days * interval '1 day' / :count) AS at,
        CASE WHEN n % 20 < 17 THEN 'outbound' ELSE 'inbound' END AS direction,
        CASE WHEN n % 1000 = 500 THEN 'failed' WHEN n % 10 < 6 THEN 'completed' WHEN n % 10 < 8 THEN 'no_answer'
            WHEN n % 10 = 8 THEN 'busy' ELSE 'machine' END AS end_reason,
        n % 10 < 6 AND n % 1000 <> 500 AS answered,
        '+1202' || lpad((n::bigint * 7919 % 10000000)::text, 7, '0') AS party
    FROM generate_series(:count, 1, -1) AS n
) AS made
"""
_ATTEMPTS = """
INSERT INTO attempts (id, call_id, number, carrier, carrier_call_id, state, end_reason, stream_token_hash, created_at,
    ringing_at, answered_at, ended_at, price, price_currency)
SELECT 'att_' || substr(id, 6), id, 1, 'twilio', 'CA' || md5(id), 'ended', end_reason, '', created_at,
    created_at + interval '3 seconds', answered_at, ended_at, 0.014, 'USD'
FROM calls WHERE workspace_id = :workspace_id
"""
_EVENTS = """
INSERT INTO call_events (call_id, type, data, at)
SELECT id, 'state', jsonb_build_object('state', step, 'attempt', 1), at
FROM calls, LATERAL (VALUES ('queued', created_at), ('dialing', created_at),
    ('ringing', created_at + interval '3 seconds'), ('in_progress', answered_at), ('ended', ended_at)
) AS steps (step, at)
WHERE workspace_id = :workspace_id AND at IS NOT NULL ORDER BY at
"""
_TURNS = """
INSERT INTO turns (call_id, seq, speaker, text, start_ms, end_ms, latency)
SELECT id, k * 3000 + 1, CASE k % 2 WHEN 0 THEN 'agent' ELSE 'callee' END,
    CASE k % 2
        WHEN 0 THEN 'Hello Customer, this is the automated assistant of Riverside Dental, sentence ' || k
        ELSE 'Yes, that is fine, my reference is r' || (hashtext(id || k::text) & 65535)
    END || CASE WHEN k = 3 AND hashtext(id) % 33 = 0 THEN ' sometimes' ELSE '' END,
    k * 3000, k * 3000 + 2500,
    CASE WHEN k % 2 = 0 AND k > 0 THEN jsonb_build_object('silence', 500, 'recognition', 0, 'decision', 1,
        'synthesis', 20 + hashtext(id) % 10, 'total', 521 + hashtext(id) % 10) END
FROM calls, generate_series(0, :turns - 1) AS k
WHERE workspace_id = :workspace_id ORDER BY created_at, k
"""
_TABLES = ("calls", "attempts", "call_events", "turns")


async def fill(
    engine: AsyncEngine, *, workspace_id: str, number_id: str, agent_id: str, e164: str, count: int, days: int = DAYS
) -> None:
    """`count` calls over the last days, each with TURNS_A_CALL turns, all ended; statistics included, and counted."""
    async with engine.connect() as conn:
        conn = await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text("SET statement_timeout = 0"))
        call = {"number_id": number_id, "agent_id": agent_id, "e164": e164, "count": count, "days": days}
        await _run(conn, _CALLS, workspace_id=workspace_id, **call)
        await _run(conn, _ATTEMPTS, workspace_id=workspace_id)
        await _run(conn, _EVENTS, workspace_id=workspace_id)
        await _run(conn, _TURNS, workspace_id=workspace_id, turns=TURNS_A_CALL)
        for table in _TABLES:
            await conn.execute(text(f"VACUUM (ANALYZE) {table}"))
        await conn.execute(text("RESET statement_timeout"))
    for _ in range(days * QUARTERS_A_DAY // QUARTERS_AT_ONCE + 1):  # as the sweep of a server does
        await fold_counts(engine)


async def _run(conn: AsyncConnection, statement: str, **parameters: object) -> None:
    await conn.execute(text(statement), parameters)

