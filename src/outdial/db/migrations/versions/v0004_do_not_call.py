"""The do-not-call list of a workspace, with the wishes that stored calls already hold. One pass over the calls."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Whoever asked twice is entered once, as of the first time. Callers who hid their number can't be entered. Where it
# isn't known what was sent with a call, what was noted in it stands among its variables.
WISHES = r"""
    INSERT INTO do_not_call (workspace_id, number, source, call_id, created_at)
    SELECT DISTINCT ON (workspace_id, number) workspace_id, number, 'upgrade', id, at
    FROM (
        SELECT workspace_id, id, coalesce(ended_at, created_at) AS at,
            CASE direction WHEN 'inbound' THEN "from" ELSE "to" END AS number
        FROM calls WHERE noted @> '{"do_not_call": true}' OR variables @> '{"do_not_call": true}'
    ) AS asked
    WHERE number ~ '^\+[1-9][0-9]{7,14}$'
    ORDER BY workspace_id, number, at, id
"""


def upgrade() -> None:
    op.create_table(
        "do_not_call",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_do_not_call_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "number", name=op.f("pk_do_not_call")),
    )
    op.execute(WISHES)
    op.create_index("ix_do_not_call_page", "do_not_call", ["workspace_id", "created_at", "number"])


def downgrade() -> None:
    op.drop_table("do_not_call")
