"""What two detectors found of a call, side by side, and who it truly was: of calls from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COUNTED = [
    "carrier", "local_category", "carrier_category", "local_known_at", "carrier_known_at", "local_revisions",
    "carrier_revisions",
]  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "detections",
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column("local_category", sa.Text(), nullable=True),
        sa.Column("local_known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("local_revisions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("carrier_category", sa.Text(), nullable=True),
        sa.Column("carrier_known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("carrier_revisions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("truth", sa.Text(), nullable=True),
        sa.Column("truth_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_detections")),
        _key("attempt_id", "attempts"),
        _key("call_id", "calls"),
        _key("workspace_id", "workspaces"),
    )
    op.create_index("ix_detections_call_id", "detections", ["call_id"])
    both = sa.text("asked = 'both'")
    differ = sa.text("asked = 'both' AND local_category <> carrier_category")
    labelled = sa.text("truth IS NOT NULL")
    when, cell = ["workspace_id", "at"], ["workspace_id", "local_category", "carrier_category", "at"]
    op.create_index("ix_detections_both", "detections", when, postgresql_include=COUNTED, postgresql_where=both)
    op.create_index("ix_detections_cell", "detections", cell, postgresql_where=both)
    op.create_index("ix_detections_differ", "detections", when, postgresql_where=differ)
    op.create_index("ix_detections_truth", "detections", when, postgresql_where=labelled)


def downgrade() -> None:
    op.drop_table("detections")


def _key(column: str, table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_detections_{column}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")
