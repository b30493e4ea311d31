"""The people and machines that can be called, as data: what each one does when the phone rings.

`+1202555` and `01NN` reaches callee NN; every other number is answered by the human, number 00.
"""

from dataclasses import dataclass
from enum import StrEnum

from outdial.simulator.callee_steps import (
    AskForDigit,
    HangUp,
    Press,
    Say,
    Sound,
    Step,
    Tone,
    Wait,
    WaitForSpeech,
    WaitForTurn,
    utterances,
)

PREFIX = "+120255501"


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
    """`rings_s` is how long the phone rings before `reaction`; None takes the simulator's setting. `behind`: what is
    said near the phone all the time, 20 dB below the callee."""

    id: str
    description: str
    script: tuple[Step, ...] = ()
    reaction: Reaction = Reaction.ANSWERS
    rings_s: float | None = None
    behind: str | None = None

    @property
    def utterances(self) -> set[str]:
        """All that may have to be synthesised."""
        return utterances(self.script) | ({self.behind} if self.behind else set())

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
RECORDS = (Tone(Sound.BEEP, 500), Wait(60_000), HangUp())
# Who is asked to take a call: longer pauses than between the sentences of a brief.
ASKED = WaitForTurn(pause_ms=1200, patience_ms=20_000, nudges=0)
DESK = (Wait(300), Say("Sales, good morning."), ASKED)
TAKES_IT = (Wait(3000), Say("Hello, this is Sales. How can I help you?"), Wait(3000), Say("Goodbye."), HangUp())
MENU = "Thank you for calling. To speak with someone, press one. To leave a message, press two."
SCREENING = (
    "Hi. The person you are calling is using a screening service. "
    "Please say who is calling, and why."
)

IPHONE_SCREENS = "Hi, if you record your name and reason for calling, I'll see if this person is available."
GOOGLE_SCREENS = (
    "Hi, the person you're calling is using a screening service from Google, and will get a copy of this conversation. "
    "Go ahead and say your name and why you're calling."
)
CARRIER_SCREENS = "Before we try to connect you, please say your name after the tone, and then stay on the line."
BUSINESS = "Good morning, Harbor Street Dental, this is Karen speaking, how can I help you today?"
LONG_HELLO = (
    "Oh hello, I just came in with the shopping and nearly missed you, let me put these bags down for a second. "
    "Right, now I'm all yours, who is this please?"
)
NEWS = (
    "And now the weather for the coast. Tonight it stays cloudy with a little rain from the west. Tomorrow will be dry "
    "and a bit warmer, with up to eighteen degrees in the afternoon. On the roads, there is a queue of three miles on "
    "the ring road after an accident. In sports, the home team has won its fourth game in a row. "
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
            script=(Wait(500), Say(GREETING), Wait(400), *RECORDS),
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
        Callee(id="20", description="human with a long first sentence", script=(Wait(300), Say(LONG_HELLO), *AGREES)),
        Callee(id="21", description="human who answers for a business", script=(Wait(300), Say(BUSINESS), *AGREES)),
        Callee(id="22", description="human with a television on", script=(*HELLO, *AGREES), behind=NEWS),
        Callee(
            id="23",
            description="voicemail that plays a person, with beep",
            script=(
                Wait(400),
                Say("Hello?"),
                Wait(1500),
                Say("Yeah, who is this?"),
                Wait(1200),
                Say("Ha, got you, I'm not here. Leave a message after the beep."),
                Wait(500),
                *RECORDS,
            ),
        ),
        Callee(
            id="24",
            description="voicemail whose mailbox is full, hangs up",
            script=(
                Wait(500),
                Say("You have reached the mailbox of Jane Miller."),
                Wait(300),
                Say("The mailbox is full and cannot accept any messages at this time. Goodbye."),
                Wait(800),
                HangUp(),
            ),
        ),
        Callee(
            id="25",
            description="voicemail that beeps, says more, and beeps again",
            script=(
                Wait(500),
                Say(GREETING),
                Wait(400),
                Tone(Sound.BEEP, 300),
                Wait(1500),
                Say("Record your message at the tone. When you are done, hang up, or press pound for more options."),
                Wait(400),
                *RECORDS,
            ),
        ),
        Callee(
            id="26",
            description="an iPhone screens the call, then the human",
            script=(
                Wait(300),
                Say(IPHONE_SCREENS),
                WaitForTurn(pause_ms=1500, nudge="Please state your name and reason for calling."),
                Say("Thanks. Please stay on the line."),
                Wait(6000),
                Say("Hello, this is Jane."),
                *AGREES,
            ),
        ),
        Callee(
            id="27",
            description="Google's call screen, then nobody takes it",
            script=(
                Wait(300),
                Say(GOOGLE_SCREENS),
                WaitForTurn(pause_ms=1500, nudge="It's hard to hear you. Please say who is calling."),
                Say("Okay, one moment."),
                Wait(5000),
                Say("The person you are calling can't take your call. Please leave a message after the beep."),
                Wait(400),
                *RECORDS,
            ),
        ),
        Callee(
            id="28",
            description="a carrier's name service, then the human",
            script=(
                Wait(300),
                Say(CARRIER_SCREENS),
                Wait(300),
                Tone(Sound.BEEP, 400),
                WaitForTurn(pause_ms=1500, nudge="Please say your name."),
                Say("Thank you. We are trying to reach the person you called."),
                Wait(4000),
                Say("Yes, who is it?"),
                *AGREES,
            ),
        ),
        Callee(
            id="29",
            description="music on hold, then a human",
            script=(
                Wait(300),
                Say("Thank you for calling. All our agents are busy. Please hold, and the next one will be with you."),
                Tone(Sound.MUSIC, 12_000),
                Say("Thanks for holding, this is Karen. What can I do for you?"),
                *AGREES,
            ),
        ),
        Callee(
            id="30",
            description="network announcement after three rising tones",
            script=(
                Wait(200),
                Tone(Sound.SIT),
                Wait(200),
                *(Say("We're sorry. The number you have dialed is not in service. Please check the number."),) * 2,
                Wait(1000),
                HangUp(),
            ),
        ),
    )
}


def number_of(callee_id: str) -> str:
    return PREFIX + callee_id


def callee_at(number: str) -> Callee:
    """Who answers `number`."""
    return CALLEES.get(number.removeprefix(PREFIX), HUMAN) if number.startswith(PREFIX) else HUMAN
