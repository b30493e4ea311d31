"""What second legs of warm transfers cost is counted with what attempts cost.

By triggers, as that is: rows are only added to `attempt_counts`. A leg goes with its call, which takes its count along
before it goes. No released version has stored any.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

COLUMNS = "workspace_id, quarter, carrier, currency, answered, seconds, cost"


def counted(leg: str, sign: str = "") -> str:
    """The columns of `attempt_counts` for a row of `consultations`, beside those of its attempt and its call."""
    return f"""
        call.workspace_id,
        date_bin('15 minutes', call.created_at, '2000-01-01Z'),
        attempt.carrier,
        coalesce({leg}.price_currency, ''),
        0, 0, {sign}{leg}.price
    """


def of_leg(leg: str, sign: str = "") -> str:
    return f"""
        SELECT {counted(leg, sign)} FROM attempts AS attempt JOIN calls AS call ON call.id = attempt.call_id
        WHERE attempt.id = {leg}.attempt_id AND {leg}.price IS NOT NULL
    """  # noqa: S608 - put together of constants


FUNCTIONS = (
    f"""
    CREATE FUNCTION count_changed_second_leg() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS}) {of_leg("OLD", "-")} UNION ALL {of_leg("NEW")};
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE FUNCTION count_second_legs_of_removed_call() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_counts ({COLUMNS})
        SELECT {counted("leg", "-")}
        FROM attempts AS attempt JOIN consultations AS leg ON leg.attempt_id = attempt.id,
            (SELECT OLD.workspace_id, OLD.created_at) AS call
        WHERE attempt.call_id = OLD.id AND leg.price IS NOT NULL;
        RETURN OLD;
    END $$
    """,  # noqa: S608 - put together of constants
)
TRIGGERS = (
    """
    CREATE TRIGGER count_changed_second_leg AFTER UPDATE ON consultations FOR EACH ROW
    WHEN ((OLD.price, OLD.price_currency) IS DISTINCT FROM (NEW.price, NEW.price_currency))
    EXECUTE FUNCTION count_changed_second_leg()
    """,
    """
    CREATE TRIGGER count_second_legs_of_removed_call BEFORE DELETE ON calls
    FOR EACH ROW EXECUTE FUNCTION count_second_legs_of_removed_call()
    """,
)
def upgrade() -> None:
    for statement in (*FUNCTIONS, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER count_second_legs_of_removed_call ON calls")
    op.execute("DROP TRIGGER count_changed_second_leg ON consultations")
    op.execute("DROP FUNCTION count_second_legs_of_removed_call()")
    op.execute("DROP FUNCTION count_changed_second_leg()")
