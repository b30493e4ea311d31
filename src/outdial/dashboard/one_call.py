"""One call with everything its page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from outdial import clock
from outdial.agents.store import agent_names
from outdial.dashboard.answer_marks import Mark, answer_marks, evidence_in_words
from outdial.dashboard.latency import Latencies, latencies
from outdial.dashboard.model_use import ModelUse, model_use
from outdial.dashboard.timeline import Step, timeline
from outdial.dashboard.words import ANSWERED_BY
from outdial.dashboard.wrap_up import Evidence, WrapUp, evidence_in, wrap_up
from outdial.db.feed import history_of, model_events_of
from outdial.history.verdicts import CallVerdicts, TruthView, get_verdicts
from outdial.history.views import CallView, get_call
from outdial.numbers.views import number_names
from outdial.telephony.state import CallDirection, CallState
from outdial.telephony.verdict import AnsweredBy

LAST_WORDS = timedelta(minutes=2)

_VERDICTS = {
    AnsweredBy.HUMAN: "A person answered.",
    AnsweredBy.MACHINE: "A machine answered.",
    AnsweredBy.SCREENING: "A screening service answered.",
    AnsweredBy.MENU: "A phone menu answered.",
    AnsweredBy.NETWORK: "The network announced that the call can't be connected.",
    AnsweredBy.FAX: "A fax machine answered.",
    AnsweredBy.SILENCE: "Somebody answered and said nothing.",
    AnsweredBy.UNKNOWN: "It couldn't be told who answered.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCall:
    call: CallView
    steps: Sequence[Step]
    latencies: Latencies | None
    model: ModelUse | None
    wrap_up: WrapUp | None
    answered: CallVerdicts
    agent_name: str | None
    number_name: str | None

    @property
    def id(self) -> str:
        return self.call["id"]

    @property
    def party(self) -> str:
        """Who is at the other end."""
        return self.call["to"] if self.call["direction"] is CallDirection.OUTBOUND else self.call["from"]

    @property
    def is_live(self) -> bool:
        return self.call["state"] is CallState.IN_PROGRESS

    @property
    def has_ended(self) -> bool:
        return self.call["state"] is CallState.ENDED

    @property
    def was_answered(self) -> bool:
        """Somebody, or something, picked up."""
        return self.call["answered_at"] is not None or self.call["answered_by"] is not None

    @property
    def is_final(self) -> bool:
        """Nothing changes any more. A conversation's last words, its recording and its notes are written just after its
        end, and its wrap-up a while later."""
        if not self.has_ended or (self.wrap_up is not None and self.wrap_up.is_pending):
            return False
        ended_at = self.call["ended_at"]
        expected = self.call["answered_at"] is not None and self.call["recording_url"] is None
        return not expected or ended_at is None or datetime.fromisoformat(ended_at) < clock.now() - LAST_WORDS

    @property
    def price(self) -> str | None:
        """Of all attempts together, as far as the carrier has told."""
        sums: dict[str, Decimal] = {}
        for dial in self.call["attempts"]:
            if dial["price"] is not None:
                currency = dial["price_currency"] or ""
                sums[currency] = sums.get(currency, Decimal(0)) + abs(Decimal(dial["price"]))
        return ", ".join(f"{amount.normalize():f} {currency}".strip() for currency, amount in sums.items()) or None

    @property
    def outcome_evidence(self) -> Sequence[Evidence]:
        """The words that the outcome rests on, where a model has shown them."""
        decided = self.call["outcome_from"]
        return [] if decided is None else evidence_in(self.call, decided["evidence"])

    @property
    def evidence(self) -> list[str]:
        known = self.call["answered_by"]
        return [] if known is None else [evidence_in_words(each) for each in known["evidence"]]

    @property
    def marks(self) -> Sequence[Mark]:
        """What spoke for whom as it was answered, and when."""
        attempts = self.call["attempts"]
        return answer_marks(self.answered["verdicts"], attempts[-1]["carrier"] if attempts else None)

    @property
    def truth(self) -> TruthView | None:
        """Who answered, as a person has said."""
        return self.answered["truth"]

    @property
    def verdict(self) -> str | None:
        known = self.call["answered_by"]
        return None if known is None else _VERDICTS[known["category"]]

    @property
    def categories(self) -> Mapping[str, str]:
        """Who may have answered, in words."""
        return ANSWERED_BY

    @property
    def truth_in_words(self) -> str | None:
        return None if self.truth is None else _VERDICTS[self.truth["category"]]


async def read_one_call(conn: AsyncConnection, workspace_id: str, call_id: str, *, base_url: str) -> OneCall:
    """Raises NotFound."""
    call = await get_call(conn, workspace_id, call_id, base_url=base_url)
    events = await history_of(conn, call_id)
    agents = await agent_names(conn, workspace_id)
    numbers = await number_names(conn, workspace_id)
    return OneCall(
        call=call,
        steps=timeline(call, events),
        latencies=latencies(call["transcript"]),
        model=model_use(await model_events_of(conn, call_id)),
        wrap_up=wrap_up(call),
        answered=await get_verdicts(conn, workspace_id, call_id),
        agent_name=None if call["agent"] is None else agents.get(call["agent"]["id"]),
        number_name=None if call["number_id"] is None else numbers.get(call["number_id"]),
    )
