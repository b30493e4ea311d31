"""What models write and nobody should hear: markup, emoji, thoughts, tool calls left in the text. Pure."""

import re
import unicodedata

_HIDDEN = ("think", "thinking", "thought", "reasoning", "tool_call", "tool_calls", "function_call", "function")
_TAG = re.compile(r"<(/?)\|?([A-Za-z_]{1,30})\|?(?:\s[^<>]{0,200})?>")
_LONGEST_TAG = 240  # characters; what is longer is no tag
_MARKUP = re.compile(r"[*`~]+|^#+ |(?<=\n)#+ ")
_JOINERS = "\ufe0f\u200d\u20e3"


class Unspoken:
    """Takes it out of a text that comes piece by piece."""

    def __init__(self) -> None:
        self._waiting = ""
        self._inside: str | None = None  # the tag whose content nobody hears

    def feed(self, text: str) -> str:
        """What may be said of it by now: what may be the beginning of a tag waits."""
        self._waiting += text
        said = ""
        while True:
            tag = _TAG.search(self._waiting)
            if tag is None:
                break
            if self._inside is None:
                said += self._waiting[: tag.start()]
                if tag[2] in _HIDDEN and not tag[1]:
                    self._inside = tag[2]
            elif tag[1] and tag[2] == self._inside:
                self._inside = None
            self._waiting = self._waiting[tag.end() :]
        begun = self._waiting.rfind("<")
        if begun < 0 or len(self._waiting) - begun > _LONGEST_TAG or self._waiting[begun + 1 : begun + 2].isspace():
            begun = len(self._waiting)
        if self._inside is None:
            said += self._waiting[:begun]
        self._waiting = self._waiting[begun:]
        return _plain(said)

    def rest(self) -> str:
        """What waited, at the end of the text."""
        rest, self._waiting = self._waiting, ""
        return "" if self._inside is not None else _plain(rest)


def _plain(text: str) -> str:
    kept = (c for c in _MARKUP.sub("", text) if unicodedata.category(c) not in ("So", "Cs", "Co") and c not in _JOINERS)
    return "".join(kept)
