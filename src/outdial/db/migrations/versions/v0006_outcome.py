"""Calls say who ended them and what came of them; stored ones where that can be known. A minute for a million calls."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# As telephony.state has it: what isn't the carrier's doing, nor the network's.
OUR_FAULTS = (
    "'agent_failed', 'speech_failed', 'interrupted', 'internal_error', 'not_prepared', 'too_late', 'pool_full', "
    "'number_has_no_agent', 'agent_not_published', 'account_removed'"
)
# Whoever hung up first was not kept: of a completed call it is known where the carrier told of its end before we did.
STORED = f"""
    WITH last AS (
        SELECT DISTINCT ON (call_id) call_id, answered_at, ending FROM attempts ORDER BY call_id, number DESC
    ), told AS (
        SELECT call_id,
            max(id) FILTER (WHERE type = 'transferred') AS transferred,
            max(id) FILTER (WHERE type = 'transfer_failed') AS transfer_failed,
            bool_or(type = 'limit') AS over_long,
            bool_or(type = 'digit') AS pressed
        FROM call_events WHERE type IN ('transferred', 'transfer_failed', 'limit', 'digit') GROUP BY call_id
    ), said AS (
        SELECT call_id, bool_or(speaker = 'callee') AS by_callee FROM turns WHERE text <> '' GROUP BY call_id
    ), known AS (
        SELECT calls.id,
            last.answered_at IS NOT NULL
                AND coalesce(calls.error ->> 'code', '') NOT IN ('agent_failed', 'speech_failed') AS answered,
            CASE
                WHEN calls.error ->> 'code' IN ({OUR_FAULTS}) THEN 'system'
                WHEN end_reason = 'failed' THEN 'carrier'
                WHEN end_reason IN ('busy', 'declined') THEN 'callee'
                WHEN end_reason IN ('no_answer', 'expired') THEN 'limit'
                WHEN end_reason = 'machine' THEN 'agent'
                WHEN hang_up_requested_at IS NOT NULL THEN 'operator'
                WHEN end_reason = 'canceled' THEN CASE direction WHEN 'inbound' THEN 'callee' ELSE 'operator' END
                WHEN told.over_long THEN 'limit'
                WHEN last.ending IS NULL THEN 'callee'
            END AS who,
            CASE
                WHEN told.pressed OR said.by_callee OR message_delivered
                    OR answered_by ->> 'category' IN ('human', 'machine', 'fax') THEN true
                WHEN end_reason = 'completed' AND said.by_callee IS NOT NULL THEN false
            END AS responded,
            CASE
                WHEN coalesce(told.transferred, 0) > coalesce(told.transfer_failed, 0) THEN 'transferred'
                WHEN told.transfer_failed IS NOT NULL THEN 'transfer_failed'
            END AS transfer,
            CASE
                WHEN jsonb_typeof(noted -> 'outcome') = 'string'
                    AND length(btrim(noted ->> 'outcome')) BETWEEN 1 AND 64
                    AND noted ->> 'outcome' !~ '[[:cntrl:]]' THEN btrim(noted ->> 'outcome')
            END AS word,
            noted -> 'do_not_call' = 'true' AS do_not_call
        FROM calls
        LEFT JOIN last ON last.call_id = calls.id
        LEFT JOIN told ON told.call_id = calls.id
        LEFT JOIN said ON said.call_id = calls.id
        WHERE state = 'ended'
    )
    UPDATE calls SET
        ended_by = known.who,
        callee_responded = CASE WHEN known.answered THEN known.responded END,
        outcome = CASE
            WHEN NOT known.answered THEN NULL
            WHEN known.do_not_call THEN 'do_not_call'
            WHEN NOT known.responded THEN 'silent'
            WHEN known.transfer = 'transfer_failed' THEN known.transfer
            WHEN known.word IS NOT NULL THEN known.word
            WHEN known.transfer IS NOT NULL THEN known.transfer
            WHEN message_delivered THEN 'left_message'
            WHEN end_reason = 'completed' AND known.who = 'callee' THEN 'hung_up_early'
        END
    FROM known WHERE known.id = calls.id
"""  # noqa: S608 - put together of constants


def upgrade() -> None:
    op.add_column("calls", sa.Column("ended_by", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("outcome", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("callee_responded", sa.Boolean(), nullable=True))
    op.execute(STORED)
    op.create_index(
        "ix_calls_outcome",
        "calls",
        ["workspace_id", "outcome", "created_at", "id"],
        postgresql_where=sa.text("outcome IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_calls_outcome", "calls")
    op.drop_column("calls", "callee_responded")
    op.drop_column("calls", "outcome")
    op.drop_column("calls", "ended_by")
