"""When a call's audio began, beside when its stream's token was used.

Of calls that are live it isn't known: their token counts, as it did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("audio_started_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE attempts SET audio_started_at = stream_opened_at"
        " WHERE state <> 'ended' AND stream_opened_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("attempts", "audio_started_at")
