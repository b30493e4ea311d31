"""How far a text was said at a moment of its audio. Pure."""

from collections.abc import Sequence

from outdial.speech.base import SpokenWord

MS_PER_CHAR = 65   # English at an easy pace, of a voice nothing is known of yet
NEARLY = 0.85      # said, by an estimate: what is left is most probably the estimate's error


def spoken_until(spoken: str, words: Sequence[SpokenWord], at_ms: int) -> int:
    """How many characters of a text were said whole words then. Words that the voice tells in another way than they
    are written ("five") are passed over."""
    reached = cursor = 0
    for word in words:
        if word.end_ms > at_ms:
            break
        text = word.text.strip()
        found = spoken.find(text, cursor)
        if text and found >= 0:
            reached = cursor = found + len(text)
    return reached


def unsaid(
    text: str, words: Sequence[SpokenWord], given_ms: int, *, ms_per_char: float, may_be_whole: bool = False
) -> str:
    """What is left to say of a text of whose audio there were `given_ms`, from a whole word on: by the voice's word
    times, or else by its pace. `may_be_whole`: nothing broke off, there was only no more."""
    if given_ms <= 0:
        return text
    if words:
        reached = spoken_until(text, words, given_ms + 20)
        known_ms = max((word.end_ms for word in words if word.end_ms <= given_ms + 20), default=0)
        told_later = any(word.end_ms > given_ms + 20 for word in words)
        if told_later or given_ms - known_ms < 400:
            return text[reached:].lstrip()
        return _from_word(text, reached + round((given_ms - known_ms) / ms_per_char))
    reach = given_ms / ms_per_char
    if may_be_whole and reach >= NEARLY * len(text.rstrip()):
        return ""
    return _from_word(text, round(reach))


def _from_word(text: str, at: int) -> str:
    """From the word on that begins nearest to a place in the text."""
    if at >= len(text.rstrip()):
        return ""
    before, after = text.rfind(" ", 0, at) + 1, text.find(" ", at) + 1
    if after <= 0:
        after = len(text)
    return text[before if at - before <= after - at else after :].lstrip()
