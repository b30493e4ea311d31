"""What of a text is still to be said after an interruption. Pure."""

from outdial.speech.reading.marks import without_marks


def unheard(text: str, played: str) -> str:
    """What is left of `text` once `played` was heard, from the start of the sentence that was cut off. `played` is as
    it was written down, without marks."""
    words, heard = text.split(), played.split()
    if len(heard) >= len(words):
        return ""
    begun = [without_marks(word) for word in words[: len(heard)]]
    if [word.strip(".,;:!?") for word in heard] != [word.strip(".,;:!?") for word in begun]:
        return text
    sentences = (place for place in range(1, len(heard) + 1) if words[place - 1][-1] in ".!?")
    return " ".join(words[max(sentences, default=0) :])
