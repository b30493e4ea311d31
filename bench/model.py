"""The simulated model of `llm`, a process of its own: a server with OpenAI's interface that says the same to everybody,
each token at its time, and notes when. It does no more than that, so that little of its core is needed.

Told what to do in JSON lines:

    {"do": "be_bad"}    from now on it has faults, and hangs up at the end of each answer → null
    {"do": "asked"}     → how often it was asked, and with which faults it answered
    {"do": "answers"}   → [[the number that stands in the instructions, perf_counter() when the request was here, … when
                          the first token left, … when the token left that ends the first sentence], …] since the last
                          time
"""

import asyncio
import json
import random
import re
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import uvloop

from bench import machine
from bench.processes import commands, say
from bench.vendors import tags

FIRST_TOKEN_S = 0.3
TOKEN_S = 0.02
SENTENCES = ("That works well for us.", "Which day suits you best?")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NUMBER = re.compile(rb"\+\d{7,15}")

FAULTS = ("error", "reset", "cut", "hang", "junk", "quiet")
FAULT_SHARE = 0.3
HANG_UP = {"index": 0, "id": "call_1", "type": "function",
           "function": {"name": "hang_up", "arguments": '{"goodbye": "", "outcome": "booked"}'}}  # fmt: skip
_faults: dict[str, int] = {}
_bad = False
_tagged = False  # each answer has a word in it that says whose it is

_answers: list[tuple[str, float, float, float]] = []


def tokens() -> Iterator[tuple[str, bool]]:
    """Each with whether it ends the first sentence."""
    for place, sentence in enumerate(SENTENCES):
        words = sentence.split(" ")
        for number, word in enumerate(words):
            yield (word if place == number == 0 else f" {word}"), place == 0 and number == len(words) - 1


def event(delta: dict[str, Any], finish: str | None = None, **others: Any) -> bytes:
    choices = [] if others else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    data = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench", **others}
    return framed(f"data: {json.dumps(data | {'choices': choices})}\n\n".encode())


def framed(data: bytes) -> bytes:
    """As a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BEGINNING = event({"role": "assistant", "content": ""})
TOKENS = [(event({"content": text}), ends) for text, ends in tokens()]
TAGGED = [(event({"content": f" {SENTENCES[0].split()[0].lower()}"}), False), *TOKENS[1:]]  # after a first word
USAGE = {"prompt_tokens": 300, "completion_tokens": len(TOKENS), "total_tokens": 300 + len(TOKENS)}
END = event({}, "stop") + event({}, usage=USAGE) + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
NO_MODELS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"data": [ ]}'


ENDING = event({"tool_calls": [HANG_UP]}) + event({}, "tool_calls") + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
ERROR = b'{"error": {"code": "overloaded"}}'
REFUSED = b"HTTP/1.1 503 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ERROR), ERROR)


async def misbehave(writer: StreamWriter) -> None:
    """An answer with one fault, or none but that it hangs up. Raises ConnectionError where that ends the connection."""
    fault = random.choice(FAULTS) if random.random() < FAULT_SHARE else "none"
    _faults[fault] = _faults.get(fault, 0) + 1
    if fault == "error":
        writer.write(REFUSED)
        return
    await asyncio.sleep(FIRST_TOKEN_S)
    writer.write(HEAD + BEGINNING)
    for data, ends in TOKENS:
        await asyncio.sleep(TOKEN_S)
        _write(writer, data)
        if ends:
            break
        if fault == "reset":
            writer.transport.abort()
            raise ConnectionError
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "junk":
            writer.write(framed(b"data: {]\n\n"))
    match fault:
        case "cut":
            writer.write(b"0\r\n\r\n")
        case "quiet":
            await asyncio.sleep(8)
            _write(writer, ENDING)
        case _:
            _write(writer, ENDING)


def _write(writer: StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        raise ConnectionError  # whoever asked has left
    writer.write(data)


async def serve(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if head.startswith(b"GET"):
                writer.write(NO_MODELS)
            elif _bad:
                await misbehave(writer)
            else:
                await answer(body, perf_counter(), writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def answer(body: bytes, asked: float, writer: StreamWriter) -> None:
    number = _NUMBER.search(body)
    events = TOKENS
    if _tagged and number is not None:
        events = [(event({"content": f"{tags.word(tags.number_of(number[0].decode()))},"}), False), *TAGGED]
    first = ended = 0.0
    due = asked + FIRST_TOKEN_S
    for place, (data, ends) in enumerate(events):
        await asyncio.sleep(due - perf_counter())
        if writer.is_closing():
            return
        due += TOKEN_S
        first = first or perf_counter()
        if ends:
            ended = perf_counter()
        writer.write(data if place else HEAD + BEGINNING + data)
    writer.write(END)
    _answers.append((number[0].decode() if number else "", asked, first, ended))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    say({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"})
    async for command in commands():
        match command["do"]:
            case "be_bad":
                global _bad
                _bad = True
                say(None)
            case "asked":
                say(_faults)
            case "answers":
                say(_answers)
                _answers.clear()


if __name__ == "__main__":
    config = json.loads(sys.argv[1])
    machine.pin(config["core"])
    _tagged = config.get("tagged", False)
    uvloop.run(main())
