"""API keys have a scope. Those there are keep doing what they did: they are operators."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("scope", sa.Text(), nullable=False, server_default="operator"))
    op.alter_column("api_keys", "scope", server_default=None)  # whoever makes a key says which


def downgrade() -> None:
    op.drop_column("api_keys", "scope")
