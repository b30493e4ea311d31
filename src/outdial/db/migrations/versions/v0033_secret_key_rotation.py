"""A secret key is rotated: which keys each worker has, and which one something may still be encrypted with.

Null in what is stored already: columns without a default are added without rewriting any row.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("secret_keys", sa.Column("old_key", sa.Text(), nullable=True))
    op.add_column("workers", sa.Column("secret_keys", postgresql.ARRAY(sa.Text()), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "secret_keys")
    op.drop_column("secret_keys", "old_key")
