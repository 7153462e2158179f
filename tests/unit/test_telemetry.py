"""Logs for people and programs, and never a secret in either."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from collector.telemetry import configure_logging, without_secrets

SECRET = "sesame-opens"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**configured)
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://app:{SECRET}@db:5432/traces",
        f"cannot reach postgresql://app:{SECRET}@db/traces today",
        f"Authorization: Bearer {SECRET}",
        f"{{'authorization': 'bearer {SECRET}'}}",
    ],
)
def test_secrets_inside_texts(text: str):
    assert SECRET not in without_secrets(text)


@pytest.mark.parametrize("text", ["sqlite:////home/ada/traces.db", "http://[::1]:4318/v1/traces", "ada@example.org"])
def test_what_is_no_secret_stays(text: str):
    assert without_secrets(text) == text


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_no_secret_reaches_the_log(stream: type[io.StringIO]):
    output = stream()
    configure_logging("info", output, {})
    log = structlog.get_logger("collector.test")
    log.info("sent", authorization=SECRET, api_keys=[SECRET], headers={"x": SECRET}, url=f"http://u:{SECRET}@h/")
    logging.getLogger("library").warning("connecting to postgresql://app:%s@db/traces", SECRET)
    try:
        raise RuntimeError(f"cannot open postgresql://app:{SECRET}@db/traces")
    except RuntimeError:
        log.exception("failed")
    assert "failed" in output.getvalue()
    assert SECRET not in output.getvalue()


def test_programs_read_json_lines():
    output = io.StringIO()
    configure_logging("info", output, {})
    structlog.get_logger("collector.test").debug("not at this level")
    structlog.get_logger("collector.test").info("stored", spans=3)
    logging.getLogger("library").error("broken %s", "pipe")
    first, second = map(json.loads, output.getvalue().splitlines())
    assert (first["event"], first["spans"], first["level"], first["logger"]) == ("stored", 3, "info", "collector.test")
    assert (second["event"], second["level"]) == ("broken pipe", "error")


def test_colours_on_a_terminal_can_be_refused():
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        output = Terminal()
        configure_logging("info", output, environ)
        structlog.get_logger("collector.test").info("stored")
        assert ("\x1b[" in output.getvalue()) == coloured
