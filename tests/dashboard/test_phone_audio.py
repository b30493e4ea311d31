"""The phone's sound in a real browser: what goes into the microphone arrives on the line, and the other way round."""

import asyncio
import contextlib
import shutil
import socket
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import outdial
from outdial.media.frames import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from outdial.media.tones import tone
from outdial.simulator.server import SimulatorConfig, serve
from simulator.customer import Customer
from simulator.customers import Customers

playwright = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

STATIC = Path(outdial.__file__).parent / "dashboard/static"
MICROPHONE_HZ, MICROPHONE_LEVEL = 440, 0.25
AGENT_HZ = 600
TALK_S = 1.0

# A tone is noise to a browser's noise suppression, so the microphone is taken as it is.
SCRIPT = """
import { Phone } from "/static/phone/phone.js";
const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const phone = new Phone({ url: "SIMULATOR/_simulator/phone", microphone: raw });
window.phone = phone;
window.told = [];
for (const type of ["state", "ringing", "answered", "ended", "digit", "replaced", "refused", "problem"])
  phone.addEventListener(type, ({ detail }) => window.told.push(type === "state" ? detail.state : type));
window.became = (state) =>
  new Promise((done) => {
    const look = () => phone.state === state && done();
    phone.addEventListener("state", look);
    look();
  });
phone.connect();
"""
LISTEN = """() => {
  const analyser = new AnalyserNode(phone.output.context, { fftSize: 16384, smoothingTimeConstant: 0 });
  phone.output.connect(analyser);
  window.heard = async () => {
    await new Promise((done) => setTimeout(done, 600));
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    return { rate: phone.output.context.sampleRate, samples: Array.from(samples) };
  };
}"""


def fitted(samples: np.ndarray, rate_hz: float, hz: float) -> tuple[float, float]:
    """How strong the sine of `hz` is (its amplitude), and what is left without it (RMS)."""
    at = 2 * np.pi * hz * np.arange(len(samples)) / rate_hz
    basis = np.column_stack((np.cos(at), np.sin(at)))
    weights, *_ = np.linalg.lstsq(basis, samples, rcond=None)
    return float(np.hypot(*weights)), float(np.sqrt(np.mean((samples - basis @ weights) ** 2)))


def is_the_agent(one: dict) -> bool:
    """Whether all that was heard is the agent's tone."""
    amplitude, rest = fitted(np.array(one["samples"]), one["rate"], AGENT_HZ)
    return amplitude > 0.1 and rest < amplitude / 10


@contextlib.asynccontextmanager
async def pages(simulator_url: str) -> AsyncIterator[str]:
    """A server with the phone's modules and a page around them, under a strict policy; its address."""
    websocket = simulator_url.replace("http", "ws", 1)
    policy = f"default-src 'none'; script-src 'self'; connect-src {websocket}"

    async def page(request) -> Response:
        html = "<!doctype html><title>Phone</title><script type=module src=/page.js></script><button>Click</button>"
        return Response(html, media_type="text/html", headers={"content-security-policy": policy})

    async def script(request) -> Response:
        return Response(SCRIPT.replace("SIMULATOR", websocket), media_type="text/javascript")

    routes = [Route("/", page), Route("/page.js", script), Mount("/static", StaticFiles(directory=STATIC))]
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning", ws="none", lifespan="off"))
    server.capture_signals = contextlib.nullcontext
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


@contextlib.asynccontextmanager
async def chromium(microphone: Path | None) -> AsyncIterator:
    """A browser whose microphone is that file, or that may use none."""
    args = ["--no-sandbox", "--disable-gpu"]
    if microphone is not None:
        args += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ]
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=args)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
def microphone(tmp_path) -> Path:
    """A sine, longer than the call: where Chromium begins anew, there is a seam."""
    path = tmp_path / "microphone.wav"
    samples = MICROPHONE_LEVEL * np.sin(2 * np.pi * MICROPHONE_HZ * np.arange(90 * 48_000) / 48_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((32767 * samples).astype("<i2").tobytes())
    return path


async def test_a_conversation_sounds_the_same_at_both_ends(microphone, tmp_path):
    config = SimulatorConfig(pace=0.05, calls_per_second=0, recordings_dir=tmp_path)
    async with (
        Customers(Customer).serve() as customers,
        serve(config) as simulator,
        pages(simulator.base_url) as page_url,
        chromium(microphone) as browser,
    ):
        customer = customers.new(config.auth_token)
        agent_says = tone((AGENT_HZ,), 60_000)

        async def talk(stream) -> None:
            await stream.until("start")
            await stream.say(agent_says)
            await stream.until("stop")

        customer.talk = talk
        page = await browser.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        sent: list[int] = []  # frames from the microphone: their lengths

        def watch(websocket) -> None:
            websocket.on("framesent", lambda data: sent.append(len(data)) if isinstance(data, bytes) else None)

        page.on("websocket", watch)
        await page.goto(page_url)
        await page.evaluate("became('ready')")
        await page.click("button")  # sound needs one
        call = await place(simulator, config, customer)
        await page.evaluate("became('ringing')")
        await page.evaluate("phone.answer()")
        await page.evaluate("became('talking')")
        talking_at = await page.evaluate("phone.output.context.currentTime")
        await page.evaluate(LISTEN)
        await asyncio.sleep(TALK_S)
        heard, levels = [], []
        for _ in range(40):  # a busy browser may begin late
            heard.append(await page.evaluate("heard()"))
            levels.append((await page.evaluate("phone.level"))["heard"])
            if len(heard) >= 3 and is_the_agent(heard[-1]):
                break
            await asyncio.sleep(0.1)
        await page.evaluate("phone.press('7')")
        await asyncio.sleep(0.4)
        ended_at = await page.evaluate("(({ currentTime }) => (phone.hangUp(), currentTime))(phone.output.context)")
        await page.evaluate("became('ready')")
        final = await customer.wait_for_end()
        told = await page.evaluate("told")

    assert faults == []
    assert told == ["connecting", "ready", "ringing", "ringing", "talking", "answered", "ready", "ended"]
    assert final["CallStatus"] == "completed"
    assert [message["dtmf"]["digit"] for message in customer.streams[0].of("dtmf")] == ["7"]

    # The agent, in the browser: pitch, level, and nothing but that. A busy machine may leave gaps, but not everywhere.
    fits = [fitted(np.array(one["samples"]), one["rate"], AGENT_HZ) for one in heard]
    amplitude, rest = min(fits, key=lambda fit: fit[1])
    assert amplitude == pytest.approx(10 ** (-13 / 20) * np.sqrt(2), rel=0.05)
    assert rest < amplitude / 10
    assert max(levels) == pytest.approx(10 ** (-13 / 20), rel=0.1)

    # The microphone, at the other end: the same, in windows of a quarter of a second.
    with wave.open(str(tmp_path / f"{call['sid']}.wav")) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2) / 32768
    said = both[:, 0]
    fits = [
        fitted(said[at : at + SAMPLE_RATE_HZ // 4], SAMPLE_RATE_HZ, MICROPHONE_HZ)
        for at in range(0, len(said) - SAMPLE_RATE_HZ // 4, SAMPLE_RATE_HZ // 20)
    ]
    amplitude, rest = min((fit for fit in fits if fit[0] > MICROPHONE_LEVEL / 2), key=lambda fit: fit[1])
    assert amplitude == pytest.approx(MICROPHONE_LEVEL, rel=0.02)
    assert rest < amplitude / 50

    # Whole frames, as many as the browser's own clock says, which is fast after it was slow; a few may be on their way.
    assert set(sent) == {FRAME_BYTES}
    assert 500 * (ended_at - talking_at) < len(sent) * FRAME_MS < 1000 * ended_at + 500


async def test_without_a_microphone_it_rings_on_and_a_lost_simulator_is_found_again():
    config = SimulatorConfig(pace=0.05, calls_per_second=0)
    async with contextlib.AsyncExitStack() as stack:
        customers = await stack.enter_async_context(Customers(Customer).serve())
        browser = await stack.enter_async_context(chromium(None))
        async with serve(config) as simulator:
            page = await browser.new_page()
            await page.goto(await stack.enter_async_context(pages(simulator.base_url)))
            await page.evaluate("became('ready')")
            await page.click("button")
            await place(simulator, config, customers.new(config.auth_token))
            await page.evaluate("became('ringing')")
            assert await page.evaluate("phone.answer().catch((error) => [error.name, phone.state])") == [
                "MicrophoneUnavailable",
                "ringing",
            ]
            await page.evaluate("phone.answer({ listenOnly: true })")
            await page.evaluate("became('talking')")
        await page.evaluate("became('connecting')")
        async with serve(config, port=int(simulator.base_url.rpartition(":")[2])):
            await page.evaluate("became('ready')")
            assert await page.evaluate("phone.number") == config.phone_number
            await page.evaluate("phone.close()")
            assert await page.evaluate("[phone.state, phone.output]") == ["offline", None]


async def place(simulator, config, customer) -> dict:
    auth = (config.account_sid, config.auth_token)
    async with httpx.AsyncClient(base_url=simulator.base_url, auth=auth, trust_env=False) as http:
        form = {
            "To": config.phone_number,
            "From": config.numbers[0],
            "Twiml": customer.connect(),
            "StatusCallback": customer.url("status"),
        }
        reply = await http.post(f"/2010-04-01/Accounts/{config.account_sid}/Calls.json", data=form)
        return reply.raise_for_status().json()
