"""An agent's versions have a kind each. All there are so far are scripts."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.Column("kind", sa.Text(), nullable=False, server_default="script")
    op.add_column("agent_versions", kind)  # a constant: no row is written


def downgrade() -> None:
    op.drop_column("agent_versions", "kind")
