"""What was noted in a call stands beside what was sent with it, no longer among it.

Writes only the calls in which something was noted, in one statement. Where it isn't known what was sent, nothing can be
told apart: `variables` stay as they are.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A note that says what was sent already is no news, and can't be told from it.
APART = """
    UPDATE calls SET variables = sent_variables, noted = (
        SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(variables)
        WHERE sent_variables -> key IS DISTINCT FROM value
    )
    WHERE sent_variables IS DISTINCT FROM variables AND sent_variables IS NOT NULL
"""
TOGETHER = "UPDATE calls SET sent_variables = variables, variables = variables || noted WHERE noted <> '{}'"


def upgrade() -> None:
    op.add_column("calls", sa.Column("noted", JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.execute(APART)
    op.drop_column("calls", "sent_variables")


def downgrade() -> None:
    op.add_column("calls", sa.Column("sent_variables", JSONB(none_as_null=True), nullable=True))
    op.execute(TOGETHER)
    op.drop_column("calls", "noted")
