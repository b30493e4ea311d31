"""The verbs an agent uses on a call it is in. An agent is a coroutine over this."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from outdial.conversation.endpointing import PAUSE_MS, Patience
from outdial.conversation.languages import Languages
from outdial.conversation.straight_audio import Ears, StraightAudio
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.verb_results import FailedTransfer, Heard, Said
from outdial.conversation.warm import Warm
from outdial.conversation.whispers import Whispers
from outdial.media.sounds import Sound
from outdial.telephony.verdict import AnsweredBy

NORMAL = Patience()


class LiveCall(Protocol):
    """A call that is up. Every verb raises CallEnded once the call is over, `hang_up` and `transfer` included.

    One verb at a time: using a second one before the first has returned raises ValueError.
    """

    call_id: str
    user_id: str                 # the other party's number, E.164
    # {"type": "launch", "payload": {"callType", "userNumber", "agentNumber"}}, or of a call that is back from a
    # transfer {"type": "transfer_failed", …} with "to" and "result" as well
    last_event: dict[str, Any]

    @property
    def variables(self) -> Mapping[str, Any]:
        """What was sent with the call. To be read only."""
        ...

    @property
    def noted(self) -> MutableMapping[str, Any]:
        """What the agent writes down, kept with the call when the conversation is over. In it already: what earlier
        attempts noted, and what somebody outside notes while it lasts; where a name is in both, prompts say this
        value and not that of `variables`. What JSON can't express, or is too much, is left out, and the call's feed
        tells it."""
        ...


    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        """Write something down that the agent did, in the call's feed of events: names and figures, nothing that was
        said and no secret. Returns at once."""
        ...

    @property
    def failed_transfer(self) -> FailedTransfer | None:
        """Set when the call is back from a transfer: the agent's coroutine is run anew, and goes on from there."""
        ...

    @property
    def answered_by(self) -> AnsweredBy | None: ...

    @property
    def whispers(self) -> Whispers:
        """What people who listen in tell the agent: a model's talk takes it for its next turn."""
        ...

    @property
    def languages(self) -> Languages:
        """In which the call is held: its agent's, until it is told another one."""
        ...

    async def greeting(self, then: str = "") -> Heard:
        """What the callee says when it picks up; silent when it is our turn to speak first, or was. The first `say`
        waits for it by itself, where the agent is one that does (`greet`).

        `then`: what will be said next, where that is known already: its audio is made meanwhile."""
        ...

    async def say(
        self, text: str | AsyncIterator[str], *, interruptible: bool = True, asks: bool | None = None
    ) -> Said:
        """Say `text` (no variable substitution), read aloud as the agent reads; returns when it was played or cut off.
        Texts that come one after the other, a model's, are spoken sentence by sentence.

        `asks`: whether it is a question, by default when it ends like one. Before most of its last clause was heard,
        "okay" and its like mean that the callee listens; over what is no question they always do. The voice falls
        silent for them, and goes on where it stopped.
        Raises SpeechFailed when (the rest of) it could not be synthesised; what could be was played.
        """
        ...

    async def listen(
        self, *, until_silence_s: float = PAUSE_MS / 1000, no_reply_s: float = 6.0, max_digits: int = 0,
        asked: Asked = NOTHING, patience: Patience = NORMAL,
    ) -> Heard:  # fmt: skip
        """The callee's next utterance, or digits; silent after `no_reply_s` without either.

        `asked` tells what an answer is: a whole one is taken early, one that is bound to go on is waited for
        (`patience`, whose `pause_ms` is `until_silence_s`). With `asked.takes_back` the next `say` may come back as
        `taken_back`: the callee went on just then, and `listen` gives its whole answer. Who asks us to wait is waited
        for.
        With `max_digits` > 0 returns as soon as that many digits came, or `#`, or 2 s after the last one; digits
        pressed before count. Speech that interrupted the last `say`, or came after it, counts too.
        Whose words were lost is asked to say them again. Raises SpeechFailed when nothing is recognised any more.
        """
        ...

    async def play(self, sound: str | Sound, *, loop: int = 1, interruptible: bool = True) -> Said:
        """Play a sound file `loop` times, as `say` says words; `sound` is its URL, or what `fetch_sound` gave. WAV and
        raw mu-law or A-law; MP3 where the extra `mp3` is installed. Of its words nothing is known: `Said.text` is "",
        and the transcript has the file's name.

        While it is fetched the callee is told that it takes a moment. Raises SoundFailed when it can't be played, and
        nothing was.
        """
        ...

    async def fetch_sound(self, source: str) -> Sound:
        """The sound file at a URL, for `play`. No verb: something may be said meanwhile. Raises SoundFailed."""
        ...

    def straight(self, ears: Ears) -> AbstractAsyncContextManager[StraightAudio] | None:
        """Talk in audio alone, as one verb, until it is left: nothing is recognised or synthesised meanwhile. It begins
        when it is our turn to speak. None where the call has no audio."""
        ...

    async def send_digits(self, digits: str) -> None:
        """Press keys: 0-9, A-D, * and #; `w` or `,` waits half a second. Raises ValueError for anything else."""
        ...

    async def transfer(self, to: str, *, failed: str | None = None, warm: Warm | None = None) -> None:
        """Connect the callee to another number; the agent's part ends (raises CallEnded).

        Raises TransferFailed when the carrier won't, and the call goes on. Whether anybody answers there is known only
        later: when nobody does, the callee hears a sentence and the call ends. With `failed` the call comes back
        instead, where the carrier can do that: the agent's coroutine is run anew, with `failed_transfer`.

        With `warm` somebody is asked there first, while the callee waits; who doesn't take it has this raise
        TransferFailed, and the agent goes on where it is: `failed` means nothing then.
        """
        ...

    async def call_back(self, at: datetime, *, promised: bool) -> None:
        """Have the other party called back at `at` (aware), by this agent with what was sent and noted. Not `promised`
        yet: only ask whether that could be done. Raises CallBackRefused, and does nothing."""
        ...

    async def hang_up(self) -> None:
        """End the call (raises CallEnded)."""
        ...


AgentCoroutine = Callable[[LiveCall], Coroutine[Any, Any, None]]


async def converse(conversation: AgentCoroutine, call: LiveCall) -> None:
    """As a coroutine, which a task can be made of."""
    await conversation(call)
