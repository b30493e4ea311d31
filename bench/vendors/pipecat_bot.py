"""The same conversation by Pipecat, for comparison: run by the Python of an environment that has `pipecat-ai` 1.14 with
its extras openai, deepgram, cartesia and websocket, and uvicorn with uvloop. Nothing of Outdial's is imported.

It is put together as `pipecat init` does it for Twilio, and everything that costs time and may be left out is: metrics,
RTVI, log lines below warnings. With `recognition` "flux" turns are Flux's, as Pipecat recommends for it (no voice
detection of its own); with "nova" they are Pipecat's default: Silero, and smart-turn v3.

Its first line on stdout has its URL; it ends when its stdin is closed.
"""

import asyncio
import json
import os
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from bench.processes import commands, say

RATE_HZ = 8000
VOICE = "6ccbfb76-1fc6-48f7-b71d-91ac6298247b"

app = FastAPI()
config: dict[str, Any] = {}


@app.websocket("/ws")
async def call(websocket: WebSocket) -> None:
    await websocket.accept()
    _, told = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=told["stream_id"],
        call_sid=told["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    context = LLMContext([{"role": "system", "content": config["instructions"].format(number=told["body"]["to"])}])
    is_flux = config["recognition"] == "flux"
    user_params = LLMUserAggregatorParams() if is_flux else LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    aggregators = LLMContextAggregatorPair(context, user_params=user_params)
    pipeline = Pipeline(
        [
            transport.input(),
            _recognition(is_flux=is_flux),
            aggregators.user(),
            OpenAILLMService(
                api_key="k", base_url=config["model_url"], settings=OpenAILLMService.Settings(model="bench")
            ),
            CartesiaTTSService(
                api_key="k",
                url=f"{config['vendors_url']}/tts/websocket",
                settings=CartesiaTTSService.Settings(voice=VOICE, model="sonic-3"),
            ),
            transport.output(),
            aggregators.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
        enable_rtvi=False,
    )

    @transport.event_handler("on_client_connected")
    async def connected(transport: Any, client: Any) -> None:
        await worker.queue_frames([TTSSpeakFrame(config["greeting"])])

    @transport.event_handler("on_client_disconnected")
    async def disconnected(transport: Any, client: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def _recognition(*, is_flux: bool) -> Any:
    if is_flux:
        return DeepgramFluxSTTService(
            api_key="k",
            url=f"{config['vendors_url']}/v2/listen",
            settings=DeepgramFluxSTTService.Settings(model="flux-general-en"),
        )
    return DeepgramSTTService(
        api_key="k", base_url=config["vendors_url"], settings=DeepgramSTTService.Settings(model="nova-3")
    )


async def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets", loop="uvloop"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    say({"url": f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"})
    async for command in commands():
        match command["do"]:
            case "tasks":
                say(len(asyncio.all_tasks()))
    server.should_exit = True
    server.force_exit = True
    await serving


if __name__ == "__main__":
    config = json.loads(sys.argv[1])
    if config["core"] is not None:
        os.sched_setaffinity(0, {config["core"]})
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    import uvloop

    uvloop.run(main())
