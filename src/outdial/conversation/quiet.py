"""Since when the callee is silent, by level: a voice detector goes on for a tenth of a second after a voice, and on a
noisy line for a quarter. Pure.
"""

FAINTEST = 10 ** (-32 / 20)  # of the loudest frame: the softest consonant that a telephone carries
LOUDER = 10 ** (-20 / 20)    # where noise is above this, a level tells nothing of a voice's end
OVER_NOISE = 2.0             # times the noise before


class Quiet:
    """Of one utterance. Levels in RMS of 32768, times in ms on the call clock."""

    def __init__(self, start_ms: int, noise_rms: float) -> None:
        self.sound_ms = start_ms  # the end of its newest frame that can be voice
        self._noise_rms = noise_rms
        self._loudest = 0.0

    def frame(self, rms: float, end_ms: int) -> None:
        self._loudest = max(self._loudest, rms)
        least = max(FAINTEST * self._loudest, OVER_NOISE * self._noise_rms)
        if rms >= min(least, LOUDER * self._loudest):
            self.sound_ms = end_ms
