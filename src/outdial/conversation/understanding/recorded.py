"""What recordings say when they answer the phone: voicemails, screening services, menus. Pure.

One phrase of a recording says little: people say "leave a message", too. So it takes two of different kinds, and
whoever asks or offers something, as only people do, is no voicemail.
"""

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import Found
from outdial.conversation.understanding.utterance import Utterance
from outdial.telephony.verdict import AnsweredBy

# Kinds of phrases, in a language's file under `recorded`.
LEAVE, TONE, MAILBOX, FULL = "leave", "tone", "mailbox", "full"  # of a voicemail; with these it takes one more …
ABSENT, CALL_BACK, REACHED, NAMES = "absent", "call_back", "reached", "names"  # … of all
ANNOUNCES = "announces"  # … and so says a carrier or a screening service, and nobody who answers a question
ASKS_NAME, ASKS_WHY, SCREENS = "asks_name", "asks_why", "screens"
PRESS, CHOICE = "press", "choice"
LIVE = "live"  # what only people say, or the same words said by them
KINDS = (
    LEAVE, TONE, MAILBOX, FULL, ABSENT, ANNOUNCES, CALL_BACK, REACHED, NAMES, ASKS_NAME, ASKS_WHY, SCREENS, PRESS,
    CHOICE, LIVE,
)  # fmt: skip

_OF_VOICEMAIL = frozenset({LEAVE, TONE, MAILBOX, FULL})
_BESIDE = frozenset({ABSENT, ANNOUNCES, CALL_BACK, REACHED})


def answering(said: Utterance, language: Language) -> AnsweredBy | None:
    """Who says this, where the words alone settle it: MACHINE is a voicemail."""
    found = _found(said, language)
    kinds = {one.tag for one in found}
    if (SCREENS in kinds and kinds & {ASKS_NAME, ASKS_WHY}) or {ASKS_NAME, ASKS_WHY} <= kinds:
        return AnsweredBy.SCREENING
    if _is_voicemail(kinds, found, said):
        return AnsweredBy.MACHINE
    choices = sum(one.tag == PRESS for one in found)
    if choices + len({said.text(one.start, one.end) for one in found if one.tag == CHOICE}) >= 2:
        return AnsweredBy.MENU
    return None


def is_recording(said: Utterance, language: Language) -> bool:
    """Whether this answers nothing, for it is a recording that speaks; which one may be open yet."""
    gates = (AnsweredBy.MACHINE, AnsweredBy.SCREENING)
    return answering(said, language) in gates or any(one.tag == ANNOUNCES for one in _found(said, language))


def sounds_recorded(said: Utterance, language: Language) -> bool:
    """Whether there is anything in it that recordings say."""
    return any(one.tag not in (LIVE, NAMES, ASKS_WHY) for one in _found(said, language))


def _is_voicemail(kinds: set[str], found: list[Found], said: Utterance) -> bool:
    own = kinds & _OF_VOICEMAIL
    if len(own) >= 2:
        return True
    if not own or LIVE in kinds:
        return False
    return bool(kinds & _BESIDE) or (own == {LEAVE} and _is_short(found, said))


def _is_short(found: list[Found], said: Utterance) -> bool:
    """ "Hey, it's Ray. Leave a message.": a name, and nothing behind the wish."""
    end = max(one.end for one in found if one.tag == LEAVE)
    return end == len(said.words) and any(one.tag == NAMES and said.clauses[one.start] <= 1 for one in found)


def _found(said: Utterance, language: Language) -> list[Found]:
    """The longest phrases of each kind; what people say covers the same words of a recording."""
    every = list(language.recorded.find(said.words))
    live = [one for one in every if one.tag == LIVE]
    kept = [one for one in every if one.tag == LIVE or not any(_inside(one, other) for other in live)]
    return [
        one
        for one in kept
        if not any(other.tag == one.tag and len(other) > len(one) and _inside(one, other) for other in kept)
    ]


def _inside(one: Found, other: Found) -> bool:
    return other.start <= one.start and one.end <= other.end
