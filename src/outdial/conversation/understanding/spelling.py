"""Letters as people spell them: "b as in bravo", "double u", "j, a, n, e"; names and e-mail addresses of them. Pure."""

import re
from dataclasses import dataclass
from functools import cache

from outdial.conversation.understanding.language import Language
from outdial.conversation.understanding.numbers import number_words
from outdial.conversation.understanding.phrase_book import PhraseBook, Words
from outdial.conversation.understanding.utterance import without_accents

MANY = 4        # … also when most of them could be words: "em ay double u en"
FEWEST = 3      # letters in a row that are a spelled word
MAX_NAME = 60   # characters
MOST_WORDS = 5  # of a name

_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}")
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[@._+-]")


class SpellingWords:
    """From the sections [spelling] and [letters] of a language's file; the latter have their accents, as "eñe" isn't
    "ene". `ascii` is how other letters are written in an address."""

    def __init__(self, language: Language) -> None:
        data, accented = language.data.get("spelling", {}), language.data.get("letters", {})
        self.as_in = [tuple(phrase.split()) for phrase in data.get("as_in", ())]
        self.letters: dict[str, str] = accented.get("names", {})  # "double u", "bee"
        self.alphabet: dict[str, str] = data.get("alphabet", {})  # "bravo"
        self.ascii: dict[str, str] = accented.get("ascii", {})
        times = {phrase[0]: value for phrase, value in number_words(language).times.items() if len(phrase) == 1}
        self.times: dict[str, int] = times | data.get("times", {})
        self.signs: dict[str, str] = data.get("signs", {})
        self.before_name = PhraseBook({}, language.plain)
        self.before_name.add("before", data.get("before_name", ()))
        self.after_name = PhraseBook({}, language.plain)
        self.after_name.add("after", data.get("after_name", ()))
        self.before_email = frozenset(data.get("before_email", "").split())
        self.no_name = frozenset(data.get("no_name", "").split()) | language.negations
        self.titles = frozenset(data.get("titles", ()))
        self.particles = frozenset(data.get("particles", "").split())  # "de la", "von": small in a name
        self.longest = max((len(key.split()) for key in (*self.letters, *self.signs)), default=1)


@cache
def spelling_words(language: Language) -> SpellingWords:
    return SpellingWords(language)


@dataclass(frozen=True, slots=True)
class Letter:
    """`words[place:end]` spell `text`. `sure` for what can't be a word besides."""

    text: str
    end: int
    sure: bool


def spelled(text: str, language: Language) -> str:
    """The longest run of letters that was spelled; "" for none of FEWEST letters."""
    spelling = spelling_words(language)
    words = _tokens(text)
    best, place = "", 0
    while place < len(words):
        run, end, sure = "", place, 0
        while letter := letter_at(words, end, spelling):
            run, end, sure = run + letter.text, letter.end, sure + letter.sure
            while end < len(words) and words[end] in "-._":
                end += 1
            if end >= len(words):
                break
        enough = 2 * sure >= len(run) or (sure and len(run) >= MANY)
        if len(run) > len(best) and len(run) >= FEWEST and enough:
            best = run
        place = max(end, place + 1)
    return best


def letter_at(words: Words, place: int, spelling: SpellingWords) -> Letter | None:
    """The letter at `place`, with what explains it ("as in bravo")."""
    if place >= len(words):
        return None
    behind = place + 2 if words[place + 1 : place + 2] == ("-",) else place + 1  # "doppel-l"
    if words[place] in spelling.times and (doubled := letter_at(words, behind, spelling)):
        if (named := _named(words, place, spelling)) is None:
            return Letter(doubled.text * spelling.times[words[place]], doubled.end, doubled.sure)
    else:
        named = _named(words, place, spelling)
    if named is None and len(words[place]) == 1 and words[place].isalpha():
        named = Letter(words[place], place + 1, sure=True)
    if named is None:
        return None
    for phrase in spelling.as_in:
        end = named.end + len(phrase)
        if words[named.end : end] == phrase and end < len(words) and not _are_letters(words, end, phrase, spelling):
            return Letter(words[end][0], end + 1, sure=True)  # the word is understood better than the letter
    return named


def _are_letters(words: Words, end: int, phrase: Words, spelling: SpellingWords) -> bool:
    """Whether what looks like "as in" is the next letter: in "a de e" the "de" is a d, in "a de Ávila" it isn't."""
    if " ".join(phrase) not in spelling.letters:
        return False
    return len(words[end]) == 1 or _named(words, end, spelling) is not None


def _named(words: Words, place: int, spelling: SpellingWords) -> Letter | None:
    for length in range(spelling.longest, 0, -1):
        key = " ".join(words[place : place + length])
        if len(words[place : place + length]) == length and key in spelling.letters:
            return Letter(spelling.letters[key], place + length, sure=length > 1)
    if letter := spelling.alphabet.get(without_accents(words[place])):
        return Letter(letter, place + 1, sure=True)
    return None


def name_in(text: str, language: Language) -> str | None:
    """A name, as it is written; a spelled one counts for more than a heard one."""
    spelling = spelling_words(language)
    if letters := spelled(text, language):
        return letters.capitalize()
    written = re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.replace("\u2019", "'"))
    plain = [(index, word) for index, one in enumerate(written) for word in language.utterance(one).words]
    words = tuple(word for _, word in plain)
    first = 0
    while (end := _prefix(words, first, spelling, language)) > first:
        first = end
    last = min((one.start for one in spelling.after_name.find(words) if one.start > first), default=len(words))
    kept = [index for index, word in plain[first:last] if word not in language.fillers]
    named = list(dict.fromkeys(kept))
    if not named or len(named) > MOST_WORDS or not spelling.no_name.isdisjoint(words[first:last]):
        return None
    small = [index for index in named[1:] if written[index] in spelling.particles]
    return " ".join(written[index] if index in small else _capital(written[index]) for index in named)[:MAX_NAME]


def _prefix(words: Words, place: int, spelling: SpellingWords, language: Language) -> int:
    end = spelling.before_name.longest_at(words, place)
    if end == place and place < len(words) and words[place] in language.fillers | spelling.titles:
        return place + 1
    return end


def _capital(word: str) -> str:
    return word if not word.islower() else "-".join(part[:1].upper() + part[1:] for part in word.split("-"))


def email_in(text: str, language: Language) -> str | None:
    """ "Jane dot doe at example dot com", also letter by letter; None for what is no address."""
    spelling, numbers = spelling_words(language), number_words(language)
    if written := _EMAIL.search(_in_ascii(text.casefold(), spelling)):
        return written[0].rstrip(".")
    words = _tokens(text)
    plain = tuple(without_accents(word) for word in words)
    out, place = "", 0
    while place < len(words):
        mark, end = _sign(plain, place, spelling.signs)
        letter = None if mark or _is_first_name(plain, place, spelling) else letter_at(words, place, spelling)
        if mark:
            out, place = out + mark, end
        elif letter and (letter.sure or _beside_letters(words, place, letter.end, spelling)):
            out, place = out + _in_ascii(letter.text, spelling), letter.end
        elif found := numbers.small_at(plain, place):
            out, place = out + str(found[0]), found[1]
        else:
            begins = not out.endswith(("@", ".", "_", "-"))
            word = _in_ascii(words[place], spelling)
            out, place = out + (" " if begins and plain[place] in spelling.before_email else word), place + 1
    candidates = [part for part in out.split() if "@" in part]
    found_address = _EMAIL.fullmatch(candidates[-1].strip(".-_")) if candidates else None
    return found_address[0] if found_address else None


def _in_ascii(text: str, spelling: SpellingWords) -> str:
    """ "Müller" as "mueller", "josé" as "jose"."""
    for letter, written in spelling.ascii.items():
        text = text.replace(letter, written)
    return without_accents(text)


def _sign(words: Words, place: int, signs: dict[str, str]) -> tuple[str, int]:
    for length in (3, 2, 1):
        key = " ".join(words[place : place + length])
        if key in signs:
            return signs[key], place + length
    if words[place] in ("@", "_", "+"):
        return words[place], place + 1
    return "", place


def _beside_letters(words: Words, place: int, end: int, spelling: SpellingWords) -> bool:
    """What may be a word is a letter beside a sure one, or among FEWEST of its kind: "m a are k", "em are kay"."""
    before = place > 0 and len(words[place - 1]) == 1 and words[place - 1].isalpha()
    after = end < len(words) and len(words[end]) == 1 and words[end].isalpha()
    first = place
    while first > 0 and words[first - 1] in spelling.letters:
        first -= 1
    while end < len(words) and words[end] in spelling.letters:
        end += 1
    return before or after or end - first >= FEWEST


def _is_first_name(plain: Words, place: int, spelling: SpellingWords) -> bool:
    """ "Mike at example dot com": a word of an alphabet that has none of it, and no letter, beside it."""
    beside = plain[max(0, place - 1) : place] + plain[place + 1 : place + 2]
    letters = [word for word in beside if word in spelling.alphabet or (len(word) == 1 and word.isalpha())]
    return plain[place] in spelling.alphabet and not letters


def _tokens(text: str) -> Words:
    plain = re.sub(r"[.,;:!?]+(?=\s|$)|(?<=\s)-(?=\s)", " ", text.casefold().replace("\u2019", "'"))
    return tuple(_TOKEN.findall(plain))
