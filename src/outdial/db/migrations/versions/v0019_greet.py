"""Versions of agents say who speaks first. Those that are there keep doing so at once."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "agent_versions", sa.Column("greet", sa.Text(), server_default=sa.text("'at_once'"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("agent_versions", "greet")
