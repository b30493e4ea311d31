"""Why a call failed, in words that are the same whatever its carrier: what a program may decide by.

Pure: imports nothing of Outdial. Carriers translate their codes into these and pass the code on beside the word. A
word says what can be done about it; one that nobody would act on differently is not worth having.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class FailureCode(StrEnum):
    """A word and what it means. docs/carriers.md shows them with what each carrier calls them."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        self = str.__new__(cls, word)
        self._value_ = word
        self.meaning = meaning
        return self

    # The number that was called, and the network on the way to it.
    NUMBER_INVALID = "number_invalid", "What was to be called is not a telephone number."
    NUMBER_NOT_IN_SERVICE = "number_not_in_service", "The number does not exist, or no longer."
    UNREACHABLE = "unreachable", "The phone is switched off or without coverage."
    NO_ROUTE = "no_route", "The carrier can't connect calls to this number."
    BLOCKED = "blocked", "The callee's network blocked the call as unwanted or as spam."
    REFUSED_BY_NETWORK = "refused_by_network", "The telephone network refused the call."
    NETWORK_TIMEOUT = "network_timeout", "The callee's network did not answer in time."
    NETWORK_ERROR = "network_error", "The telephone network had a fault."
    NOT_CONNECTED = "not_connected", "The call was not connected, and nobody said why (or in a word not listed here)."

    # The account at the carrier.
    DESTINATION_NOT_ALLOWED = (
        "destination_not_allowed",
        "The account, or the workspace by its allowed destinations, may not call this number, country or kind.",
    )
    CALLER_ID_NOT_ALLOWED = "caller_id_not_allowed", "The account may not call from this number."
    NOT_PERMITTED = "not_permitted", "The account or its credentials may not do this."
    BAD_CREDENTIALS = "bad_credentials", "The carrier did not accept the credentials."
    NO_FUNDS = "no_funds", "The account is out of money."
    ACCOUNT_INACTIVE = "account_inactive", "The account is suspended or blocked (perhaps because it is out of money)."
    ACCOUNT_RESTRICTED = "account_restricted", "A trial account, or one not verified far enough, can't do this."
    ACCOUNT_NOT_SET_UP = "account_not_set_up", "The account lacks something that calls need, such as an application."
    ACCOUNT_LIMIT = "account_limit", "The account has as many calls at once as it may."
    THROTTLED = "throttled", "The carrier received too many requests at once."

    # The carrier, and the way to it.
    CARRIER_UNREACHABLE = "carrier_unreachable", "The carrier can't be reached from this server."
    CARRIER_NO_REPLY = "carrier_no_reply", "The carrier did not reply; what it did is not known."
    CARRIER_ERROR = "carrier_error", "The carrier had a fault of its own, or its reply made no sense."
    CARRIER_REFUSED = "carrier_refused", "The carrier refused for a reason not listed here; its own code says which."
    PUBLIC_URL_NOT_REACHABLE = "public_url_not_reachable", "The carrier can't use this server's public URL."
    NOT_KNOWN_THERE = "not_known_there", "The carrier does not know this call, number or application, or no longer."
    WRONG_CALL_STATE = "wrong_call_state", "The call has ended, or was not answered yet."
    BAD_DIGITS = "bad_digits", "What was to be sent are not the digits of a telephone."

    # Outdial itself.
    DO_NOT_CALL = "do_not_call", "The number is on the workspace's do-not-call list."
    DAILY_LIMIT = "daily_limit", "The workspace has placed as many calls today as it may."
    SPEND_LIMIT = "spend_limit", "Models have cost the workspace today what they may, and the agent needs one."
    NO_MEDIA = "no_media", "The call was answered, and no audio reached Outdial."
    AUDIO_LOST = "audio_lost", "The audio connection broke during the call."
    AGENT_FAILED = "agent_failed", "The agent stopped because of an error in it."
    SPEECH_FAILED = "speech_failed", "Speech could not be synthesised or recognised."
    INTERRUPTED = "interrupted", "Outdial stopped while the call was in progress."
    INTERNAL_ERROR = "internal_error", "Outdial had an error of its own."
    NOT_PREPARED = "not_prepared", "Outdial could not prepare the call; its log says why."
    TOO_LATE = "too_late", "Outdial was held up and could not dial in time."
    NEVER_PLACED = "never_placed", "The carrier has no record of the dial."
    OUTCOME_UNKNOWN = "outcome_unknown", "The carrier could not say what became of the call."
    POOL_FULL = "pool_full", "A caller was turned away: every line was taken."
    NO_SEAT = "no_seat", "A caller was turned away: no worker had a seat for one more conversation."
    DRAINING = "draining", "A caller was turned away: Outdial was about to stop and took no new calls."
    NUMBER_HAS_NO_AGENT = "number_has_no_agent", "A caller was turned away: the number has no agent."
    AGENT_NOT_PUBLISHED = "agent_not_published", "A caller was turned away: the agent has no published version."
    ACCOUNT_REMOVED = "account_removed", "The number's carrier account was removed from Outdial."

    # A number that can't be connected.
    NUMBER_NOT_OWNED = "number_not_owned", "The number does not belong to the account."
    NUMBER_ONLY_VERIFIED = "number_only_verified", "The account may show the number, but does not receive its calls."
    NUMBER_WITHOUT_VOICE = "number_without_voice", "The number can't be used for calls."
    NUMBER_IN_USE = "number_in_use", "The number is answered by something else at its carrier."


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    """Why a call failed: our word, a sentence a user understands, and what the carrier calls it (`sip_404` where it
    passes the network's code on), None when it wasn't the carrier who said so."""

    code: FailureCode
    message: str
    carrier_code: str | None = None

    def to_json(self) -> dict[str, str | None]:
        return {"code": self.code, "message": self.message, "carrier_code": self.carrier_code}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Also of what another version has stored, perhaps with a code that isn't listed here."""
        try:
            code = FailureCode(str(stored.get("code")))
        except ValueError:
            code = FailureCode.NOT_CONNECTED
        return cls(
            code=code, message=stored.get("message") or code.meaning, carrier_code=stored.get("carrier_code")
        )


# Noted by whoever cuts a call off, and by whoever finds that its process has died.
INTERRUPTED = CallError(
    code=FailureCode.INTERRUPTED, message="Outdial stopped while this call was in progress, so the call was ended."
)
