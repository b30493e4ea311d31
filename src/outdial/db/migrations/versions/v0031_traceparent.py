"""The trace that a request to place a call belongs to goes on in the call.

Null in what is stored already: a column without a default is added without rewriting any row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("traceparent", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("calls", "traceparent")
