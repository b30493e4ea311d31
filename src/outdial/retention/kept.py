"""What is kept, and for how long. Which of it may go at all, whatever its age, says whoever keeps the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from outdial.accounts.refused_callbacks import KEPT as REFUSALS_KEPT
from outdial.accounts.refused_callbacks import OLD_REFUSALS
from outdial.alerts.mail_queue import KEPT as ALERTS_KEPT
from outdial.alerts.mail_queue import MAILS_KEPT, OLD_ALERTS, OLD_MAILS
from outdial.callbacks.inbox import OLD_CALLBACKS
from outdial.calls.events import OLD_EVENTS
from outdial.calls.idempotency import OLD_KEYS
from outdial.db.clearing import Clearing
from outdial.db.tables import retention_runs
from outdial.jobs.finished import OLD_JOBS
from outdial.live.commands import OLD_COMMANDS
from outdial.live.removals import KEPT as REMOVALS_KEPT
from outdial.live.removals import OLD_REMOVALS
from outdial.members.rate_limit import FORGOTTEN_AFTER, OLD_FAILURES
from outdial.members.sign_in import OLD_LINKS, OLD_SIGN_INS
from outdial.policy.daily_limit import KEPT as COUNTS_KEPT
from outdial.policy.daily_limit import OLD_COUNTS
from outdial.policy.spending import KEPT as SPEND_KEPT
from outdial.policy.spending import OLD_SPEND
from outdial.settings import Settings, variable
from outdial.webhooks.upkeep import OLD_EVENTS as OLD_WEBHOOKS
from outdial.webhooks.upkeep import OLD_LEFT

RUNS_KEPT = timedelta(days=90)
OLD_RUNS = Clearing(table=retention_runs, since=retention_runs.c.finished_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Rows that are cleared. `kept_for` None: nothing is. `variable`: where that is set; None: it can't be."""

    name: str
    clearing: Clearing
    kept_for: timedelta | None
    variable: str | None = None


def kept(settings: Settings) -> Sequence[Kept]:
    """Every table that is cleared, in the order in which that is done."""

    def by(setting: str, name: str, clearing: Clearing) -> Kept:
        days: int = getattr(settings, setting)
        kept_for = timedelta(days=days) if days else None
        return Kept(name=name, clearing=clearing, kept_for=kept_for, variable=variable(setting))

    return (
        by("keep_idempotency_keys_days", "idempotency_keys", OLD_KEYS),
        by("keep_callbacks_days", "callbacks", OLD_CALLBACKS),
        by("keep_commands_days", "call_commands", OLD_COMMANDS),
        by("keep_call_events_days", "call_events", OLD_EVENTS),
        by("keep_webhooks_days", "webhook_events", OLD_WEBHOOKS),
        by("keep_webhooks_days", "webhook_outbox", OLD_LEFT),
        by("keep_sign_ins_days", "sign_ins", OLD_SIGN_INS),
        by("keep_sign_ins_days", "sign_in_links", OLD_LINKS),
        by("keep_failed_jobs_days", "jobs", OLD_JOBS),
        Kept(name="sign_in_failures", clearing=OLD_FAILURES, kept_for=FORGOTTEN_AFTER),
        Kept(name="refused_callbacks", clearing=OLD_REFUSALS, kept_for=REFUSALS_KEPT),
        Kept(name="counted_calls", clearing=OLD_COUNTS, kept_for=COUNTS_KEPT),
        Kept(name="model_spend", clearing=OLD_SPEND, kept_for=SPEND_KEPT),
        Kept(name="recording_removals", clearing=OLD_REMOVALS, kept_for=REMOVALS_KEPT),
        Kept(name="alerts", clearing=OLD_ALERTS, kept_for=ALERTS_KEPT),
        Kept(name="alert_mails", clearing=OLD_MAILS, kept_for=MAILS_KEPT),
        Kept(name="retention_runs", clearing=OLD_RUNS, kept_for=RUNS_KEPT),
    )
