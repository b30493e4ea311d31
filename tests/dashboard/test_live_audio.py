"""A live call's sound in a real browser: what both sides say is heard, soon, under the pages' own strict policy."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboard.test_phone_audio import CHROMIUM, STATIC, chromium, fitted
from outdial.api.listening import on_the_wire
from outdial.live.listening_in.tap import BLOCK_MS, Block
from outdial.media.frames import silence
from outdial.media.g711 import pcm_to_ulaw
from outdial.media.tones import tone

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

CALLEE_HZ, AGENT_HZ = 440, 600
QUIET_BLOCKS = 9  # between two pulses
PULSES = 5
AMPLITUDE = 10 ** (-13 / 20) * np.sqrt(2)  # of each tone

SCRIPT = """
import { LiveAudio } from "/static/listening/live_audio.js";
window.levels = [];
window.over = new Promise((done) => (window.isOver = done));
document.querySelector("button").addEventListener("click", async () => {
  const live = (window.live = await LiveAudio.open("/v1/calls/call_1/listen", {
    onLevels: (levels) => window.levels.push(levels),
    onOver: (error) => window.isOver(String(error)),
  }));
  const analyser = new AnalyserNode(live.context, { fftSize: 2048, smoothingTimeConstant: 0 });
  live.output.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  window.pulses = []; // when each began to be heard
  let loud = false;
  window.looking = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const isLoud = samples.some((sample) => Math.abs(sample) > 0.1);
    if (isLoud && !loud) window.pulses.push(Date.now());
    loud = isLoud;
  }, 10);
  const whole = new AnalyserNode(live.context, { fftSize: 16384, smoothingTimeConstant: 0 });
  live.output.connect(whole);
  window.heard = () => {
    const all = new Float32Array(whole.fftSize);
    whole.getFloatTimeDomainData(all);
    return { rate: live.context.sampleRate, samples: Array.from(all) };
  };
});
"""


class Call:
    """Pulses of the callee's at first, then both sides' tones for as long as `goes_on`."""

    def __init__(self) -> None:
        self.pulses_at: list[float] = []
        self.goes_on = True

    async def blocks(self) -> AsyncIterator[bytes]:
        callee, agent = tone((CALLEE_HZ,), 60_000), tone((AGENT_HZ,), 60_000)
        quiet = silence(BLOCK_MS)
        size, number, due = len(quiet), 0, time.monotonic()
        both_from = PULSES * (QUIET_BLOCKS + 1)
        while self.goes_on:
            at = (number - both_from) * size
            pulse = number % (QUIET_BLOCKS + 1) == QUIET_BLOCKS
            if number >= both_from:
                sides = callee[at : at + size], agent[at : at + size]
            else:
                sides = (callee[:size] if pulse else quiet), quiet
                if pulse:
                    self.pulses_at.append(time.time())
            block = Block(at_ms=number * BLOCK_MS, callee=pcm_to_ulaw(sides[0]), agent=pcm_to_ulaw(sides[1]))
            wire = on_the_wire(block)
            yield wire[:500]  # a network cuts it anywhere
            yield wire[500:]
            number += 1
            due += BLOCK_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))


@contextlib.asynccontextmanager
async def pages(call: Call) -> AsyncIterator[str]:
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"

    async def page(request) -> Response:
        html = "<!doctype html><title>Call</title><script type=module src=/page.js></script><button>Listen</button>"
        return Response(html, media_type="text/html", headers={"content-security-policy": policy})

    async def script(request) -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    async def listen(request) -> Response:
        return StreamingResponse(call.blocks(), media_type="application/octet-stream")

    routes = [
        Route("/", page),
        Route("/page.js", script),
        Route("/v1/calls/call_1/listen", listen, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning", ws="none", lifespan="off"))
    server.capture_signals = contextlib.nullcontext
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        call.goes_on = False
        server.should_exit = True
        await serving
        listener.close()


async def test_both_sides_are_heard_within_a_second_until_one_mutes_or_the_call_ends():
    call = Call()
    async with pages(call) as url, chromium(None) as browser:
        page = await browser.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(url)
        await page.click("button")
        async with asyncio.timeout(30):
            while await page.evaluate("window.pulses?.length ?? 0") < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await asyncio.sleep(max(0.0, (PULSES + 1 - len(call.pulses_at)) * 1.0))
        fits = []
        for _ in range(40):  # a busy browser may leave gaps, but not everywhere
            one = await page.evaluate("heard()")
            samples, rate = np.array(one["samples"]), one["rate"]
            callee, _ = fitted(samples, rate, CALLEE_HZ)
            agent, _ = fitted(samples, rate, AGENT_HZ)
            rest = without(samples, rate, CALLEE_HZ, AGENT_HZ)
            fits.append((rest, callee, agent))
            if min(fits)[0] < AMPLITUDE / 10:
                break
            await asyncio.sleep(0.2)
        heard_at = [at / 1000 for at in await page.evaluate("pulses")][: len(call.pulses_at)]
        await page.evaluate("live.muted = true")
        await asyncio.sleep(0.6)
        muted = await page.evaluate("heard()")
        call.goes_on = False
        assert await page.evaluate("over") == "null"  # the server's end is told as such
        assert await page.evaluate("live.context.state") == "closed"
        levels = await page.evaluate("levels")

    assert faults == []
    rest, callee, agent = min(fits)
    assert callee == pytest.approx(AMPLITUDE, rel=0.1)
    assert agent == pytest.approx(AMPLITUDE, rel=0.1)
    assert rest < AMPLITUDE / 10
    lags = [heard - next(sent for sent in reversed(call.pulses_at) if sent <= heard) for heard in heard_at]
    assert min(lags) < 0.5  # and 0.2 s in the tap before
    assert max(abs(sample) for sample in muted["samples"][-4000:]) < 0.01
    loud = {name: max(one[name] for one in levels) for name in ("callee", "agent")}
    assert loud == pytest.approx({"callee": AMPLITUDE / np.sqrt(2), "agent": AMPLITUDE / np.sqrt(2)}, rel=0.1)


def without(samples: np.ndarray, rate_hz: float, *tones_hz: float) -> float:
    """What is left without these tones (RMS)."""
    at = 2 * np.pi * np.arange(len(samples)) / rate_hz
    basis = np.column_stack([one for hz in tones_hz for one in (np.cos(at * hz), np.sin(at * hz))])
    weights, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    return float(np.sqrt(np.mean((samples - basis @ weights) ** 2)))
