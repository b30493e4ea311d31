"""What the callee answers: words and digits, gathered until they are a reply."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from outdial.background import Background
from outdial.conversation.call_facts import CallEngines
from outdial.conversation.endpointing import Patience
from outdial.conversation.floor import Floor
from outdial.conversation.hearing import Hearing
from outdial.conversation.keypad import Keypad
from outdial.conversation.opening import HeardSoFar
from outdial.conversation.reply import Reply
from outdial.conversation.second_opinion import SecondOpinion
from outdial.conversation.transcript import ReplyTimes, Transcript
from outdial.conversation.turn_words import NOTHING, Asked
from outdial.conversation.turns import TurnEvent, TurnState
from outdial.conversation.utterance import Utterance
from outdial.conversation.verb_results import Heard, SpeechFailed
from outdial.speech.base import NotRecognised

logger = logging.getLogger(__name__)

LATE_CHECK_MS = 200   # while words are waited for, or whoever listens may have something to say
LISTEN_ON_MS = 1000   # while listening, whether audio still comes is looked at this often
OWN_LEVEL_MS = 250    # of words tell how loud the callee is
TAKEN_BACK = 2        # times in a row; who talks on and on over our words isn't answering
FAINT_MS = 5000       # a faint voice that goes on for so long is a television's
NO_ANSWER = Asked(is_answer=lambda text: False)  # nothing was asked: a faint voice has no reason to speak


class Listening:
    """The callee's side of one call. Hears while `hearing` is enabled, whoever speaks; everything that was understood
    is in the transcript. `on_voice` is told of voice inside an utterance, as it goes on; `on_words(utterance, text)` of
    what was said in it, until a pause or to its end, `on_partial` of a guess while it lasts; `counts(utterance)` tells
    of one that has ended while we speak whether it is a reply all the same, `over_us` whether one began while we did,
    `is_own` whether its words are ours.
    """

    def __init__(
        self,
        call_id: str,
        floor: Floor,
        engines: CallEngines,
        now_ms: Callable[[], int],
        transcript: Transcript,
        background: Background,
        on_voice: Callable[[Utterance], None],
    ) -> None:
        self._opinion = SecondOpinion(engines.recognition, engines.closed, lambda: self.hearing.asked, now_ms)
        self.hearing = Hearing(self._opinion, engines.voice_activity, now_ms, on_voice, self._utterance)
        engines.recognition.changed, self.hearing.on_words = self.hearing.recogniser_told, self._early_words
        self.hearing.on_partial = lambda utterance, text: self.on_partial(utterance, text)
        self.on_words: Callable[[Utterance, str], object] = lambda utterance, text: None
        self.on_partial: Callable[[Utterance, str], object] = lambda utterance, text: None
        self.counts: Callable[[Utterance], bool] = lambda utterance: False
        self.over_us: Callable[[Utterance], bool] = lambda utterance: False
        self.is_own: Callable[[Utterance, str], bool] = lambda utterance, text: False
        self.answered: ReplyTimes | None = None  # the reply the agent now answers: until it has, not only filled in
        self._timed: ReplyTimes | None = None    # the last one whose latency was told
        self.reply: Reply | None = None  # … which may go on
        self.passed: Utterance | None = None  # answers nothing: it told us to go on
        self._call_id = call_id
        self._floor = floor
        self._now_ms = now_ms
        self._transcript = transcript
        self._background = background
        self._keypad = Keypad()
        self._wants_digits = 0
        self._said_before = ""  # of the reply that goes on
        self._taken_back = 0    # so often in a row
        self._was_near = False  # what was heard last, words or not, and …
        self._is_lost = False   # … whether these won't be known
        self._attentive_since_ms = 0
        self.late_ms: int | None = None  # what takes so long to be recognised is told, once for each reply: …
        self.on_late: Callable[[], object] = lambda: None  # … to who has something said meanwhile
        self._told_late = False
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
        self._said_before = ""

    def go_on(self, utterance: Utterance) -> None:
        """It told us no more than that."""
        self.passed = utterance
        self._spoken = [one for one in self._spoken if one[0] is not utterance]

    def late_words(self) -> Utterance | None:
        """What the callee has said, or is saying, since the reply that may go on."""
        if self.reply is None:
            return None
        return self.hearing.current or (self._spoken[-1][0] if self._spoken else None)

    def is_whole(self) -> bool:
        """Whether the reply that may go on needs nothing more."""
        assert self.reply is not None
        asked = self.reply.asked
        return asked.is_answer is None or asked.is_answer(self.reply.text)

    def take_back(self) -> None:
        """The callee goes on with its reply: the next one begins with its words."""
        if self.reply is not None:
            self._said_before, self.reply = self.reply.text, None
            self._taken_back += 1

    def settle_reply(self) -> None:
        """The reply is what was given: the conversation has gone on."""
        self.reply = None

    def latency(self, asked_ms: int, start_ms: int) -> dict[str, int] | None:
        """Of the agent's turn whose first frame just left; None for one that answers nothing."""
        if self.answered is None or self.answered is self._timed:
            return None
        self._timed = self.answered
        return self._timed.latency(asked_ms, start_ms)

    async def listen(
        self, *, patience: Patience, no_reply_ms: int, max_digits: int, asked: Asked = NOTHING
    ) -> Heard:
        """With the floor: the callee's reply (see live_call.LiveCall.listen)."""
        self._wants_digits, self._keypad.keying = max_digits, asked.keying
        hearing = self.hearing
        hearing.patience, hearing.asked, hearing.said_before = patience, asked, self._said_before
        self.reply = None
        self._told_late = False
        self._take_turn()
        self.answered = None
        outcome = TurnEvent.NO_REPLY
        try:
            heard = await self._reply(no_reply_ms)
            if not heard.silent:
                outcome = TurnEvent.REPLIED
            if not self._said_before:
                self._taken_back = 0
            if heard.text and asked.takes_back and self.answered is not None and self._taken_back < TAKEN_BACK:
                self.reply = Reply(text=heard.text, ended_ms=self.answered.ended_ms, asked=asked)
        finally:
            hearing.patience, hearing.asked, hearing.said_before = Patience(), NOTHING, ""
            self._said_before = ""
            if self._floor.turn is TurnState.LISTENING:  # not when the call ended while somebody outside spoke
                self._floor.move(outcome)
        return heard

    @contextmanager
    def attentive(self) -> Iterator[None]:
        """Listen to the callee, whose words are no reply yet: we haven't spoken. See `heard_so_far`."""
        self.hearing.asked = NO_ANSWER
        self._take_turn()
        self._attentive_since_ms = self.hearing.quiet_since_ms()
        try:
            yield
        finally:
            self.hearing.asked = NOTHING
            if self._floor.turn is TurnState.LISTENING:  # not when the call ended while somebody outside spoke
                self._floor.move(TurnEvent.NO_REPLY)

    async def make_way(self) -> None:
        """Somebody outside speaks; then we listen on."""
        await self._floor.make_way()
        self._take_turn()

    def heard_so_far(self, *, faint: bool = False) -> HeardSoFar:
        """Since `attentive`. What turned out to be no words is nobody's, and what is `faint` mostly a television's."""
        now_ms = self._now_ms()
        since_ms = now_ms - self._attentive_since_ms
        said = [(one, task.result() or "" if task.done() else None) for one, task in self._spoken]
        current = self.hearing.current
        if current is not None:
            said.append((current, current.words))
        is_faint = self.hearing.near.is_faint
        said = [(one, words) for one, words in said if words != "" and (faint or not is_faint(one.level_dbfs))]
        if not said:
            return HeardSoFar(since_ms=since_ms, silence_ms=since_ms)
        last = said[-1][0]
        silence_ms = self.hearing.silence_ms if last is current else now_ms - last.end_ms
        known = [words for _, words in said if words is not None]
        pending = silence_ms > 0 and len(known) < len(said)
        return HeardSoFar(
            since_ms=since_ms,
            silence_ms=silence_ms,
            loud_silence_ms=min(since_ms, now_ms - self.hearing.loud_ms),
            talk_ms=max(1, last.end_ms - said[0][0].start_ms),
            words=None if pending else " ".join(known),
        )

    def _take_turn(self) -> None:
        self._floor.move(TurnEvent.LISTEN)
        self.hearing.enable()

    async def _reply(self, no_reply_ms: int) -> Heard:
        silent_since_ms = self._now_ms()
        had_again = False
        while True:
            if self._wants_digits and self._keypad:
                return Heard(digits=await self._entry())
            if self._spoken:
                if text := await self._words():
                    whole = " ".join(filter(None, (self._said_before, text)))
                    return Heard(text=whole, doubtful=self._opinion.doubts(text))
                if self._is_lost:
                    return Heard(lost=True)
                if self._was_near and not had_again:
                    silent_since_ms, had_again = self._now_ms(), True  # a cough; the callee gets the time again
                continue
            # That isn't silence, however long; unless it is so faint that it is nobody's answer.
            current = self.hearing.current
            speaking = current is not None and not self.hearing.near.is_faint(current.level_dbfs)
            if self._floor.is_wanted(callee_speaks=speaking):
                await self.make_way()
                silent_since_ms = self._now_ms()
                continue
            if current is not None and speaking and self._is_late(current):
                await self._tell_late()
                continue
            if (gives_way := self.hearing.asked.gives_way) and gives_way() and not (speaking or self._said_before):
                return Heard(silent=True)
            left_ms = silent_since_ms + no_reply_ms - self._now_ms()
            if left_ms <= 0 and not speaking:
                self.hearing.near.forget()
                return Heard(text=self._said_before) if self._said_before else Heard(silent=True)
            is_due = gives_way is not None or (current is not None and current.is_being_recognised)
            listens_on_ms = LATE_CHECK_MS if is_due else LISTEN_ON_MS
            await self._floor.wait(listens_on_ms if speaking else min(left_ms, listens_on_ms))
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
        """What the callee said since the agent last spoke; "" for noise, and where nothing is known of it. Raises
        SpeechFailed."""
        decided_ms = self._now_ms()
        words, waited_ms = [], 0
        self._was_near = self._is_lost = False
        while self._spoken:
            utterance, recognition = self._spoken.pop(0)
            self._was_near |= not self.hearing.near.is_faint(utterance.level_dbfs)
            while not recognition.done():
                if self._is_late(utterance):
                    await self._tell_late()
                await self._floor.wait_for(recognition, timeout_ms=LATE_CHECK_MS)
            text = recognition.result()
            waited_ms = max(waited_ms, utterance.waited_ms)
            if text is None and not utterance.is_lost:
                raise SpeechFailed
            self._is_lost |= text is None and self._was_near
            if text and not self._is_far_off(utterance, text):
                words.append(text)
        now_ms = self._now_ms()
        decided_ms = min(decided_ms, utterance.end_ms + utterance.enough_ms)  # from there on only words were waited for
        text = " ".join(words)
        self.answered = ReplyTimes(
            ended_ms=utterance.end_ms, decided_ms=decided_ms, recognised_ms=now_ms, waited_ms=waited_ms,
            second_opinion_ms=self._opinion.took_ms(text),
        )  # fmt: skip
        return text

    def _is_late(self, utterance: Utterance) -> bool:
        """Whether the callee has been silent for long, waits for us, and its words still aren't known."""
        if self.late_ms is None or self._told_late or not utterance.is_being_recognised:
            return False
        return self._now_ms() - utterance.quiet_since_ms >= self.late_ms

    async def _tell_late(self) -> None:
        self._told_late = True
        self.on_late()
        await asyncio.sleep(0)  # whoever has something to say waits for the floor now
        await self._floor.make_way()
        self._take_turn()

    def _early_words(self, utterance: Utterance) -> None:
        self.on_words(utterance, utterance.words or "")

    def _utterance(self, utterance: Utterance) -> None:
        """The callee has finished an utterance. Over the agent's voice, and too short for a barge-in: a backchannel."""
        recognition = self._background.start(self._write_down(utterance), name=f"recognition in {self._call_id}")
        is_nobodys = self._is_faint_chatter(utterance) or self._is_scrap(utterance)
        if utterance is self.passed or utterance.is_echo or is_nobodys:
            return
        if self._floor.turn is not TurnState.SPEAKING or self.counts(utterance):
            utterance.is_reply = True
            self._spoken.append((utterance, recognition))
            if self._floor.turn is TurnState.LISTENING:
                self._floor.wake()

    def _is_faint_chatter(self, utterance: Utterance) -> bool:
        """Whether what is so faint that nobody knows whose it is goes on and on, or began over our voice."""
        is_long = utterance.end_ms - utterance.start_ms >= FAINT_MS
        return self.hearing.near.is_faint(utterance.level_dbfs) and (is_long or self.over_us(utterance))

    def _is_scrap(self, utterance: Utterance) -> bool:
        """Whether it is a syllable of somebody who isn't near: the loudest ones of a television stand out of it."""
        is_short = utterance.end_ms - utterance.start_ms < OWN_LEVEL_MS
        return is_short and self.hearing.near.is_below(utterance.level_dbfs)

    def _is_far_off(self, utterance: Utterance, text: str) -> bool:
        """Whether what is so faint doesn't answer what was asked either."""
        is_answer = self.hearing.asked.is_answer
        return is_answer is not None and self.hearing.near.is_faint(utterance.level_dbfs) and not is_answer(text)

    async def _write_down(self, utterance: Utterance) -> str | None:
        """The words of an utterance, also written into the transcript; None when recognition failed."""
        try:
            text = await utterance.text()
        except NotRecognised:
            logger.warning("Speech recognition lost words", extra={"call_id": self._call_id})
            self.on_words(utterance, "")
            return None
        except Exception:
            logger.exception("Speech recognition failed", extra={"call_id": self._call_id})
            self.on_words(utterance, "")
            return None
        self.on_words(utterance, text)
        if utterance.is_echo or self.is_own(utterance, text):
            return ""
        if text:
            is_own_level = utterance.is_reply and not self._is_far_off(utterance, text)
            if is_own_level and utterance.end_ms - utterance.start_ms >= OWN_LEVEL_MS:
                self.hearing.near.answered(utterance.level_dbfs)
            self._transcript.callee(text, utterance.start_ms, utterance.end_ms)
        return text
