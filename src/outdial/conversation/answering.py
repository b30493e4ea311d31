"""Who answered a live call: what detection tells of it, and what is said. No I/O.

A voicemail's greeting and a screening service give themselves away by their words, whether there is detection or not.
A verdict of detection counts for more, and so does a callee who has answered us (exchange.py): that is a conversation.
While our own detector follows the call, words are its own to judge: it asks for more than phrases, which a television
may have said, before it finds a machine. What comes behind a service it has found is judged by words again.
Whoever says hello and then listens to us is hardly a voicemail: it takes words that people don't say to be one.
"""

import asyncio
from collections.abc import Callable, Sequence

from outdial import clock
from outdial.conversation.call_facts import MachinePolicy
from outdial.conversation.turn_words import TurnWords
from outdial.telephony.verdict import (
    GATES,
    MACHINES,
    UNDECIDED,
    WORDS,
    AnsweredBy,
    Verdict,
    WhoAnswered,
    is_settled,
    revised,
)

TOGETHER_MS = 20_000  # of one greeting, which has pauses, from the first of its words to the last
LONGEST_MS = 60_000   # since the audio began; later nobody greets
HELLO_WORDS = 10      # at most, of who says hello and listens: "Good morning, Miller and Sons, Jane speaking"
LISTENED_MS = 1000    # at least, to words of ours: a greeting has pauses


class Answering:
    """Of one call. `has_replied`: whether the callee has answered us; `changed` is called after each verdict;
    `heard_whole`: of our words that nobody talked over, when each began, and from when on a reply to it counts (ms);
    `at_gate` is told of a service before the callee, and its words; of a menu all its words again with each option."""

    def __init__(
        self,
        policy: MachinePolicy,
        words: TurnWords,
        has_replied: Callable[[], bool],
        changed: Callable[[], object],
        heard_whole: Callable[[], Sequence[tuple[int, int]]] = tuple,
        # With how likely that is, where our own detector tells it.
        at_gate: Callable[..., object] = lambda category, text, likely=None: None,
    ) -> None:
        self.verdict: Verdict | None = None
        self.is_machine = False  # one that changes the call's course
        self.own: asyncio.Queue[Verdict] = asyncio.Queue()  # what we have found ourselves, to be written down
        self.may_speak = False        # our detector: it is our turn, whoever it is
        self.is_followed = False      # by our detector, just now
        self.mailbox_is_full = False  # it takes no message
        self.heard_out = False        # it takes one for it is silent; it hasn't beeped
        self.beeps = 0                # since a machine takes a message
        self._on_words: Callable[[int, str], object] = lambda start_ms, text: None
        self._policy = policy
        self._words = words
        self._has_replied = has_replied
        self._changed = changed
        self._heard_whole = heard_whole
        self._at_gate = at_gate
        self._said: dict[int, str] = {}  # what began when
        self._since_ms = 0               # what began before is judged

    def follow(self, on_words: Callable[[int, str], object]) -> None:
        """Our own detector follows the call from now on. `on_words`: as `heard`."""
        self.is_followed, self._on_words = True, on_words

    def unfollow(self) -> None:
        """No longer; whoever waits for what it would tell is told that."""
        if self.is_followed:
            self.is_followed = False
            self._changed()

    def judged(self, verdict: Verdict) -> None:
        """A verdict; a machine changes the call's course unless told otherwise, or the callee has answered us."""
        is_machine = verdict.answered_by in MACHINES
        if is_machine and not self.is_machine and self._has_replied():
            return
        if self.is_machine and self._is_older(verdict):
            return
        self.verdict = verdict
        self.is_machine = is_machine and self._policy.action != "continue"
        self._changed()

    def detected(self, verdict: Verdict, text: str = "", *, may_speak: bool = False) -> None:
        """A verdict of our own detector, which has heard these words. It wins by the same rule as in the call's
        record. `may_speak`: nobody is to wait for our words any longer."""
        if verdict.answered_by in MACHINES and not self.is_machine and self._has_replied():
            return  # the callee's answer came first, and is on record no sooner than this would be
        self.own.put_nowait(verdict)
        self.may_speak |= may_speak
        was_at_gate = self._is_at_gate
        if self._is_news(verdict):
            self.judged(verdict)
        elif may_speak:
            self._changed()
        is_gate = self.verdict is verdict and verdict.answered_by in GATES
        if is_gate and not was_at_gate and not self._has_replied():
            self.may_speak = False  # who is behind it is waited for anew
            self._at_gate(verdict.answered_by, text, verdict.confidence)

    def beeped(self) -> None:
        """A machine has beeped that takes a message already: it begins to record only now."""
        self.beeps += 1
        self.heard_out = False
        self._changed()

    def heard(self, start_ms: int, text: str) -> None:
        """All that the callee has said so far in the utterance that began then."""
        self._on_words(start_ms, text)
        if start_ms > LONGEST_MS or self._is_settled or self._has_replied():
            return
        self._said[start_ms] = text
        whole = self._between(0, LONGEST_MS + 1)
        if self.category is AnsweredBy.MENU and self._words.is_gate(text):
            self._at_gate(AnsweredBy.MENU, whole)  # one that is ours may be its last
        if self.is_followed and not self._is_at_gate:
            self._since_ms = max(self._since_ms, start_ms + 1)
            return
        listened_ms = self._listened_until_ms(start_ms)
        since_ms = max(self._since_ms, start_ms - TOGETHER_MS, listened_ms or 0)
        together = self._between(since_ms, LONGEST_MS + 1)
        category = self._words.answering(together, has_greeted=listened_ms is not None)
        if self.category is AnsweredBy.SCREENING and self._words.is_surely_screening(whole):
            self._at_gate(self.category, whole)  # it goes on, and says by now that it is one
        is_news = category is AnsweredBy.MACHINE or (category in GATES and not self._is_at_gate)
        if category is None or not is_news:
            return
        self._since_ms = start_ms + 1  # a voicemail behind a screening service has words of its own
        verdict = Verdict(answered_by=category, at=clock.now(), evidence=(WORDS,))
        self.judged(verdict)
        self.own.put_nowait(verdict)
        if category in GATES:
            self._at_gate(category, together)

    def _is_news(self, verdict: Verdict) -> bool:
        if self.known is None:
            return True
        new = revised(self.known, verdict, None)
        return new is not None and new.category is verdict.answered_by

    def _is_older(self, verdict: Verdict) -> bool:
        """Whether it comes back from the call's record, as it was before what is known of this machine."""
        assert self.verdict is not None
        if verdict.answered_by in MACHINES:
            knows_as_much = verdict.message_end and (verdict.beeped or not self.has_beeped)
            return self.takes_message and not knows_as_much
        return self.is_by_words or self.verdict.revises

    def _listened_until_ms(self, start_ms: int) -> int | None:
        """From when on the words count that begin at `start_ms`, of who said hello before ours and heard them whole;
        None where nobody did."""
        first = self._said[min(self._said)]
        if len(first.split()) > HELLO_WORDS:
            return None
        for ours_ms, counts_from_ms in self._heard_whole():
            before = self._between(0, ours_ms)
            if before and ours_ms + LISTENED_MS <= counts_from_ms <= start_ms:
                return None if self._words.sounds_recorded(before) else counts_from_ms
        return None

    def _between(self, from_ms: int, to_ms: int) -> str:
        """What was said in the utterances that began then."""
        return " ... ".join(said for at_ms, said in sorted(self._said.items()) if from_ms <= at_ms < to_ms)

    @property
    def known(self) -> WhoAnswered | None:
        """What the call's record holds of the last verdict."""
        if self.verdict is None:
            return None
        return WhoAnswered(
            category=self.verdict.answered_by,
            evidence=self.verdict.evidence,
            message_end=self.verdict.message_end,
            beeped=self.verdict.beeped,
        )

    @property
    def category(self) -> AnsweredBy | None:
        return None if self.verdict is None else self.verdict.answered_by

    @property
    def is_judged(self) -> bool:
        """Whether there is a verdict that says who it is."""
        return self.category not in (None, *UNDECIDED, *GATES)

    @property
    def has_replied(self) -> bool:
        """Whether the callee has answered us: it is too late to find a machine."""
        return self._has_replied()

    @property
    def may_be_revised(self) -> bool:
        """Whether our detector may still find a machine in who passes for a person."""
        return self.is_followed and not self.is_machine

    @property
    def may_find_machine(self) -> bool:
        """Whether it isn't known who answered, and somebody is still finding it out: nothing was told yet, or our own
        detector isn't sure."""
        return self.verdict is None or (self.is_followed and self.category in UNDECIDED)

    @property
    def is_by_words(self) -> bool:
        return self.verdict is not None and WORDS in self.verdict.evidence

    @property
    def takes_message(self) -> bool:
        """Whether a machine is known to record by now."""
        return self.verdict is not None and self.verdict.message_end

    @property
    def has_beeped(self) -> bool:
        """Whether a verdict tells of a machine's beep; further ones are in `beeps`."""
        return self.verdict is not None and self.verdict.beeped

    @property
    def _is_settled(self) -> bool:
        return self.verdict is not None and is_settled(self.verdict.answered_by, self.verdict.evidence)

    @property
    def _is_at_gate(self) -> bool:
        return self.category in GATES
