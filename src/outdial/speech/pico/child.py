"""The process that Pico speaks in: its library holds the interpreter's lock for as long as it makes audio, which would
keep every call of its process waiting, and two of its threads disturb each other.

Run by its path, without the rest of Outdial. A line of JSON in (`voice`, `text`), the audio out: its length in 4 bytes
(big-endian), and PCM16 at 16 kHz; no audio is an answer, too, and the first one, when it is ready. It ends when nobody
writes to it any more.
"""

import json
import sys

MARKUP = str.maketrans("<>", "  ")  # tags are orders; voice.py leaves none


def main() -> None:
    from py_nanotts import NanoTTS

    engine, out = NanoTTS(), sys.stdout.buffer
    out.write(bytes(4))
    out.flush()
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            pcm = engine.speak(asked["text"].translate(MARKUP), voice=asked["voice"])
        except Exception:  # of a text; the next one is another
            pcm = b""
        out.write(len(pcm).to_bytes(4, "big") + pcm)
        out.flush()


if __name__ == "__main__":
    main()
