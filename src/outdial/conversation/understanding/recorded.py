"""What recordings say when they answer the phone: voicemails, screening services, menus, the network. Pure.

One phrase of a recording says little: people say "leave a message", too. So it takes two of different kinds. And who
asks or offers something, or speaks of somebody else, as people do, is no voicemail, unless it speaks of its tone: to
take a person for one is far worse than to talk to one.
"""

from collections.abc import Iterable, Iterator

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.phrase_book import Found, cover
from outdial.conversation.understanding.utterance import Utterance
from outdial.telephony.verdict import AnsweredBy

# Kinds of phrases, in a language's file under `recorded`.
LEAVE, TONE, MAILBOX = "leave", "tone", "mailbox"  # of a voicemail; with these it takes one more …
FULL = "full"          # … also that it takes no message, and …
INSTRUCTS = "instructs"  # … what to do with one that was left: "you may hang up"
ABSENT, CALL_BACK, REACHED, NAMES = "absent", "call_back", "reached", "names"  # … of all
ANNOUNCES = "announces"  # … and so says a carrier or a screening service, and nobody who answers a question
ASKS_NAME, ASKS_WHY, SCREENS = "asks_name", "asks_why", "screens"
PRESS, CHOICE = "press", "choice"
NO_LINE = "no_line"  # the network says why it can't connect
LIVE = "live"  # what only people say, or the same words said by them
LIVE_ASKED = "live_asked"  # … where it is a question: "would you like to leave a message?"
PERSONAL = "personal"  # what people say, and voicemails that say first whose they are: "leave me …", "in a meeting"
REPORTED = "reported"  # what comes behind it was said by somebody else: "you said …", "I got your voicemail"
KINDS = (
    LEAVE, TONE, MAILBOX, FULL, INSTRUCTS, ABSENT, ANNOUNCES, CALL_BACK, REACHED, NAMES, NO_LINE, ASKS_NAME, ASKS_WHY,
    SCREENS, PRESS, CHOICE, LIVE, PERSONAL, REPORTED,
)  # fmt: skip

_OF_VOICEMAIL = frozenset({LEAVE, TONE, MAILBOX, FULL, INSTRUCTS})
_BESIDE = frozenset({ABSENT, ANNOUNCES, CALL_BACK, REACHED})
_OF_NO_PERSON = frozenset({TONE, MAILBOX, FULL, INSTRUCTS})
_NOT_TO_BE_SCREENED = frozenset({LEAVE, CALL_BACK, MAILBOX, LIVE})
_UNSAID_BY_RECORDINGS = frozenset({LIVE, NAMES, ASKS_WHY, PERSONAL, REPORTED})


def answering(said: Utterance, language: Language, *, has_greeted: bool = False) -> AnsweredBy | None:
    """Who says this, where the words alone settle it: MACHINE is a voicemail. `has_greeted`: whoever says it had said
    hello before and listened to us, as no voicemail does."""
    found = _found(said, language)
    kinds = {one.tag for one in found}
    if _is_screening(kinds):
        return AnsweredBy.SCREENING
    if _is_voicemail(found, said, has_greeted=has_greeted):
        return AnsweredBy.MACHINE
    choices = sum(one.tag == PRESS for one in found)
    if choices + len({said.text(one.start, one.end) for one in found if one.tag == CHOICE}) >= 2:
        return AnsweredBy.MENU
    if _is_network(found):
        return AnsweredBy.NETWORK
    return None


def cues(said: Utterance, language: Language) -> dict[str, tuple[str, ...]]:
    """What in it recordings say, and what people do, by its kind: the words, as they were heard."""
    kinds: dict[str, list[str]] = {}
    for one in _found(said, language):
        words = said.text(one.start, one.end)
        if words not in kinds.setdefault(one.tag, []):
            kinds[one.tag].append(words)
    return {kind: tuple(words) for kind, words in kinds.items()}


def is_recording(said: Utterance, language: Language) -> bool:
    """Whether this answers nothing, for it is a recording that speaks; which one may be open yet."""
    recordings = (AnsweredBy.MACHINE, AnsweredBy.SCREENING, AnsweredBy.NETWORK)
    return answering(said, language) in recordings or any(one.tag == ANNOUNCES for one in _found(said, language))


def asks_name(said: Utterance, language: Language) -> bool:
    """Whether a service wants to hear who calls."""
    return any(one.tag == ASKS_NAME for one in _found(said, language))


def is_surely_screening(said: Utterance, language: Language) -> bool:
    """Whether a service says so itself, and asks: people, too, want to hear who calls, and why. "I'll see if he is
    there" says either; a secretary's "let me take your name" no service."""
    found = _found(said, language)
    kinds = {one.tag for one in found}
    return SCREENS in kinds and _is_screening(kinds) and not any(one.tag == LIVE and len(one) > 1 for one in found)


def sounds_recorded(said: Utterance, language: Language) -> bool:
    """Whether there is anything in it that recordings say."""
    return any(one.tag not in _UNSAID_BY_RECORDINGS for one in _found(said, language))


def _is_screening(kinds: set[str]) -> bool:
    """Who asks for a name and a reason only to call back, or to be left them, is a voicemail; and a person asks both,
    too, but seldom without a word that only people say."""
    if SCREENS in kinds:
        return bool(kinds & {ASKS_NAME, ASKS_WHY})
    return {ASKS_NAME, ASKS_WHY} <= kinds and not kinds & _NOT_TO_BE_SCREENED


def _is_network(found: list[Found]) -> bool:
    """An announcement of the network: it says twice what is wrong, or once with its own way to speak of a callee."""
    kinds = {one.tag for one in found}
    if kinds & {LIVE, PERSONAL, REPORTED} or kinds & (_OF_VOICEMAIL - {INSTRUCTS}):
        return False
    wrong = len(cover((one for one in found if one.tag == NO_LINE), ()))
    return wrong >= 2 or (wrong == 1 and bool(kinds & {ANNOUNCES, REACHED}))


def _is_voicemail(found: list[Found], said: Utterance, *, has_greeted: bool) -> bool:
    reported_from = min((one.start for one in found if one.tag == REPORTED), default=len(said.words))
    kinds = {one.tag for one in found if one.start < reported_from or one.tag in (LIVE, PERSONAL)}
    own = kinds & _OF_VOICEMAIL
    if own == {INSTRUCTS} and NO_LINE in kinds:  # "the number is not in service, you may hang up"
        return False
    if has_greeted and not own & _OF_NO_PERSON:
        return False
    is_person = LIVE in kinds or (PERSONAL in kinds and not _says_whose(found, said))
    if len(own) >= 2:
        return TONE in own or not is_person
    if not own or is_person:
        return False
    return bool(kinds & _BESIDE) or (own == {LEAVE} and _is_short(found, said))


def _says_whose(found: list[Found], said: Utterance) -> bool:
    """Whether it begins with that: "Hi, you have reached Ray", "It's Ray"."""
    return any(one.tag in (REACHED, NAMES) and said.clauses[one.start] <= 1 for one in found)


def _is_short(found: list[Found], said: Utterance) -> bool:
    """ "Hey, it's Ray. Leave a message.": a name, and nothing behind the wish."""
    end = max(one.end for one in found if one.tag == LEAVE)
    return end == len(said.words) and any(one.tag == NAMES and said.clauses[one.start] <= 1 for one in found)


def _found(said: Utterance, language: Language) -> list[Found]:
    """The longest phrases of each kind; what people say covers the same words of a recording."""
    every = list(_in_place(language.recorded.find(said.words), said))
    live = [one for one in every if one.tag == LIVE]
    own = (LIVE, PERSONAL, REPORTED)
    kept = [one for one in every if one.tag in own or not any(_inside(one, other) for other in live)]
    return [
        one
        for one in kept
        if not any(other.tag == one.tag and len(other) > len(one) and _inside(one, other) for other in kept)
    ]


def _in_place(found: Iterable[Found], said: Utterance) -> Iterator[Found]:
    """What people ask counts where there is a question, at the end of its clause or of the next."""
    for one in found:
        if one.tag != LIVE_ASKED:
            yield one
        elif said.asked & {said.clauses[one.end - 1], said.clauses[one.end - 1] + 1}:
            yield Found(one.start, one.end, LIVE)


def _inside(one: Found, other: Found) -> bool:
    return other.start <= one.start and one.end <= other.end
