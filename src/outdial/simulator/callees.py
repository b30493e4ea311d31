"""The people and machines that can be called, as data: what each one does when the phone rings.

`+1202555` and `01NN` reaches callee NN; every other number is answered by the human, number 00.
"""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "+120255501"


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence on this end of the line."""

    ms: int


@dataclass(frozen=True, slots=True)
class WaitForTurn:
    """Until the other side has spoken and then been silent for `pause_ms`.

    When it says nothing for `patience_ms`, say `nudge` and wait again; after `nudges` of them, hang up.
    """

    pause_ms: int = 700
    patience_ms: int = 8000
    nudge: str = "Hello? Is anybody there?"
    nudges: int = 2


@dataclass(frozen=True, slots=True)
class WaitForSpeech:
    """Until the other side begins to speak, or `patience_ms` have passed."""

    patience_ms: int = 10_000


class Sound(StrEnum):
    """What can be heard of a callee in one frame; answering machine detection goes by it."""

    SILENCE = "silence"
    SPEECH = "speech"
    BEEP = "beep"
    FAX = "fax"
    DIGIT = "digit"


@dataclass(frozen=True, slots=True)
class Tone:
    sound: Sound  # BEEP or FAX
    ms: int


@dataclass(frozen=True, slots=True)
class Press:
    digits: str


@dataclass(frozen=True, slots=True)
class AskForDigit:
    """Say `prompt` and wait `wait_ms`, again and again, until a digit is heard; it cuts the prompt short.

    After `times` rounds without one, hang up.
    """

    prompt: str
    wait_ms: int = 4000
    times: int = 4


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


Step = Say | Wait | WaitForTurn | WaitForSpeech | Tone | Press | AskForDigit | HangUp


class Reaction(StrEnum):
    """What becomes of the ringing."""

    ANSWERS = "answers"
    DECLINES = "declines"
    BUSY = "busy"
    RINGS_OUT = "rings_out"
    UNREACHABLE = "unreachable"  # switched off
    NO_SUCH_NUMBER = "no_such_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """`rings_s` is how long the phone rings before `reaction`; None takes the simulator's setting."""

    id: str
    description: str
    script: tuple[Step, ...] = ()
    reaction: Reaction = Reaction.ANSWERS
    rings_s: float | None = None

    def as_caller(self) -> tuple[Step, ...]:
        """The script of the same person calling us: whoever is called speaks first."""
        steps = list(self.script)
        while steps and isinstance(steps[0], Wait | Say):
            del steps[0]
        return tuple(steps)


HELLO = (Wait(300), Say("Hello?"))
GOODBYE = (WaitForTurn(pause_ms=1500, patience_ms=4000, nudges=0), HangUp())
AGREES = (
    WaitForTurn(),
    Say("Yes, speaking."),
    WaitForTurn(),
    Say("Yes, that works for me."),
    WaitForTurn(),
    Say("Thank you, goodbye."),
    *GOODBYE,
)
GREETING = (
    "Hi, you have reached the voicemail of Jane Miller. I can't take your call right now. "
    "Please leave a message, and I will call you back."
)
# Who is asked to take a call: longer pauses than between the sentences of a brief.
ASKED = WaitForTurn(pause_ms=1200, patience_ms=20_000, nudges=0)
DESK = (Wait(300), Say("Sales, good morning."), ASKED)
TAKES_IT = (Wait(3000), Say("Hello, this is Sales. How can I help you?"), Wait(3000), Say("Goodbye."), HangUp())
MENU = "Thank you for calling. To speak with someone, press one. To leave a message, press two."
SCREENING = (
    "Hi. The person you are calling is using a screening service. "
    "Please say who is calling, and why."
)

HUMAN = Callee(id="00", description="human, answers after two rings, talks", script=(*HELLO, *AGREES))

CALLEES: dict[str, Callee] = {
    callee.id: callee
    for callee in (
        HUMAN,
        Callee(
            id="01",
            description="human, slow to speak",
            script=(Wait(4000), Say("Um, hello?"), *AGREES),
        ),
        Callee(id="02", description="declines", reaction=Reaction.DECLINES),
        Callee(id="03", description="busy", reaction=Reaction.BUSY, rings_s=0.3),
        Callee(id="04", description="rings out", reaction=Reaction.RINGS_OUT),
        Callee(
            id="05",
            description="voicemail with beep",
            # The gap before the beep is shorter than any setting for "the greeting has ended".
            script=(Wait(500), Say(GREETING), Wait(400), Tone(Sound.BEEP, 500), Wait(60_000), HangUp()),
        ),
        Callee(
            id="06",
            description="voicemail without beep",
            script=(Wait(500), Say(GREETING), Wait(60_000), HangUp()),
        ),
        Callee(id="07", description="number does not exist", reaction=Reaction.NO_SUCH_NUMBER),
        Callee(
            id="08",
            description="fax tone",
            # A fax machine answers with 2100 Hz for 2.6 to 4 s (ITU-T T.30) and gives up after 35 s.
            script=(Wait(400), Tone(Sound.FAX, 3000), Wait(31_000), HangUp()),
        ),
        Callee(
            id="09",
            description="call screening assistant, then the human",
            script=(
                Wait(300),
                Say(SCREENING),
                WaitForTurn(nudge="Please say who is calling."),
                Say("Thank you. Please hold on."),
                Wait(2000),
                Say("Hello, this is Jane."),
                *AGREES,
            ),
        ),
        Callee(
            id="10",
            description="phone menu that wants a digit",
            script=(
                Wait(300),
                AskForDigit(MENU),
                Wait(800),
                Say("Hello, this is Jane. How can I help?"),
                *AGREES,
            ),
        ),
        Callee(id="11", description="answers and stays silent", script=(Wait(120_000), HangUp())),
        Callee(
            id="12",
            description="interrupts the agent",
            script=(
                *HELLO,
                WaitForSpeech(),
                Wait(1500),
                Say("Sorry, can I stop you there? Who is calling, please?"),
                *AGREES,
            ),
        ),
        Callee(
            id="13",
            description="hangs up in the middle",
            script=(*HELLO, WaitForTurn(), Say("Yes, speaking."), WaitForSpeech(), Wait(1200), HangUp()),
        ),
        Callee(
            id="14",
            description="presses 1 instead of talking",
            script=(*HELLO, *(WaitForTurn(), Press("1")) * 4, *GOODBYE),
        ),
        Callee(
            id="15",
            description="stop calling me",
            script=(*HELLO, WaitForTurn(), Say("Stop calling me. Don't call this number again."), *GOODBYE),
        ),
        Callee(
            id="16",
            description="takes a call with 1 when asked to, talks, and hangs up",
            script=(*DESK, Press("1"), *TAKES_IT),
        ),
        Callee(
            id="17",
            description="takes a call with a yes when asked to, talks, and hangs up",
            script=(*DESK, Say("Yes, please."), *TAKES_IT),
        ),
        Callee(
            id="18",
            description="declines a call with 2 when asked to take it",
            script=(*DESK, Press("2"), *GOODBYE),
        ),
        Callee(
            id="19",
            description="answers, and hangs up after eight seconds",
            script=(*HELLO, Wait(8000), HangUp()),
        ),
    )
}


def number_of(callee_id: str) -> str:
    return PREFIX + callee_id


def callee_at(number: str) -> Callee:
    """Who answers `number`."""
    return CALLEES.get(number.removeprefix(PREFIX), HUMAN) if number.startswith(PREFIX) else HUMAN


def utterances(script: tuple[Step, ...]) -> set[str]:
    """Everything a script may say, so that it can be synthesised before the phone is answered."""
    said: set[str] = set()
    for step in script:
        match step:
            case Say(text=text) | AskForDigit(prompt=text):
                said.add(text)
            case WaitForTurn(nudge=text, nudges=nudges) if nudges:
                said.add(text)
    return said
