"""What the callee's words have to do with our own, said at the same time. Pure."""

import re
from difflib import SequenceMatcher

ENOUGH = 0.6       # of its last clause, and a question was asked
OWN_WORDS = 3      # fewer may be anybody's
OWN_SHARE = 0.75   # of what was heard, in our order
RECENT_WORDS = 60  # of ours
AHEAD_WORDS = 4    # what was heard of us is only known to a few words

_CLAUSE_END = (",", ";", ":", ".", "!", "?", "\u2026", "\u2014")


def has_been_asked(text: str, heard: str) -> bool:
    """Whether a question was heard far enough that an answer is one: most of its last clause was."""
    words, known = text.split(), len(heard.split())
    if not words:
        return False
    ends = [place for place, word in enumerate(words[:-1], 1) if word.endswith(_CLAUSE_END)]
    start = ends[-1] if ends else 0
    return known - start >= max(1, round(ENOUGH * (len(words) - start)))


def is_own(text: str, ours: str, heard: str) -> bool:
    """Whether words the callee seems to say are what we said just now, come back. Few words never are."""
    said, until = _words(text), len(heard.split()) + AHEAD_WORDS
    own = _words(" ".join(ours.split()[max(0, until - RECENT_WORDS) : until]))
    if len(said) < OWN_WORDS:
        return False
    same = sum(match.size for match in SequenceMatcher(None, said, own, autojunk=False).get_matching_blocks())
    return same >= OWN_SHARE * len(said)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())
