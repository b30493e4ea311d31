"""Whether callees are told that people may listen to their calls. No row is needed: nobody has said anything yet."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "listening_notices",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("announce", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "announce IN ('never', 'on_join', 'at_start')", name=op.f("ck_listening_notices_announce")
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name=op.f("fk_listening_notices_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_listening_notices")),
    )


def downgrade() -> None:
    op.drop_table("listening_notices")
