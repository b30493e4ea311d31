"""Entries of the audit log as sentences: who did what, on what, with which details."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from outdial.dashboard.words import carrier_label
from outdial.workspaces.audit import AuditEntry

# What comes before the dot of an act, for the filter.
KINDS = {
    "plan": "Plan and lines",
    "number": "Phone numbers",
    "agent": "Agents",
    "api_key": "API keys",
    "carrier_account": "Carrier accounts",
    "credentials": "Carrier credentials",
    "member": "Members",
    "do_not_call": "Do not call",
    "destinations": "Destinations",
    "daily_limit": "Daily limit",
    "spend_limit": "Spend limit",
    "retention": "Retention",
    "erasure": "Erasure",
    "pause": "Pauses",
    "calls": "Waiting calls",
    "webhook": "Webhooks",
    "call": "Live calls",
    "listening": "Listening in",
    "alert_rule": "Alert rules",
    "alert_notices": "E-mails of alerts",
    "truth": "Who answered",
    "wrap_up": "Wrap-ups",
    "secret": "Secrets",
    "tool": "Tools",
    "worker": "Workers",
}

_ACTS = {
    "plan.changed": "Changed the plan",
    "wrap_up.wanted": "Had a wrap-up made again",
    "truth.set": "Said who truly answered a call",
    "truth.taken_back": "Took back who truly answered a call",
    "call.listening_began": "Began to listen to a call",
    "call.listened_to": "Listened to a call",
    "call.sentence_asked": "Had a sentence said on a call",
    "call.whisper_asked": "Whispered to the agent of a call",
    "call.take_over_asked": "Took a call over",
    "call.transfer_asked": "Had a call transferred",
    "listening.notice_changed": "Changed the notice of listening in",
    "worker.drained": "Had a worker drain",
    "worker.undrained": "Had a worker take calls again",
    "number.connected": "Connected a phone number",
    "number.changed": "Changed a phone number",
    "number.disconnected": "Disconnected a phone number",
    "agent.created": "Made an agent",
    "agent.version_added": "Saved a draft",
    "agent.published": "Published an agent",
    "agent.renamed": "Renamed an agent",
    "agent.disclosure_changed": "Changed what an agent discloses",
    "tool.tried": "Tried a tool of an agent",
    "api_key.created": "Made an API key",
    "api_key.scope_changed": "Changed the scope of an API key",
    "api_key.revoked": "Revoked an API key",
    "credentials.replaced": "Replaced carrier credentials",
    "carrier_account.changed": "Changed a carrier account",
    "member.invited": "Invited a member",
    "member.role_changed": "Changed a role",
    "member.removed": "Removed a member",
    "member.link_made": "Made a sign-in link",
    "member.changed": "Changed a name or an address",
    "member.password_set": "Set a password",
    "do_not_call.added": "Added a number to the do-not-call list",
    "do_not_call.removed": "Took a number off the do-not-call list",
    "do_not_call.imported": "Imported numbers into the do-not-call list",
    "destinations.allowed": "Allowed a destination",
    "destinations.removed": "Took a destination away",
    "daily_limit.changed": "Changed the daily limit",
    "spend_limit.changed": "Changed the spend limit",
    "retention.changed": "Changed how long calls are kept",
    "retention.undone": "Undid a change of how long calls are kept",
    "retention.erased": "Erased what was kept long enough",
    "erasure.call": "Erased a call",
    "erasure.number": "Erased a number",
    "pause.set": "Paused dialling",
    "pause.lifted": "Resumed dialling",
    "calls.waiting_canceled": "Canceled the calls that waited",
    "webhook.added": "Added a webhook endpoint",
    "webhook.changed": "Changed a webhook endpoint",
    "webhook.removed": "Removed a webhook endpoint",
    "webhook.secret_rotated": "Made a new secret of a webhook endpoint",
    "webhook.secret_shown": "Had the secret of requests' URLs shown",
    "webhook.tested": "Sent a test to a webhook endpoint",
    "webhook.resent": "Sent webhooks again",
    "alert_rule.added": "Added an alert rule",
    "alert_rule.changed": "Changed an alert rule",
    "alert_rule.removed": "Removed an alert rule",
    "alert_rule.undone": "Undid the last change of an alert rule",
    "alert_notices.changed": "Changed who gets e-mails of alerts",
    "alert_notices.tested": "Sent a test e-mail of alerts",
    "secret.set": "Set a secret",
    "secret.replaced": "Replaced a secret",
    "secret.removed": "Removed a secret",
}

_PLACES = {
    "call": "/calls/{id}",
    "truth": "/calls/{id}",
    "listening": "/settings/listening",
    "number": "/phone-numbers",
    "agent": "/agents/{id}",
    "member": "/settings/members",
    "plan": "/settings",
    "api_key": "/settings/api-keys",
    "credentials": "/settings/carriers",
    "carrier_account": "/settings/carriers",
    "do_not_call": "/do-not-call",
    "destinations": "/settings/destinations",
    "daily_limit": "/settings/destinations",
    "spend_limit": "/settings",
    "retention": "/settings/privacy",
    "pause": "/phone-numbers",
    "calls": "/calls",
    "webhook": "/settings/webhooks",
    "secret": "/settings/secrets",
    "alert_rule": "/alerts",
    "alert_notices": "/alerts",
}


_DETAILS = {"e164": "number", "hint": "begins with", "canceled": "calls canceled", "waiting": "calls waited"}


class Words(TypedDict):
    """`href`: where the subject is to be seen. `facts`: the details, each with its name."""

    what: str
    href: str | None
    facts: list[tuple[str, str]]


def words(entry: AuditEntry) -> Words:
    """An act that is new here is told as the log has it."""
    kind = entry["act"].partition(".")[0]
    place = _PLACES.get(kind)
    return Words(
        what=_ACTS.get(entry["act"], entry["act"]),
        href=None if place is None else place.format(id=entry["subject"]["id"]),
        facts=_facts(entry["details"]),
    )


def _facts(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_DETAILS.get(name) or name.replace("_", " "), _value(name, value)) for name, value in details.items()]


def _value(name: str, value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() if name == "carrier":
            return carrier_label(value)
        case list():
            return ", ".join(str(one) for one in value)
        case _:
            return str(value)
