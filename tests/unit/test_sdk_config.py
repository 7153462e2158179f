"""Arguments over ``TRACEKIT_*`` over ``OTEL_*`` over defaults; what is wrong is logged and never raises."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tracekit.config import resolve


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TRACEKIT_", "OTEL_")):
            monkeypatch.delenv(name)


def test_defaults() -> None:
    config = resolve()
    assert (config.project, config.traces_url) == ("default", "http://127.0.0.1:4318/v1/traces")
    assert (config.capture, config.mask, config.enabled, config.compression) == ("full", None, True, "auto")
    assert (config.max_queue_spans, config.max_queue_bytes) == (65_536, 128 * 1024 * 1024)
    assert config.headers == {}


@pytest.mark.parametrize(
    ("environment", "arguments", "project"),
    [
        ({"OTEL_SERVICE_NAME": "service"}, {}, "service"),
        ({"OTEL_SERVICE_NAME": "service", "TRACEKIT_PROJECT": "project"}, {}, "project"),
        ({"TRACEKIT_PROJECT": "project"}, {"project": "given"}, "given"),
        ({"TRACEKIT_PROJECT": "  "}, {"project": ""}, "default"),
    ],
)
def test_project(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: Any, project: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve(**arguments).project == project


@pytest.mark.parametrize(
    ("environment", "endpoint", "url"),
    [
        ({}, "http://collector:4318", "http://collector:4318/v1/traces"),
        ({}, "http://collector:4318/", "http://collector:4318/v1/traces"),
        ({}, "https://x.org/tracekit", "https://x.org/tracekit/v1/traces"),
        ({}, "http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
        ({}, "localhost:4318", "http://localhost:4318/v1/traces"),
        ({}, "http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ({"TRACEKIT_ENDPOINT": "http://a:1"}, None, "http://a:1/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:2"}, None, "http://b:2/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:3/custom"}, None, "http://c:3/custom"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:3/x", "TRACEKIT_ENDPOINT": "http://a:1"},
            None,
            "http://a:1/v1/traces",
        ),
    ],
)
def test_endpoint(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], endpoint: Any, url: str) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve(endpoint=endpoint).traces_url == url


@pytest.mark.parametrize("endpoint", ["ftp://x", "http://", "http://x:99999", "://", "http://[::1", "   "])
def test_a_bad_endpoint_is_logged(endpoint: str, caplog: pytest.LogCaptureFixture) -> None:
    assert resolve(endpoint=endpoint).traces_url == "http://127.0.0.1:4318/v1/traces"
    assert ("endpoint" in caplog.text) is bool(endpoint.strip())


def test_headers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=1,B=two%20words,broken, authorization=Basic%20x")
    monkeypatch.setenv("TRACEKIT_API_KEY", "from-env")
    assert resolve().headers == {"a": "1", "b": "two words", "authorization": "Bearer from-env"}
    assert resolve(api_key="k", headers={"A": "3"}).headers["authorization"] == "Bearer k"
    assert resolve(headers={"A": "3"}).headers["a"] == "3"
    assert "authorization" not in resolve(api_key="line\nbreak").headers
    assert "left out" in caplog.text and "line" not in caplog.text


def test_switches(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("TRACEKIT_ENABLED", "false")
    assert not resolve().enabled and resolve(enabled=True).enabled
    monkeypatch.delenv("TRACEKIT_ENABLED")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not resolve().enabled
    monkeypatch.setenv("TRACEKIT_CAPTURE", "METADATA")
    assert resolve().capture == "metadata" and resolve(capture="full").capture == "full"
    monkeypatch.setenv("TRACEKIT_CAPTURE", "all")
    assert resolve().capture == "none"
    monkeypatch.setenv("TRACEKIT_INTERVAL", "often")
    monkeypatch.setenv("TRACEKIT_MAX_VALUE_CHARS", "1000")
    config = resolve()
    assert (config.interval, config.limits.max_chars) == (1.0, 1000)
    assert "TRACEKIT_INTERVAL" in caplog.text


def test_settings_of_the_spool_and_of_ends(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    config = resolve()
    assert (config.spool_bytes, config.spool_dir, config.exit_timeout) == (256 * 1024 * 1024, None, 3.0)
    assert not config.flush_at_root
    for name in ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "FUNCTION_TARGET", "FUNCTIONS_WORKER_RUNTIME", "VERCEL"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "f")
            assert resolve().flush_at_root and not resolve(flush_at_root=False).flush_at_root
    monkeypatch.setenv("K_SERVICE", "f")
    monkeypatch.setenv("TRACEKIT_FLUSH_AT_ROOT", "off")
    assert not resolve().flush_at_root and resolve(flush_at_root=True).flush_at_root
    monkeypatch.setenv("TRACEKIT_SPOOL_BYTES", "0")
    monkeypatch.setenv("TRACEKIT_SPOOL_DIR", "/somewhere")
    monkeypatch.setenv("TRACEKIT_EXIT_TIMEOUT", "-1")
    config = resolve()
    assert (config.spool_bytes, config.spool_dir, config.exit_timeout) == (0, "/somewhere", 0.0)
    assert caplog.text == ""


def test_an_argument_that_does_not_exist_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve(endpiont="x") == resolve()
    assert "endpiont" in caplog.text
