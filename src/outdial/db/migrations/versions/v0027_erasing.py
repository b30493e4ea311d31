"""How long workspaces keep what their calls brought, calls and numbers that are erased, and what agents disclose.

Workspaces that are there keep everything for ever until somebody says otherwise; so they get no rule. The columns that
calls get are null in all of them: adding them rewrites nothing.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "disclosure": JSONB(),
    "recording_erased_at": sa.DateTime(timezone=True),
    "transcript_erased_at": sa.DateTime(timezone=True),
    "erased_at": sa.DateTime(timezone=True),
}
INDEXES = {
    "ix_calls_recorded": "state = 'ended' AND recording IS NOT NULL",
    "ix_calls_with_transcript": "state = 'ended' AND answered_at IS NOT NULL AND transcript_erased_at IS NULL",
    "ix_calls_with_details": "state = 'ended' AND erased_at IS NULL",
}


def upgrade() -> None:
    for name, type_ in COLUMNS.items():
        op.add_column("calls", sa.Column(name, type_, nullable=True))
    for name in ("disclosure", "consent"):
        op.add_column("agents", sa.Column(name, sa.Text(), nullable=True))
    for name, of_calls in INDEXES.items():
        op.create_index(name, "calls", ["workspace_id", "agent_id", "ended_at"], postgresql_where=sa.text(of_calls))
    op.create_index("ix_transfers_to", "transfers", ["to"])
    _make_rules()
    _make_erasures()
    _make_erased_entries()


def _make_rules() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("recordings_days", sa.Integer(), nullable=True),
        sa.Column("transcripts_days", sa.Integer(), nullable=True),
        sa.Column("details_days", sa.Integer(), nullable=True),
        sa.Column("callbacks_days", sa.Integer(), nullable=True),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("callbacks_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_retention_rules_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_retention_rules_agent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_retention_rules")),
    )
    op.create_index("ix_retention_rules_workspace_id", "retention_rules", ["workspace_id"])


def _make_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("wanted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_erasures_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_workspace_id", "erasures", ["workspace_id", "wanted_at"])
    op.create_index(
        "ix_erasures_unfinished", "erasures", ["wanted_at"], postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_table(
        "recording_removals",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("in_store", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_removals")),
    )
    op.create_index("ix_recording_removals_at", "recording_removals", ["at"])
    op.create_index(
        "ix_recording_removals_in_store", "recording_removals", ["id"], postgresql_where=sa.text("in_store")
    )


def _make_erased_entries() -> None:
    op.create_table(
        "erased_entries",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("number_hash", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_erased_entries_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "number_hash", name=op.f("pk_erased_entries")),
    )
    op.create_table(
        "number_keys",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_number_keys_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_number_keys")),
    )


def downgrade() -> None:
    for table in ("number_keys", "erased_entries", "recording_removals", "erasures", "retention_rules"):
        op.drop_table(table)
    op.drop_index("ix_transfers_to", "transfers")
    for name in INDEXES:
        op.drop_index(name, "calls")
    for name in COLUMNS:
        op.drop_column("calls", name)
    for name in ("disclosure", "consent"):
        op.drop_column("agents", name)
