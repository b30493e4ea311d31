"""What is played on every carrier, as data: who is called, what goes wrong, and how it has to come out.

What carriers can't all do alike is told by their `Capabilities`, and by nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from end_to_end.world import SHORT
from outdial.carriers.name import CarrierName
from outdial.carriers.registry import CARRIERS
from outdial.simulator.faults import FaultKind
from outdial.telephony.verdict import DetectedBy

CAPABILITIES = {kind.name: kind.capabilities for kind in CARRIERS.values()}

Faults = tuple[tuple[FaultKind, Mapping[str, Any]], ...]

LONG = """
agent:
  name: Long
start: greeting
steps:
  greeting:
    say: Hello, this is a test call. It goes on for quite a while, and it says nothing that anybody needs to know,
      so that whoever is called has plenty of time to say something meanwhile.
    hang_up: Goodbye.
"""
KEYS = """
agent:
  name: Keys
start: greeting
steps:
  greeting:
    ask: Hello. Please press one.
    answers:
      - digits: [1]
        goto: pressed
  pressed:
    hang_up: You pressed one. Goodbye.
"""
STAYS = """
agent:
  name: Stays
do_not_call:
  say: We won't call you again. Goodbye.
start: greeting
steps:
  greeting:
    ask: Hello, do you have a moment?
    answers:
      - words: [a word that nobody says]
        goto: greeting
"""

MENU = """
agent:
  name: Menu
start: greeting
steps:
  greeting:
    ask: Hello, this is a test call.
    answers:
      - words: [press one]
        send_digits: "1"
        goto: wait
    no_match: {retries: 5}
    no_reply: {retries: 5}
  wait:
    ask: One moment, please.
    answers:
      - words: [this is Jane]
        goto: reached
    no_match: {retries: 5}
    no_reply: {retries: 5}
  reached:
    hang_up: Hello Jane. This was a test call. Goodbye.
"""
SCREENED = """
agent:
  name: Screened
start: greeting
steps:
  greeting:
    ask: Hello, this is the clinic, about an appointment.
    answers:
      - words: [this is Jane]
        goto: reached
    no_match: {retries: 5}
    no_reply: {retries: 5}
  reached:
    hang_up: Hello Jane. This was a test call. Goodbye.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`callee` is one of the simulator's (docs/simulator.md). `left_again`: its message is begun too early, and left
    once more. `evidence`: somewhere in what our own detector says."""

    callee: str
    script: str = SHORT
    amd: Any = None
    faults: Faults = ()
    answered: bool = True
    end: str = "completed"
    error: str | None = None
    answered_by: str | None = None
    delivered: bool | None = None
    says: str = ""  # somewhere in the agent's words
    hears: str = ""
    evidence: str = ""
    left_again: bool = False
    tried_again: bool = False  # seen in the feed
    came_of_it: tuple[str, str | None] | None = None  # ended_by and outcome, where they are looked at
    only: CarrierName | None = None  # where the fault exists

    @property
    def detected_by(self) -> DetectedBy | None:
        """Who is asked who answered; None: nobody, or whoever the server asks by itself."""
        return DetectedBy(self.amd["by"]) if isinstance(self.amd, Mapping) and "by" in self.amd else None


def _unanswered(callee: str, end: str, **more: Any) -> Scenario:
    return Scenario(callee=callee, end=end, answered=False, **more)


def _broken(*faults: tuple[FaultKind, Mapping[str, Any]], **more: Any) -> Scenario:
    """A conversation that takes place all the same."""
    return Scenario(callee="00", faults=faults, says="this is a test call. Goodbye.", **more)


LEAVE: Mapping[str, Any] = {"on_machine": "leave_message", "message": "Hello, the parcel number seven is here."}
CONTINUE: Mapping[str, Any] = {"on_machine": "continue"}
HANG_UP: Mapping[str, Any] = {"on_machine": "hang_up"}
OURS: Mapping[str, Any] = {"by": "local"}
LONG_MESSAGE = (  # it isn't over when the machine beeps once more
    "Hello, this is the parcel service. The parcel number seven is here, and it waits for you at the post office in "
    "Harbor Street until Friday evening. Please bring your card."
)
FINAL: Mapping[str, Any] = {"callbacks": frozenset({"completed"})}
ALL: Mapping[str, Any] = {}

SCENARIOS: dict[str, Scenario] = {  # the longest first
    "our detector, voicemail that beeps twice": Scenario(
        callee="25", amd={**OURS, **LEAVE, "message": LONG_MESSAGE}, answered_by="machine", delivered=True,
        says=LONG_MESSAGE, evidence="said 'voicemail'", left_again=True, came_of_it=("agent", "left_message"),
    ),
    "silent": Scenario(callee="11", amd=True, answered_by="silence", script=LONG, came_of_it=("agent", "silent")),
    "stream never started": Scenario(
        callee="00", faults=((FaultKind.STREAM_NEVER_STARTED, ALL),), end="failed", error="no_media",
        came_of_it=("carrier", None),
    ),
    "voicemail, leave a message": Scenario(
        callee="05", amd=LEAVE, answered_by="machine", delivered=True, says=LEAVE["message"],
        came_of_it=("agent", "left_message"),
    ),
    "voicemail without a beep, leave a message": Scenario(
        callee="06", amd=LEAVE, answered_by="machine", delivered=True, says=LEAVE["message"]
    ),
    "phone menu": Scenario(
        callee="10", script=MENU, answered_by="menu", says="Hello Jane", hears="press one"
    ),
    "call screening": Scenario(
        callee="09", script=SCREENED, answered_by="screening", says="Hello Jane", hears="who is calling"
    ),
    "voicemail, continue": Scenario(
        callee="05", script=LONG, amd=CONTINUE, answered_by="machine", says="plenty of time to say something"
    ),
    "all callbacks lost": _broken((FaultKind.CALLBACK_LOST, ALL)),
    "reply and callbacks lost": _broken((FaultKind.REPLY_LOST, ALL), (FaultKind.CALLBACK_LOST, ALL)),
    "all callbacks lost, rings out": _unanswered("04", "no_answer", faults=((FaultKind.CALLBACK_LOST, ALL),)),
    "reply and callbacks lost, busy": _unanswered(
        "03", "busy", faults=((FaultKind.REPLY_LOST, ALL), (FaultKind.CALLBACK_LOST, ALL))
    ),
    "our detector, mailbox is full": Scenario(
        callee="24", amd={**OURS, **LEAVE}, answered_by="machine", end="machine", evidence="full",
    ),
    "our detector, voicemail, hang up": Scenario(
        callee="05", amd={**OURS, **HANG_UP}, answered_by="machine", end="machine", evidence="said '",
        came_of_it=("agent", None),
    ),
    "our detector, human": Scenario(
        callee="00", amd={**OURS, **HANG_UP}, answered_by="human", says="this is a test call. Goodbye.", hears="Hello",
        evidence="said hello", came_of_it=("agent", None),
    ),
    "both detectors, human": Scenario(
        callee="00", amd={"by": "both"}, answered_by="human", says="this is a test call. Goodbye."
    ),
    "slow human": Scenario(callee="01", script=STAYS, amd=True, answered_by="human"),
    "interrupts": Scenario(callee="12", script=LONG, hears="stop you there"),
    "presses a key": Scenario(callee="14", script=KEYS, says="You pressed one.", hears="[1]"),
    "stop calling": Scenario(
        callee="15", script=STAYS, says="We won't call you again.", hears="Stop calling me.",
        came_of_it=("agent", "do_not_call"),
    ),
    "hangs up": Scenario(callee="13", script=STAYS, came_of_it=("callee", "hung_up_early")),
    "fax": Scenario(callee="08", amd=True, answered_by="fax", end="machine"),
    "voicemail, hang up": Scenario(
        callee="05", amd=HANG_UP, answered_by="machine", end="machine", came_of_it=("agent", None)
    ),
    "human": Scenario(callee="00", says="this is a test call. Goodbye."),
    "human, amd": Scenario(callee="00", amd=True, answered_by="human", says="this is a test call. Goodbye."),
    "final callback lost": _broken((FaultKind.CALLBACK_LOST, FINAL)),
    "callbacks repeated": _broken((FaultKind.CALLBACK_REPEATED, ALL)),
    "callbacks late": _broken((FaultKind.CALLBACK_LATE, {"delay_s": 2.0})),
    "callbacks reordered": _broken((FaultKind.CALLBACK_REORDERED, ALL)),
    "reply lost": _broken((FaultKind.REPLY_LOST, ALL)),
    "reply after callback": _broken((FaultKind.REPLY_AFTER_CALLBACK, ALL)),
    "throttled": _broken((FaultKind.THROTTLED, {"count": 1}), tried_again=True),
    "error before dialling": _broken((FaultKind.ERROR_BEFORE_DIALLING, {"count": 1})),
    "error after dialling": _broken((FaultKind.ERROR_AFTER_DIALLING, ALL)),
    "stream cut": Scenario(
        callee="00", faults=((FaultKind.STREAM_CUT, {"after_ms": 1000}),), end="failed", error="audio_lost"
    ),
    "some garbage on the stream": _broken((FaultKind.MEDIA_GARBLED, {"after_ms": 100})),
    "nothing but garbage on the stream": Scenario(
        callee="00",
        script=STAYS,
        faults=((FaultKind.MEDIA_GARBLED, {"after_ms": 1}),),
        end="failed",
        error="audio_lost",
    ),
    "frames reordered": _broken((FaultKind.MEDIA_REORDERED, ALL), hears="Hello", only=CarrierName("telnyx")),
    "rings out": _unanswered("04", "no_answer", came_of_it=("limit", None)),
    "declines": _unanswered("02", "declined"),
    "busy": _unanswered("03", "busy", came_of_it=("callee", None)),
    "busy, callbacks repeated": _unanswered("03", "busy", faults=((FaultKind.CALLBACK_REPEATED, ALL),)),
    "busy, callbacks reordered": _unanswered("03", "busy", faults=((FaultKind.CALLBACK_REORDERED, ALL),)),
    "busy, final callback lost": _unanswered("03", "busy", faults=((FaultKind.CALLBACK_LOST, FINAL),)),
    "no such number": _unanswered("07", "failed", error="number_not_in_service"),
}


def ends(scenario: Scenario, carrier: CarrierName) -> set[str]:
    """How a call may end: who declines may pass for busy where the carrier can't tell them apart."""
    if scenario.end == "declined" and not CAPABILITIES[carrier].declined:
        return {"declined", "busy"}
    return {scenario.end}


def answered_by(scenario: Scenario, carrier: CarrierName) -> str | None:
    """Who answered, as far as the carrier, or what is said, can tell."""
    match scenario.answered_by:
        case "fax" if not CAPABILITIES[carrier].detection_of_fax:
            return "machine"
        case "unknown" | "silence" if not CAPABILITIES[carrier].detection_unsure:
            return "human"
        case "silence" if carrier != "telnyx":  # nobody else has a word for it
            return "unknown"
    return scenario.answered_by
