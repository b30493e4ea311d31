"""An e-mail of alerts, written. Pure. Nothing that anybody can choose may end a header line."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from outdial.alerts.mail_queue import Mail, MailEvent, Notice
from outdial.alerts.words import CLEARED, NAMES, advice, message, path

MOST_TOLD = 20  # alerts in one e-mail; the page has all of them
MOST_CHARS = 60  # of a workspace's name, in a subject


def one_line(text: str) -> str:
    """Without anything that could end a line or hide what follows."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def written(mail: Mail, *, sender: str, base_url: str, now: datetime) -> EmailMessage:
    """`sender`: an address, or one with a name before it."""
    name = one_line(mail.notices[0].alert.workspace_name)[:MOST_CHARS]
    told = _message(sender, mail.address, now)
    told["Subject"] = f"[{name}] {_subject(mail.notices)}"
    # The same for what is sent again, so that mail programs may take it for one.
    ids = " ".join(sorted(f"{each.alert.found.id} {each.event}" for each in mail.notices))
    told["Message-ID"] = _message_id(f"{ids} {mail.address}", sender)
    parts = [_part(each, base_url) for each in mail.notices[:MOST_TOLD]]
    if len(mail.notices) > MOST_TOLD:
        parts.append(f"And {len(mail.notices) - MOST_TOLD} more.")
    workspace = one_line(mail.notices[0].alert.workspace_name)
    parts.append(f"Workspace: {workspace}\nAll alerts and rules: {base_url}/alerts")
    told.set_content("\n\n".join(parts) + "\n")
    return told


def trial_message(address: str, *, sender: str, base_url: str, now: datetime) -> EmailMessage:
    told = _message(sender, address, now)
    told["Subject"] = "A test of Outdial's alerts"
    told["Message-ID"] = _message_id(f"test {now.timestamp()} {address}", sender)
    told.set_content(f"E-mails of alerts arrive here.\n\nAlerts and rules: {base_url}/alerts\n")
    return told


def _message(sender: str, address: str, now: datetime) -> EmailMessage:
    name, own = parseaddr(sender)
    told = EmailMessage(policy=SMTP)
    told["From"] = Address(display_name=one_line(name), addr_spec=own)
    told["To"] = Address(addr_spec=address)
    told["Date"] = format_datetime(now)
    told["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    return told


def _message_id(what: str, sender: str) -> str:
    domain = parseaddr(sender)[1].rpartition("@")[2]
    return f"<{hashlib.sha256(what.encode()).hexdigest()[:32]}@{domain}>"


def _subject(notices: Sequence[Notice]) -> str:
    raised = [each for each in notices if each.event is MailEvent.RAISED]
    if len(notices) == 1:
        (only,) = notices
        name = NAMES[only.alert.found.kind]
        return f"Alert: {name}" if raised else f"Over: {name}"
    if not raised:
        return f"{len(notices)} alerts are over"
    over = len(notices) - len(raised)
    told = "1 alert" if len(raised) == 1 else f"{len(raised)} alerts"
    return told if not over else f"{told}, {over} over"


def _part(notice: Notice, base_url: str) -> str:
    found = notice.alert.found
    since = f"{found.raised_at:%Y-%m-%d %H:%M} UTC"
    if notice.event is MailEvent.CLEARED:
        because = notice.alert.cleared_because
        told = "" if because is None else f" {CLEARED[because]}"
        return f"OVER: {NAMES[found.kind]}\n{one_line(message(found))}\nRaised {since}.{told}"
    return (
        f"ALERT: {NAMES[found.kind]}\n{one_line(message(found))}\nSince {since}.\n"
        f"What to do: {advice(found)}\n{base_url}{path(found)}"
    )
