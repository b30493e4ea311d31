"""An upgrade beside the version before: what alerts leave for webhooks isn't seen by a process that knows of no alerts.

It would take it for told. Such a process looks at what is due; of alerts nothing ever is, by its time.
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def told(*, due_at: str) -> str:
    return f"""
        CREATE OR REPLACE FUNCTION leave_alert_for_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO webhook_outbox (workspace_id, alert_id, alert_is_cleared, due_at)
            SELECT NEW.workspace_id, NEW.id, NEW.cleared_at IS NOT NULL, {due_at}
            WHERE EXISTS (
                SELECT FROM webhooks WHERE webhooks.workspace_id = NEW.workspace_id
                    AND webhooks.url IS NOT NULL AND webhooks.removed_at IS NULL);
            IF FOUND THEN
                PERFORM pg_notify('outdial_webhook_events', '');
            END IF;
            RETURN NULL;
        END $$
    """  # noqa: S608 - put together of constants


def upgrade() -> None:
    op.execute(told(due_at="'infinity'"))


def downgrade() -> None:
    op.execute(told(due_at="now()"))
    op.execute("UPDATE webhook_outbox SET due_at = now() WHERE due_at = 'infinity'")
