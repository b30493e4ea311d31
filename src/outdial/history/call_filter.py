"""Which calls a list is to have: its filters, as an address has them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from outdial.calls.request import E164, MAX_KEY_CHARS, CleanText, Instant
from outdial.telephony.outcome import MAX_WORD_CHARS
from outdial.telephony.state import CallDirection, CallState, EndedBy, EndReason
from outdial.telephony.verdict import AnsweredBy

OutcomeWord = Annotated[CleanText, Field(min_length=1, max_length=MAX_WORD_CHARS)]
Words = Annotated[CleanText, Field(min_length=1, max_length=200)]
MetadataKey = Annotated[CleanText, Field(min_length=1, max_length=MAX_KEY_CHARS)]
MetadataValue = Annotated[CleanText, Field(max_length=500)]

_METADATA = re.compile(r"metadata(?:\.(.+)|\[(.+)\])", re.DOTALL)


class CallSearch(BaseModel):
    """Several filters must all hold; several values of one filter are alternatives."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    state: Annotated[list[CallState | Literal["unknown"]], Field(max_length=6)] = []
    """`unknown` are the calls of which it can't be known (yet) whether the carrier dialled."""
    end_reason: Annotated[list[EndReason], Field(max_length=8)] = []
    """How the call ended; empty while it hasn't."""
    ended_by: Annotated[list[EndedBy], Field(max_length=7)] = []
    """Who ended it."""
    outcome: Annotated[list[OutcomeWord], Field(max_length=20)] = []
    """`do_not_call`, `silent`, `transfer_failed`, `call_back`, `transferred`, `left_message`, `hung_up_early`, or a
    word of your agent's."""
    direction: CallDirection | None = None
    """`outbound` calls were placed by us; `inbound` ones came in."""
    number_id: CleanText | None = None
    """Id of the phone number of ours."""
    agent_id: CleanText | None = None
    """Id of the agent that talked, or is to."""
    to: E164 | None = None
    """The number that was called."""
    from_: Annotated[E164 | None, Field(alias="from")] = None
    """The number that called."""
    party: E164 | None = None
    """The other party: who was called, or who called."""
    answered_by: AnsweredBy | None = None
    """Who answered, as the last verdict has it."""
    words: Words | None = None
    """Said in one turn of the transcript, by either side, in any order; "in quotes" as they stand. Whole words, upper
    and lower case alike."""
    created_after: Instant | None = None
    """At or after this instant."""
    created_before: Instant | None = None
    """Before this instant."""
    ended_after: Instant | None = None
    """Ended at or after this instant. With this or `ended_before` the call that ended last comes first."""
    ended_before: Instant | None = None
    """Ended before this instant."""
    metadata: Annotated[Mapping[MetadataKey, MetadataValue], Field(max_length=5)] = {}
    """`metadata.<key>=<value>`: what the request that placed the call sent along under this key (a text, a number, true
    or false; on the first level)."""

    @model_validator(mode="before")
    @classmethod
    def _gather_metadata(cls, given: Any) -> Any:
        """Of `metadata.<key>`, or `metadata[<key>]` as generated clients write it."""
        if not isinstance(given, Mapping):
            return given
        keys = {name: found[1] or found[2] for name in given if (found := _METADATA.fullmatch(name))}
        rest = {name: value for name, value in given.items() if name not in keys}
        return rest | {"metadata": {key: given[name] for name, key in keys.items()}} if keys else given


class CallFilter(CallSearch):
    """Which calls to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Calls a page."""
    cursor: Annotated[str | None, Field(max_length=200)] = None
    """`next_cursor` or `previous_cursor` of another page."""
