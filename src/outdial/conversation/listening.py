"""What the callee answers: words and digits, gathered until they are a reply."""

import asyncio
import logging
from collections.abc import Callable

from outdial.background import Background
from outdial.conversation.call_facts import Engines
from outdial.conversation.floor import Floor
from outdial.conversation.hearing import Hearing, Utterance
from outdial.conversation.keypad import Keypad
from outdial.conversation.live_call import Heard, SpeechFailed
from outdial.conversation.transcript import ReplyTimes, Transcript
from outdial.conversation.turns import TurnEvent, TurnState

logger = logging.getLogger(__name__)

LISTEN_ON_MS = 1000  # while listening, whether audio still comes is looked at this often


class Listening:
    """The callee's side of one call. Hears while `hearing` is enabled, whoever speaks; everything that was understood
    is in the transcript. `on_voice` is told of voice inside an utterance, as it goes on."""

    def __init__(
        self,
        call_id: str,
        floor: Floor,
        engines: Engines,
        now_ms: Callable[[], int],
        transcript: Transcript,
        background: Background,
        on_voice: Callable[[Utterance], None],
    ) -> None:
        self.hearing = Hearing(engines.speech_to_text, engines.voice_activity, now_ms, on_voice, self._utterance)
        self.answered: ReplyTimes | None = None  # the reply the agent now answers
        self._call_id = call_id
        self._floor = floor
        self._now_ms = now_ms
        self._transcript = transcript
        self._background = background
        self._keypad = Keypad()
        self._wants_digits = 0
        self._spoken: list[tuple[Utterance, asyncio.Task[str | None]]] = []  # what counts as a reply, and its words

    def digit(self, digit: str, at_ms: int) -> bool:
        """The callee pressed a key. False for one that means nothing."""
        listening = self._floor.turn is TurnState.LISTENING
        if listening and not self._wants_digits:
            return False  # nobody asked for it, now or later
        if not self._keypad.press(digit, at_ms):
            return False
        if listening:
            self._floor.wake()
        return True

    def forget_words(self) -> None:
        """What was said so far is no answer to what comes."""
        self._spoken.clear()

    def latency(self, asked_ms: int, start_ms: int) -> dict[str, int] | None:
        """Of the agent's turn whose first frame just left; None for one that answers nothing."""
        answered, self.answered = self.answered, None
        return answered.latency(asked_ms, start_ms) if answered else None

    async def listen(self, *, until_silence_ms: int, no_reply_ms: int, max_digits: int) -> Heard:
        """With the floor: the callee's reply (see live_call.LiveCall.listen)."""
        self._wants_digits = max_digits
        self.hearing.until_silence_ms = until_silence_ms
        self._take_turn()
        self.answered = None
        outcome = TurnEvent.NO_REPLY
        try:
            heard = await self._reply(no_reply_ms)
            if not heard.silent:
                outcome = TurnEvent.REPLIED
        finally:
            if self._floor.turn is TurnState.LISTENING:  # not when the call ended while somebody outside spoke
                self._floor.move(outcome)
        return heard

    def _take_turn(self) -> None:
        self._floor.move(TurnEvent.LISTEN)
        self.hearing.enable()

    async def _reply(self, no_reply_ms: int) -> Heard:
        silent_since_ms = self._now_ms()
        while True:
            if self._wants_digits and self._keypad:
                return Heard(digits=await self._entry())
            if self._spoken:
                if text := await self._words():
                    return Heard(text=text)
                silent_since_ms = self._now_ms()  # a cough; the callee gets the time again
                continue
            speaking = self.hearing.current is not None  # that isn't silence, however long
            if self._floor.is_wanted(callee_speaks=speaking):
                await self._floor.make_way()
                self._take_turn()
                silent_since_ms = self._now_ms()
                continue
            left_ms = silent_since_ms + no_reply_ms - self._now_ms()
            if left_ms <= 0 and not speaking:
                return Heard(silent=True)
            await self._floor.wait(LISTEN_ON_MS if speaking else min(left_ms, LISTEN_ON_MS))
            self.hearing.check()

    async def _entry(self) -> str:
        """Digits until they are complete."""
        while (entry := self._keypad.read(self._wants_digits, self._now_ms())) is None:
            await self._floor.wait(self._keypad.due_ms() - self._now_ms())
        keys, first_ms, last_ms = entry
        now_ms = self._now_ms()
        self.answered = ReplyTimes(ended_ms=last_ms, decided_ms=now_ms, recognised_ms=now_ms)
        self._transcript.callee_pressed(keys, first_ms, last_ms)
        return keys

    async def _words(self) -> str:
        """What the callee said since the agent last spoke; "" for noise."""
        decided_ms = self._now_ms()
        words = []
        while self._spoken:
            utterance, recognition = self._spoken.pop(0)
            await self._floor.wait_for(recognition)
            text = recognition.result()
            if text is None:
                raise SpeechFailed
            words.append(text)
        self.answered = ReplyTimes(ended_ms=utterance.end_ms, decided_ms=decided_ms, recognised_ms=self._now_ms())
        return " ".join(filter(None, words))

    def _utterance(self, utterance: Utterance) -> None:
        """The callee has finished an utterance. Over the agent's voice, and too short for a barge-in: a backchannel."""
        recognition = self._background.start(self._write_down(utterance), name=f"recognition in {self._call_id}")
        if self._floor.turn is not TurnState.SPEAKING:
            self._spoken.append((utterance, recognition))
            if self._floor.turn is TurnState.LISTENING:
                self._floor.wake()

    async def _write_down(self, utterance: Utterance) -> str | None:
        """The words of an utterance, also written into the transcript; None when recognition failed."""
        try:
            text = await utterance.text()
        except Exception:
            logger.exception("Speech recognition failed", extra={"call_id": self._call_id})
            return None
        if text:
            self._transcript.callee(text, utterance.start_ms, utterance.end_ms)
        return text
