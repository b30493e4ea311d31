"""Twilio's JSON resources. Source: Twilio's OpenAPI document, twilio_api_v2010."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from outdial.simulator.calls import Call, Notification, Status
from outdial.simulator.twilio.account import Number, TwilioAccount
from outdial.simulator.twilio.errors import MORE_INFO

API_VERSION = "2010-04-01"
ROOT = f"/{API_VERSION}/Accounts"
PRICE_A_MINUTE_USD = 0.014
PRICED_AFTER_S = 60

CALL_SUBRESOURCES = (
    "notifications",
    "recordings",
    "streams",
    "payments",
    "events",
    "siprec",
    "transcriptions",
    "user_defined_messages",
    "user_defined_message_subscriptions",
)

Json = dict[str, Any]
T = TypeVar("T")


def rfc2822(at: datetime | None) -> str | None:
    return format_datetime(at) if at else None


def formatted(number: str) -> str:
    if number.startswith("+1") and len(number) == 12:
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number


def account_json(account: TwilioAccount) -> Json:
    base = f"{ROOT}/{account.sid}"
    return {
        "sid": account.sid,
        "auth_token": "",  # the real one is shown here too; a simulator's logs need not have it
        "friendly_name": "Simulated account",
        "owner_account_sid": account.sid,
        "status": "active",
        "type": "Full",
        "date_created": rfc2822(account.created_at),
        "date_updated": rfc2822(account.created_at),
        "uri": f"{base}.json",
        "subresource_uris": {
            "balance": f"{base}/Balance.json",
            "calls": f"{base}/Calls.json",
            "incoming_phone_numbers": f"{base}/IncomingPhoneNumbers.json",
            "outgoing_caller_ids": f"{base}/OutgoingCallerIds.json",
        },
    }


def call_json(call: Call, number: Number | None, now: datetime) -> Json:
    """`number` is the account's own number in the call, None for a verified caller id."""
    base = f"{ROOT}/{call.account}/Calls/{call.id}"
    ended = call.status.final
    return {
        "sid": call.id,
        "account_sid": call.account,
        "parent_call_sid": call.parent_id,
        "to": call.to,
        "to_formatted": formatted(call.to),
        "from": call.from_,
        "from_formatted": formatted(call.from_),
        "phone_number_sid": number.sid if number else None,
        "status": in_rest(call.status),
        "start_time": rfc2822(call.answered_at or (call.ended_at if ended else None)),
        "end_time": rfc2822(call.ended_at),
        "duration": str(call.duration_s) if ended else None,
        "price": price(call, now),
        "price_unit": "USD",
        "direction": call.direction,
        "answered_by": call.answered_by,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": str(call.queue_ms),
        "trunk_sid": None,
        "annotation": None,
        "api_version": API_VERSION,
        "date_created": rfc2822(call.created_at) if call.dialled_at else None,
        "date_updated": rfc2822(call.updated_at) if call.dialled_at else None,
        "uri": f"{base}.json",
        "subresource_uris": {
            name: f"{base}/{''.join(word.capitalize() for word in name.split('_'))}.json"
            for name in CALL_SUBRESOURCES
        },
    }


def in_rest(status: Status) -> str:
    """REST has no `initiated`: until the phone rings a call is queued."""
    return Status.QUEUED if status is Status.INITIATED else status


def price(call: Call, now: datetime) -> str | None:
    """Billed by the started minute, and known some time after the end."""
    if not call.duration_s or call.ended_at is None or (now - call.ended_at).total_seconds() < PRICED_AFTER_S:
        return None
    return f"-{PRICE_A_MINUTE_USD * math.ceil(call.duration_s / 60):.5f}"


def notification_json(index: int, notification: Notification, call: Call, account: TwilioAccount) -> Json:
    sid = "NO" + f"{index:08x}" + call.id[-24:]
    return {
        "sid": sid,
        "account_sid": account.sid,
        "call_sid": call.id,
        "api_version": API_VERSION,
        "log": "1" if notification.warning else "0",
        "error_code": str(notification.code),
        "more_info": MORE_INFO.format(code=notification.code),
        "message_text": notification.message,
        "message_date": rfc2822(notification.at),
        "request_method": "POST",
        "request_url": notification.request_url,
        "date_created": rfc2822(notification.at),
        "date_updated": rfc2822(notification.at),
        "uri": f"{ROOT}/{account.sid}/Calls/{call.id}/Notifications/{sid}.json",
    }


def number_json(number: Number, account_sid: str) -> Json:
    base = f"{ROOT}/{account_sid}/IncomingPhoneNumbers/{number.sid}"
    return {
        "sid": number.sid,
        "account_sid": account_sid,
        "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
        "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        "voice_url": number.voice_url,
        "voice_method": number.voice_method,
        "voice_fallback_url": number.voice_fallback_url,
        "voice_fallback_method": number.voice_fallback_method,
        "voice_application_sid": number.voice_application_sid,
        "voice_caller_id_lookup": False,
        "voice_receive_mode": "voice",
        "trunk_sid": number.trunk_sid,
        "status_callback": number.status_callback,
        "status_callback_method": number.status_callback_method,
        "sms_url": "",
        "sms_method": "POST",
        "sms_fallback_url": "",
        "sms_fallback_method": "POST",
        "sms_application_sid": None,
        "address_sid": None,
        "address_requirements": "none",
        "bundle_sid": None,
        "identity_sid": None,
        "emergency_status": "Inactive",
        "emergency_address_sid": None,
        "emergency_address_status": "unregistered",
        "beta": False,
        "origin": "twilio",
        "status": "in-use",
        "type": "local",
        "api_version": API_VERSION,
        "date_created": rfc2822(number.created_at),
        "date_updated": rfc2822(number.updated_at),
        "uri": f"{base}.json",
        "subresource_uris": {"assigned_add_ons": f"{base}/AssignedAddOns.json"},
    }


def caller_id_json(sid: str, phone_number: str, account: TwilioAccount) -> Json:
    return {
        "sid": sid,
        "account_sid": account.sid,
        "phone_number": phone_number,
        "friendly_name": formatted(phone_number),
        "date_created": rfc2822(account.created_at),
        "date_updated": rfc2822(account.created_at),
        "uri": f"{ROOT}/{account.sid}/OutgoingCallerIds/{sid}.json",
    }


def page(
    key: str,
    uri: str,
    items: Sequence[T],
    query: Sequence[tuple[str, str]],
    sid: Callable[[T], str],
    to_json: Callable[[T], Json],
) -> Json:
    """A page of a list. `PageToken` names the last item of the page before, so pages don't shift."""
    given = dict(query)
    size = _size(given.get("PageSize", ""))
    number = int(given["Page"]) if given.get("Page", "").isdecimal() else 0
    start = number * size
    token = given.get("PageToken", "").removeprefix("PA")
    if token:
        start = next((i + 1 for i, item in enumerate(items) if sid(item) == token), len(items))
    shown = items[start : start + size]
    filters = [(name, value) for name, value in query if name not in ("Page", "PageSize", "PageToken")]

    def page_uri(**paging: str) -> str:
        return f"{uri}?{urlencode([*filters, ('PageSize', str(size)), *paging.items()])}"

    more = start + size < len(items)
    return {
        "page": number,
        "page_size": size,
        "start": number * size,
        "end": number * size + max(len(shown) - 1, 0),
        "uri": page_uri(Page=str(number)),
        "first_page_uri": page_uri(Page="0"),
        "previous_page_uri": page_uri(Page=str(number - 1)) if number else None,
        "next_page_uri": page_uri(Page=str(number + 1), PageToken="PA" + sid(shown[-1])) if more else None,
        key: [to_json(item) for item in shown],
    }


def _size(text: str) -> int:
    return min(max(int(text), 1), 1000) if text.isdecimal() and len(text) < 6 else 50
