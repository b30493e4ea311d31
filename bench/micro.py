"""What the steps of the media path cost each, alone: microseconds a frame of 20 ms, or a window of 32 ms."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import thread_time

import numpy as np

from bench.figures import Result, median
from bench.options import Options
from bench.talk import faint, voices
from outdial.carriers.twilio.stream import TwilioStream
from outdial.conversation.media_line import MediaLine
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from outdial.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from outdial.media.pacer import Pacer
from outdial.media.recording import Recording
from outdial.media.voice_activity import WINDOW_BYTES, VoiceActivity

REPEATS = 7
BATCHES = (1, 10, 50, 100, 250)
CALLS, CALL_S = 100, 10  # of a conversation
START = (
    '{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC0","streamSid":"MZ0","callSid":"CA0",'
    '"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    '"customParameters":{}},"streamSid":"MZ0"}'
)
STREAM_ID = "MZ0"


def micro(options: Options) -> Result:
    count = options.pick(5000, 200)
    rng = np.random.default_rng(1)
    pcm = rng.normal(0, 1000, FRAME_BYTES // 2).astype("<i2").tobytes()
    rows = [
        {"step": step, "µs": round(_median_us(make, count), 2)}
        for step, make in (
            ("G.711 to PCM", lambda: _each(ulaw_to_pcm, pcm_to_ulaw(pcm))),
            ("PCM to G.711", lambda: _each(pcm_to_ulaw, pcm)),
            ("Twilio message to event", lambda: _receive(pcm)),
            ("PCM to Twilio message", lambda: _audio(pcm)),
            ("recording, both channels, with its writing", lambda: _record(pcm)),
            ("media line: due frame to message (recorded, no socket)", lambda: _media_line(pcm)),
        )
    ]
    rows += [
        {"step": f"voice detection with {size} calls: a window of one", "µs": round(_detection_us(size, rng), 1)}
        for size in options.pick(BATCHES, (1, 10))
    ]
    rows += [
        {"step": f"voice detection with {CALLS} calls: a second of a conversation, {which}", "µs": round(us, 1)}
        for which, us in (
            ("every window looked at", _conversation_us(options, every_window=True)),
            ("faint ones passed over", _conversation_us(options, every_window=False)),
        )
    ]
    return Result(
        name="micro",
        title="Steps of the media path",
        rows=rows,
        notes=[f"Medians of {REPEATS} runs of {count} frames, in CPU time of one thread."],
    )


Run = Callable[[int], float]  # a number of frames → seconds


def _median_us(make: Callable[[], Run], count: int) -> float:
    run = make()
    run(count // 10)
    return median(run(count) for _ in range(REPEATS)) / count * 1e6


def _each(function: Callable[[bytes], object], argument: bytes) -> Run:
    def run(count: int) -> float:
        began = thread_time()
        for _ in range(count):
            function(argument)
        return thread_time() - began

    return run


def _receive(pcm: bytes) -> Run:
    codec = TwilioStream()
    codec.receive(START)
    sender = TwilioStream()
    sender.receive(START)
    payload = sender.audio(pcm).partition('"payload":"')[2].partition('"')[0]
    message = (
        '{"event":"media","sequenceNumber":"1234","media":{"track":"inbound","chunk":"1233","timestamp":"24660",'
        f'"payload":"{payload}"}},"streamSid":"{STREAM_ID}"}}'
    ).encode()
    return _each(codec.receive, message)


def _audio(pcm: bytes) -> Run:
    codec = TwilioStream()
    codec.receive(START)
    return _each(codec.audio, pcm)


def _record(pcm: bytes) -> Run:
    def run(count: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            recording = Recording(Path(folder) / "call.wav")
            began = thread_time()
            for frame in range(count):
                at_ms = frame * FRAME_MS
                recording.callee(at_ms, pcm)
                recording.agent(at_ms, pcm)
                if frame % 50 == 49:
                    recording.flush(at_ms)
            recording.close(count * FRAME_MS)
            return thread_time() - began

    return run


class _NoSocket:
    def send(self, message: str | bytes) -> None:
        pass

    def close(self, code: int = 1000) -> None:
        pass


class _NoListener:
    def on_started(self, started: object) -> None: ...
    def on_audio(self, pcm: bytes, at_ms: int) -> None: ...
    def on_digit(self, digit: str, at_ms: int) -> None: ...
    def on_closed(self, *, orderly: bool) -> None: ...


def _media_line(pcm: bytes) -> Run:
    """Every tick is one frame further: what the pacer does for each call with a frame due."""

    async def play(count: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            recording = Recording(Path(folder) / "call.wav")
            media_line = MediaLine(TwilioStream(), _NoSocket(), Pacer(), _NoListener(), lambda: recording)
            media_line.received(START)
            began_at = asyncio.get_running_loop().time()
            playback = media_line.play()
            playback.feed(pcm * count)
            began = thread_time()
            for frame in range(count):
                media_line.tick(began_at + frame * FRAME_MS / 1000)
                if frame % 50 == 49:
                    recording.flush(frame * FRAME_MS)
            took = thread_time() - began
            media_line.close()
            return took

    return lambda count: asyncio.run(play(count))


def _detection_us(size: int, rng: np.random.Generator) -> float:
    activity = VoiceActivity()
    window = rng.normal(0, 1000, WINDOW_BYTES // 2).astype("<i2").tobytes()
    streams = [activity.open(lambda probability: None) for _ in range(size)]
    seconds = []
    for _ in range(4 + 3 * REPEATS):
        for stream in streams:
            stream.feed(window)
        began = thread_time()
        activity.run_once()
        seconds.append(thread_time() - began)
    return median(seconds[4:]) / size * 1e6


def _conversation_us(options: Options, *, every_window: bool) -> float:
    """Of CPU time, for a call and a second of audio, each call at another place of a conversation."""
    calls, voice = options.pick(CALLS, 5), voices.EVERYWHERE[1]
    voices.prepare(faint.texts([voice]))
    pcm = faint.conversation(voice, faint.LINES["noise at 20 dB"], seed=1)
    size = CALL_S * SAMPLE_RATE_HZ * 2
    activity = VoiceActivity(every_window=every_window)
    places = [(len(pcm) - size) * call // calls // 2 * 2 for call in range(calls)]
    streams = [activity.open(lambda probability: None) for _ in places]
    began = thread_time()
    for at in range(0, size, WINDOW_BYTES):
        for stream, place in zip(streams, places, strict=True):
            stream.feed(pcm[place + at : place + at + WINDOW_BYTES])
        activity.run_once()
    return (thread_time() - began) / calls / CALL_S * 1e6
