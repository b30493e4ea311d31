"""What a conversation brought is taken once, however often it is delivered. Takes a moment, however many calls there
are: the columns are empty."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("taken_over_at", sa.DateTime(timezone=True)))
    op.add_column("attempts", sa.Column("result_at", sa.DateTime(timezone=True)))
    op.add_column("call_events", sa.Column("entry", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("call_events", "entry")
    op.drop_column("attempts", "result_at")
    op.drop_column("attempts", "taken_over_at")
