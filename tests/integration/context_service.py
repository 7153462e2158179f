"""A web service in a process of its own, traced by tracekit: ``python context_service.py NAME [COLLECTOR] [MODEL]``.

``fastapi`` and ``starlette`` have OpenTelemetry's instrumentations, ``plain`` has ``tracekit.continue_trace`` alone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import tracekit
from tracekit import trace

READY_SECONDS = 30.0


@trace(name="answer")
async def answer() -> str:
    return "42"


def chunks(client: Any) -> Any:
    message = {"role": "user", "content": "Tell me a long story about a kettle."}
    return client.chat.completions.create(model="gpt-4o", stream=True, messages=[message])


@trace.llm(name="tokens")
async def tokens(model: str) -> AsyncIterator[str]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=model, api_key="none") as client:
        async for chunk in await chunks(client):
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""


@trace.llm(name="tokens")
def sync_tokens(model: str) -> Iterator[str]:
    from openai import OpenAI

    with OpenAI(base_url=model, api_key="none") as client:
        for chunk in chunks(client):
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""


def fastapi_app(model: str) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    app = FastAPI()
    app.get("/answer")(answer)

    @app.get("/chat")
    @trace(name="chat")
    async def chat() -> Any:
        return StreamingResponse(tokens(model))

    @app.get("/sync")
    @trace(name="chat")
    def sync_chat() -> Any:
        return StreamingResponse(sync_tokens(model))

    @app.get("/collect")
    def collect() -> int:
        """What Starlette leaves of a synchronous generator whose reader went away is garbage in a cycle."""
        return gc.collect()

    FastAPIInstrumentor.instrument_app(app)
    return app


def starlette_app(_: str) -> Any:
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor

    app = _answering()
    StarletteInstrumentor.instrument_app(app)
    return app


def plain_app(_: str) -> Any:
    inner = _answering()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await inner(scope, receive, send)
        async with tracekit.continue_trace(scope["headers"]):
            return await inner(scope, receive, send)

    return app


def _answering() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def respond(_: Any) -> Any:
        return PlainTextResponse(await answer())

    return Starlette(routes=[Route("/answer", respond)])


APPS = {"fastapi": fastapi_app, "starlette": starlette_app, "plain": plain_app}


def main(name: str, collector: str, model: str = "") -> None:
    import uvicorn

    tracekit.init("service", collector)
    app = APPS[name](model)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listening])


@contextlib.contextmanager
def service(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[str, Path]]:
    """The running service's address and the file that it writes its errors to; it is stopped at the end."""
    errors = folder / f"service-{'-'.join(arguments[:1])}.txt"
    root = str(Path(__file__).parents[2])
    command = [sys.executable, __file__, *arguments]
    settings = {"PYTHONPATH": root, "TRACEKIT_INTERVAL": "0.05", "NO_PROXY": "*", **environment}
    with errors.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **settings})
    assert process.stdout is not None
    try:
        readable, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
        line = process.stdout.readline() if readable else b""
        assert line, errors.read_text()
        yield f"http://127.0.0.1:{int(line)}", errors
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(READY_SECONDS)
        process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
