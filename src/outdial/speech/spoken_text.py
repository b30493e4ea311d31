"""Text made fit to be spoken: it comes from scripts, models and the variables of whoever placed the call."""

import logging
import unicodedata

logger = logging.getLogger(__name__)

MAX_CHARS = 5000  # some five minutes of speech

# Hibari takes [word](/phonemes/) as markup. Without square brackets there is none.
_PLAIN_BRACKETS = str.maketrans({"[": "(", "]": ")"})


def spoken(text: str) -> str:
    """`text` in one line without control characters and markup, not longer than MAX_CHARS; "" when there
    is nothing to say in it."""
    text = unicodedata.normalize("NFKC", text[: 2 * MAX_CHARS])  # also turns wide brackets into plain ones
    text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    text = " ".join(text.translate(_PLAIN_BRACKETS).split())
    if len(text) > MAX_CHARS:
        logger.warning("Spoken text cut at its limit", extra={"max_chars": MAX_CHARS})
        text = text[:MAX_CHARS].rsplit(" ", 1)[0]
    return text if any(char.isalnum() for char in text) else ""
