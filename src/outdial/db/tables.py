"""Every table, in one place. Times are timestamptz (aware UTC); ids are prefixed random text (`outdial.ids`).

What makes "never twice, never lost" true lives here: `pools` is the counter row that is locked and changed in
the transaction that changes a call; `attempts` is the intent that is committed before a carrier hears of it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

# Tables of the same schema, each in the module of its noun.
import outdial.db.alert_tables
import outdial.db.call_back_tables
import outdial.db.consultation_tables
import outdial.db.detection_tables
import outdial.db.listening_tables
import outdial.db.retention_tables
import outdial.db.secret_tables
import outdial.db.self_test_tables
import outdial.db.spend_tables
import outdial.db.webhook_tables
import outdial.db.wrap_up_tables  # noqa: F401
from outdial.db.metadata import instant
from outdial.db.metadata import metadata as metadata
from outdial.db.workers_tables import seats as seats
from outdial.db.workers_tables import workers as workers
from outdial.telephony.end_kind import EndKind

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("daily_limit", Integer),  # calls a day (UTC), transfers included; None: no limit
    instant("created_at", now=True),
)

# One row a workspace. Locked by whoever takes or gives back a line.
pools = Table(
    "pools",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("reserved_inbound", Integer, nullable=False, server_default="0"),
    Column("used_outbound", Integer, nullable=False, server_default="0"),
    Column("used_inbound", Integer, nullable=False, server_default="0"),
    CheckConstraint("lines >= 0 AND reserved_inbound >= 0", name="size"),
    CheckConstraint("used_outbound >= 0 AND used_inbound >= 0", name="used"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),  # SHA-256; the key has 256 random bits
    Column("hint", Text, nullable=False),  # the first characters, to recognise a key by
    Column("scope", Text, nullable=False),
    instant("created_at", now=True),
    instant("last_used_at"),
    instant("revoked_at"),
    Index("ix_api_keys_workspace_id", "workspace_id"),
)

# Who signs in, in any number of workspaces.
people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # as members.people.normal_email writes it
    Column("name", Text, nullable=False),
    Column("password_hash", Text),  # Argon2id; None: has not set one yet
    instant("created_at", now=True),
)

members = Table(
    "members",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, nullable=False),  # operator | editor | viewer
    instant("created_at", now=True),
    Index("ix_members_person_id", "person_id"),
)

# One-time links: the first way in, and the way back in.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256; the token has 256 random bits
    Column("person_id", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    instant("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    instant("used_at"),
    Index("ix_sign_in_links_person_id", "person_id"),
)

# One browser of a person, until it is ended.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256, as above
    Column("person_id", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),  # looked at now
    Column("user_agent", Text, nullable=False),
    Column("by_link", Boolean, nullable=False),  # may set a password without the old one, until one is set
    instant("created_at", now=True),
    instant("last_seen_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    instant("ended_at"),
    Index("ix_sign_ins_person_id", "person_id"),
)

# Wrong passwords, by e-mail address and by network address; the row is the limit for all processes.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("subject", LargeBinary, primary_key=True),  # hashed: people type passwords into the wrong field
    Column("failures", Integer, nullable=False),
    instant("last_at", now=True),
    Column("wait_until", DateTime(timezone=True), nullable=False),
    Index("ix_sign_in_failures_last_at", "last_at"),
)

# Who changed what. Never secrets, never a callee's number.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    instant("at", now=True),
    Column("actor_kind", Text, nullable=False),  # api_key | person | command_line
    Column("actor_id", Text, nullable=False),    # no foreign keys: the log outlives what it tells of
    Column("actor_name", Text, nullable=False),
    Column("act", Text, nullable=False),         # "number.connected"
    Column("subject_id", Text, nullable=False),
    Column("subject_name", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index("ix_audit_log_workspace_id", "workspace_id", "id"),
    Index("ix_audit_log_subject_id", "subject_id", "id"),
)

carrier_accounts = Table(
    "carrier_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("carrier", Text, nullable=False),
    Column("account_ref", Text, nullable=False),           # Twilio account SID, …: what the carrier calls it
    Column("credentials", LargeBinary, nullable=False),    # encrypted, see workspaces.secrets
    Column("region", Text),                                # None: the carrier's first, or there is a base URL
    Column("base_url", Text),                              # of a simulator or the like; None: the region's
    Column("calls_per_second", Float, nullable=False),
    instant("next_dial_at", now=True),                    # no dial is claimed for before this instant; see also paces
    instant("created_at", now=True),
    UniqueConstraint("workspace_id", "carrier", "account_ref"),
    Index("ix_carrier_accounts_account_ref", "account_ref", "carrier"),
)

# The last departure of an account of a carrier, whichever workspaces have connected it: the carrier counts them all.
# A row is made by the first one, and locked by one statement at a time, alone.
paces = Table(
    "paces",
    metadata,
    Column("carrier", Text, primary_key=True),
    Column("account_ref", Text, primary_key=True),
    instant("slot_at", now=True),                 # when it may leave
    Column("late_s", Float, nullable=False),       # … or how much later: as late as departures are at the moment,
    instant("late_until"),                        # until then at the least
    Column("attempt_id", Text, nullable=False),    # whose it is: no foreign key, attempts that never left are deleted
)

# Whose secret key this is: a word encrypted with it, in one row or none. Null after it was forgotten: the next
# process that starts leaves its own.
secret_keys = Table(
    "secret_keys",
    metadata,
    Column("canary", LargeBinary),
    instant("created_at", now=True),
    Column("old_key", Text),  # the id of the key before, while something may still be encrypted with it
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # of its draft
    Column("published_version", Integer),
    Column("disclosure", Text),  # the sentence that callees are to hear
    Column("consent", Text),     # on what basis they are called
    instant("created_at", now=True),
    Index("ix_agents_workspace_id", "workspace_id"),
)

# Versions never change; the newest one is the draft, agents.published_version says which one is published.
agent_versions = Table(
    "agent_versions",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("kind", Text, nullable=False, server_default="script"),
    Column("source", Text, nullable=False),  # as written by the user, YAML
    Column("greet", Text, nullable=False, server_default=text("'at_once'")),  # conversation.opening.Greet
    Column("after", Boolean, nullable=False, server_default=text("false")),  # it asks for a wrap-up of its calls
    instant("created_at", now=True),
)

numbers = Table(
    "numbers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("carrier_account_id", Text, ForeignKey("carrier_accounts.id"), nullable=False),
    Column("e164", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("direction", Text, nullable=False, server_default="both"),  # both | inbound
    Column("agent_id", Text, ForeignKey("agents.id")),
    Column("agent_version", Text, nullable=False, server_default="published"),  # published | draft
    # {"carrier", "made", "earlier"}: how to put back what connecting it changed at the carrier (None: nothing was),
    # which credentials were made on the way, and [{"e164", "carrier"}] of removed numbers of the account: what they
    # shared with this one is put back with the last. None: there is nothing to put back.
    Column("undo", JSONB(none_as_null=True)),
    instant("created_at", now=True),
    UniqueConstraint("workspace_id", "e164"),
)

# Outbound calls whose last dial has an outcome.
DIALLED = "direction = 'outbound' AND state = 'ended' AND end_reason NOT IN ('canceled', 'expired')"

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("number_id", Text, ForeignKey("numbers.id", ondelete="SET NULL")),
    Column("direction", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("end_reason", Text),
    Column("ended_by", Text),
    Column("outcome", Text),  # one of ours (telephony.outcome), or the agent's own word; None: neither
    Column("callee_responded", Boolean),  # spoke or pressed a key on the last attempt; None: nobody listened to the end
    Column("error", JSONB(none_as_null=True)),  # CallError: why there was no (further) attempt
    Column("from", Text, nullable=False, key="from_"),
    Column("to", Text, nullable=False),
    Column("agent_id", Text),
    Column("agent_version", Integer),
    Column("variables", JSONB, nullable=False, server_default=text("'{}'")),  # as they were sent
    Column("noted", JSONB, nullable=False, server_default=text("'{}'")),
    Column("metadata", JSONB(none_as_null=True)),
    Column("detection", JSONB(none_as_null=True)),  # {"on_machine", "message", "max_wait_s", "by"}; None: off
    Column("retry", JSONB(none_as_null=True)),      # {"max_attempts", "on", "delays_s"}; None: one attempt
    Column("ring_timeout_s", Integer, nullable=False),
    Column("max_duration_s", Integer, nullable=False),
    instant("due_at", now=True),         # not before this instant
    instant("expires_at"),
    Column("deferrals", Integer, nullable=False, server_default="0"),  # dials that never left us, in a row
    Column("never_placed", Integer, nullable=False, server_default="0"),  # dials the carrier answered and has none of
    instant("throttled_since"),          # the first of dials that the carrier put off, in a row
    Column("holds_line", Boolean, nullable=False, server_default=text("false")),
    instant("hang_up_requested_at"),
    Column("answered_by", JSONB(none_as_null=True)),  # {"category", "evidence", "after_answer_ms", …}
    Column("message_delivered", Boolean),
    instant("created_at", now=True),
    instant("answered_at"),
    instant("ended_at"),
    Column("recording", Text),  # path under the data directory
    Column("dialled", Boolean, nullable=False, server_default=text("false")),  # a dial of it is over that was sent
    Column("webhook_url", Text),  # of the request: its events go there, too
    Column("traceparent", Text),  # of the request: its trace (W3C) goes on in the call
    Column("disclosure", JSONB(none_as_null=True)),  # {"heard_at_ms"} of what its agent has to disclose; None: nothing
    instant("recording_erased_at"),
    instant("transcript_erased_at"),  # with what was noted, and all else that tells what was said
    instant("erased_at"),             # with the other party's number, variables and metadata: all that is personal
    # What waits, by its number, the longest due first: the claim. Partial, so it stays as small as the queue.
    Index("ix_calls_waiting", "number_id", "due_at", postgresql_where=text("state = 'queued'")),
    Index(
        "ix_calls_expires_at",
        "expires_at",
        postgresql_where=text("state = 'queued' AND expires_at IS NOT NULL"),
    ),
    Index("ix_calls_live", "state", postgresql_where=text("state NOT IN ('queued', 'ended')")),
    # Lists: those that wait, those that are up (few) and those that have ended are looked for each by themselves, so
    # that no long queue stands before the others (history.search). Of an agent and of a number, too, whose calls may be
    # rare among all; what waits of a number is found by ix_calls_waiting.
    Index("ix_calls_queued", "workspace_id", "created_at", postgresql_where=text("state = 'queued'")),
    Index("ix_calls_queued_agent_id", "agent_id", "created_at", postgresql_where=text("state = 'queued'")),
    Index("ix_calls_queued_again", "workspace_id", "created_at", postgresql_where=text("state = 'queued' AND dialled")),
    Index("ix_calls_ended", "workspace_id", "created_at", postgresql_where=text("state = 'ended'")),
    Index("ix_calls_ended_at", "workspace_id", "ended_at", postgresql_where=text("state = 'ended'")),
    Index("ix_calls_ended_agent_id", "agent_id", "created_at", postgresql_where=text("state = 'ended'")),
    Index("ix_calls_ended_number_id", "number_id", "created_at", postgresql_where=text("state = 'ended'")),
    # Whatever may be rare: without these a page of the list would be looked for in all calls. What most calls come to
    # is left out; it is found on the way.
    Index(
        "ix_calls_end_reason",
        "workspace_id",
        "end_reason",
        "created_at",
        postgresql_where=text("end_reason <> 'completed'"),
    ),
    Index(
        "ix_calls_outcome",
        "workspace_id",
        "outcome",
        "created_at",
        postgresql_where=text("outcome IS NOT NULL"),
    ),
    Index(
        "ix_calls_answered_by",
        "workspace_id",
        text("(answered_by ->> 'category'::text)"),
        "created_at",
        postgresql_where=text("(answered_by ->> 'category'::text) <> 'human'"),
    ),
    # A party has few calls, and what is the same in many rows takes little room.
    Index("ix_calls_to", "to"),
    Index("ix_calls_from", "from_"),
    # The last thing a number's carrier did for us: history.number_health.
    Index(
        "ix_calls_number_dialled",
        "number_id",
        "ended_at",
        postgresql_where=text(DIALLED),
    ),
    Index("ix_calls_number_id", "number_id"),  # for its foreign key
    # What is to go when it is old enough (calls.erasing), the oldest first; of an agent, for each may have its own age.
    Index(
        "ix_calls_recorded",
        "workspace_id",
        "agent_id",
        "ended_at",
        postgresql_where=text("state = 'ended' AND recording IS NOT NULL"),
    ),
    Index(
        "ix_calls_with_transcript",
        "workspace_id",
        "agent_id",
        "ended_at",
        postgresql_where=text("state = 'ended' AND answered_at IS NOT NULL AND transcript_erased_at IS NULL"),
    ),
    Index(
        "ix_calls_with_details",
        "workspace_id",
        "agent_id",
        "ended_at",
        postgresql_where=text("state = 'ended' AND erased_at IS NULL"),
    ),
    Index(
        "ix_calls_metadata",
        "metadata",
        postgresql_using="gin",
        postgresql_ops={"metadata": "jsonb_path_ops"},
        postgresql_where=text("metadata IS NOT NULL"),
    ),
)

# The kinds of calls that have indexes of their own, written out as these have them. Of those that are up PostgreSQL
# would guess from "neither … nor" that there are many.
QUEUED = calls.c.state == literal_column("'queued'")
UP = calls.c.state.in_([literal_column(f"'{state}'") for state in ("dialing", "ringing", "in_progress")])
ENDED = calls.c.state == literal_column("'ended'")

# How many calls wait and have ended, by what the overview tells them apart by: the sum of `calls` over all rows. Calls
# that are up are few, and counted as they are. Triggers of `calls` add rows, in the transaction of the change; so that
# nobody waits for anybody they only ever add, and calls.counts folds them. No foreign key: a workspace that is removed
# takes its calls along, and their counts come to nothing.
call_counts = Table(
    "call_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("quarter", DateTime(timezone=True), nullable=False),  # of an hour, in which the calls were made
    Column("direction", Text, nullable=False),
    Column("state", Text, nullable=False),      # queued | ended
    Column("due_minute", DateTime(timezone=True)),  # queued: the minute in which they are due
    Column("dialled", Boolean, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("end_reason", Text),
    Column("outcome", Text),
    Column("category", Text),                   # who answered
    Column("error_code", Text),                 # of failed calls
    Column("calls", BigInteger, nullable=False),  # negative: so many are counted elsewhere now
    Column("folded", Boolean, nullable=False, server_default=text("false")),
    Index("ix_call_counts_quarter", "workspace_id", "quarter"),
    Index("ix_call_counts_queued", "workspace_id", postgresql_where=text("state = 'queued'")),
    Index("ix_call_counts_unfolded", "workspace_id", "quarter", postgresql_where=text("NOT folded")),
)

# The same by the day (UTC), for whoever looks at weeks: made of call_counts as these are folded; what is not folded yet
# comes on top.
call_day_counts = Table(
    "call_day_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("day", DateTime(timezone=True), nullable=False),
    Column("direction", Text, nullable=False),
    Column("dialled", Boolean, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("end_reason", Text),
    Column("outcome", Text),
    Column("category", Text),
    Column("error_code", Text),
    Column("calls", BigInteger, nullable=False),
    Index("ix_call_day_counts_day", "workspace_id", "day"),
)

# How the calls of a quarter of an hour have ended, in one row however many kinds of them there are: what is read for a
# chart of weeks. Made as call_day_counts is.
end_counts = Table(
    "end_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("quarter", DateTime(timezone=True), nullable=False),
    *(Column(kind, BigInteger, nullable=False) for kind in EndKind),
    Index("ix_end_counts_quarter", "workspace_id", "quarter"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),  # the ref in callback and stream URLs
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),  # 1, 2, …
    Column("carrier", Text, nullable=False),
    Column("carrier_account_id", Text, ForeignKey("carrier_accounts.id", ondelete="SET NULL")),
    Column("carrier_call_id", Text),
    Column("carrier_refs", JSONB, nullable=False, server_default=text("'{}'")),  # what else it takes to find the call
    Column("state", Text, nullable=False),
    Column("end_reason", Text),
    Column("error", JSONB(none_as_null=True)),
    Column("stream_token_hash", LargeBinary, nullable=False),
    instant("stream_opened_at"),  # the token works once
    instant("audio_started_at"),  # … and then its audio began, and the conversation
    Column("owner", Text),         # worker id; see workers
    instant("lease_until"),
    instant("unknown_since"),     # the outcome of the dial can't be known (yet): holds its line, never redialled
    instant("created_at", now=True),
    instant("departs_at"),        # its slot in the account's pace; no proof that the dial was sent, or that it wasn't
    instant("accepted_at"),       # the carrier's reply to the dial
    instant("ringing_at"),
    instant("answered_at"),
    instant("ended_at"),
    instant("check_at", now=True),  # when the sweep looks at it next; every sign of life moves it on
    Column("look_ups", Integer, nullable=False, server_default="0"),  # since its last sign of life, without an answer
    instant("hang_up_at"),          # when its carrier is asked (again) to end it, should its end be wanted
    Column("hang_ups", Integer, nullable=False, server_default="0"),  # that its carrier did not take, in a row
    Column("ending", JSONB(none_as_null=True)),  # {"end_reason", "error", "ended_by"}: we are ending it, and why
    Column("price", Numeric),
    Column("price_currency", Text),
    instant("price_due_at"),      # when the carrier is asked for the price, should it not have told it
    instant("taken_over_at"),     # from a worker that had died
    instant("result_at"),         # what its conversation brought was written: that is done once
    Column("turns", Integer),            # said in its conversations, by both sides
    Column("turn_latency_ms", Integer),  # of the last of them: the median
    instant("log_due_at"),        # when the log tells of its call's end without its result, should that not come
    UniqueConstraint("call_id", "number"),
    Index("ix_attempts_live", "check_at", postgresql_where=text("state <> 'ended'")),
    Index("ix_attempts_hang_up", "hang_up_at", postgresql_where=text("hang_up_at IS NOT NULL")),
    Index("ix_attempts_unpriced", "price_due_at", postgresql_where=text("price_due_at IS NOT NULL")),
    Index("ix_attempts_unlogged", "log_due_at", postgresql_where=text("log_due_at IS NOT NULL")),
    # One carrier call belongs to one attempt, also when two attempts of unknown outcome look for theirs.
    UniqueConstraint("carrier", "carrier_account_id", "carrier_call_id"),
)

# What attempts that have ended took and cost, by the quarter of an hour in which their calls were made: kept as
# call_counts is, by triggers of `attempts`, and of `calls` that are removed. Only those that were answered or have a
# price are in it, and what second legs of theirs cost (triggers of `consultations`).
attempt_counts = Table(
    "attempt_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("quarter", DateTime(timezone=True), nullable=False),
    Column("carrier", Text, nullable=False),
    Column("currency", Text),                    # None: the carrier has not told the price
    Column("answered", BigInteger, nullable=False),
    Column("seconds", Numeric, nullable=False),  # from answer to end
    Column("cost", Numeric, nullable=False),
    Column("folded", Boolean, nullable=False, server_default=text("false")),
    Index("ix_attempt_counts_quarter", "workspace_id", "quarter"),
    Index("ix_attempt_counts_unfolded", "workspace_id", "quarter", postgresql_where=text("NOT folded")),
)

# The same by the day (UTC), made as call_day_counts is.
attempt_day_counts = Table(
    "attempt_day_counts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("day", DateTime(timezone=True), nullable=False),
    Column("carrier", Text, nullable=False),
    Column("currency", Text),
    Column("answered", BigInteger, nullable=False),
    Column("seconds", Numeric, nullable=False),
    Column("cost", Numeric, nullable=False),
    Index("ix_attempt_day_counts_day", "workspace_id", "day"),
)

# Every verified callback as it came, before anything is concluded from it.
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("attempt_id", Text, ForeignKey("attempts.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("headers", JSONB, nullable=False, server_default=text("'{}'")),
    Column("body", Text, nullable=False),
    instant("received_at", now=True),
    instant("handled_at"),
    UniqueConstraint("attempt_id", "dedupe_key"),
    Index("ix_callbacks_unhandled", "id", postgresql_where=text("handled_at IS NULL")),
)

# Callbacks without a valid signature, counted by the hour; kept for a week.
refused_callbacks = Table(
    "refused_callbacks",
    metadata,
    Column(
        "carrier_account_id", Text, ForeignKey("carrier_accounts.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("refused", Integer, nullable=False),
)

# What happened to a call, in order: the feed behind GET /v1/calls/<id>/events.
call_events = Table(
    "call_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    instant("at", now=True),
    Column("entry", BigInteger),  # which one of a conversation's journal it is (calls.events.entry_number)
    Index("ix_call_events_call_id", "call_id", "id"),
)

# Calls connected to somebody else, in order.
transfers = Table(
    "transfers",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("attempt_id", Text, ForeignKey("attempts.id", ondelete="CASCADE"), nullable=False),
    Column("to", Text, nullable=False),
    instant("at", now=True),
    Column("result", Text),                     # telephony.transfer.TransferOutcome; None: it rings
    Column("error", JSONB(none_as_null=True)),  # CallError: why it failed
    Column("leg", Text),                        # what the carrier calls the other party's call
    instant("answered_at"),
    instant("ended_at"),                       # nobody came, or the other party has left
    Column("duration_s", Float),                # how long the other party talked
    Column("failed_step", Text),                # where the agent goes on should nobody come; None: it doesn't
    Column("return_token_hash", LargeBinary),   # of the stream by which the call comes back to its agent
    instant("returned_at"),                    # the token works once
    instant("result_at"),                      # when it was back: the result of the conversation before was written
    instant("check_at"),                       # when the sweep looks at it next; None: nothing to look for
    Column("warm", Boolean, nullable=False, server_default=false()),  # the agent stays until the other party takes it
    Column("accepted_by", Text),                # … by what: key | words
    Index("ix_transfers_call_id", "call_id", "id"),
    Index("ix_transfers_to", "to"),
    Index("ix_transfers_attempt_id", "attempt_id", "id"),
    Index("ix_transfers_check_at", "check_at", postgresql_where=text("check_at IS NOT NULL")),
)

# What somebody outside wants of a live call; the worker that holds it takes and answers it.
call_commands = Table(
    "call_commands",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),  # say | digits | transfer | whisper | take_over | variables
    Column("data", JSONB, nullable=False),
    instant("created_at", now=True),
    instant("taken_at"),
    Column("result", JSONB(none_as_null=True)),  # {"done": …} or {"refused": {"code", "message"}}
    Index("ix_call_commands_call_id", "call_id"),
    Index("ix_call_commands_waiting", "call_id", postgresql_where=text("taken_at IS NULL")),
)

turns = Table(
    "turns",
    metadata,
    Column("call_id", Text, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("speaker", Text, nullable=False),  # agent | callee
    Column("text", Text, nullable=False),
    Column("start_ms", Integer, nullable=False),  # after the media stream began
    Column("end_ms", Integer),                    # None while it is being spoken
    Column("interrupted", Boolean, nullable=False, server_default=text("false")),
    Column("latency", JSONB(none_as_null=True)),
    # Words, as history.search looks for them; 'simple' knows no language and so drops no word.
    Index("ix_turns_words", text("to_tsvector('simple'::regconfig, text)"), postgresql_using="gin"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", JSONB, nullable=False),
    instant("created_at", now=True),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

# Who must not be called. A row is looked for by its key, before every dial.
do_not_call = Table(
    "do_not_call",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Text, primary_key=True),  # E.164
    Column("reason", Text),
    Column("source", Text, nullable=False),    # callee | page | api | csv | cli | upgrade
    Column("call_id", Text),                   # callee, upgrade: the call it was said in; the entry outlives it
    Column("actor_kind", Text),                # who added it, as in audit_log; none where the callee said it
    Column("actor_id", Text),
    Column("actor_name", Text),
    instant("created_at", now=True),
    Index("ix_do_not_call_page", "workspace_id", "created_at", "number"),
)

# Where calls may go: countries and prefixes. One that was taken away stays as a row, so that only a person brings
# it back.
destinations = Table(
    "destinations",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("destination", Text, nullable=False),  # DE, +4930
    # None: of every call of the workspace; else of those through this account, for a key has connected the number
    Column("carrier_account_id", Text, ForeignKey("carrier_accounts.id", ondelete="CASCADE")),
    Column("source", Text, nullable=False),       # number | person | cli | upgrade
    Column("actor_kind", Text),                   # who allowed it, as in audit_log; none at the upgrade
    Column("actor_id", Text),
    Column("actor_name", Text),
    instant("created_at", now=True),
    instant("removed_at"),
    Index(
        "uq_destinations_workspace",
        "workspace_id",
        "destination",
        unique=True,
        postgresql_where=text("carrier_account_id IS NULL"),
    ),
    Index(
        "uq_destinations_account",
        "carrier_account_id",
        "destination",
        unique=True,
        postgresql_where=text("carrier_account_id IS NOT NULL"),
    ),
)

# What counts towards a workspace's daily limit, where it has one: calls that were accepted, and transfers.
counted_calls = Table(
    "counted_calls",
    metadata,
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC
    Column("calls", Integer, nullable=False),
)

# What dials no calls until somebody resumes it: a workspace, or one of its numbers. No row: not paused.
pauses = Table(
    "pauses",
    metadata,
    Column("subject_id", Text, primary_key=True),  # the workspace's, or the number's
    Column("workspace_id", Text, ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("number_id", Text, ForeignKey("numbers.id", ondelete="CASCADE")),  # None: all numbers of the workspace
    instant("at", now=True),
    Column("reason", Text),
    Column("people_only", Boolean, nullable=False),  # a person or the command line wants it: no API key resumes it
    Column("actor_kind", Text, nullable=False),      # who paused first, as in audit_log
    Column("actor_id", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Index("ix_pauses_workspace_id", "workspace_id"),
)

# What the retention job has removed, run by run: by table, how many rows.
retention_runs = Table(
    "retention_runs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    instant("finished_at", now=True),
    Column("removed", JSONB, nullable=False),
)
