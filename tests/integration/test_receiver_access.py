"""Who may enter: keys, sessions of people, and the pages of others that a browser has open."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import grpc
import pytest
from collector_process import JSON, PROTOBUF, Answer, CollectorProcess, Start, collectors
from google.rpc.status_pb2 import Status
from otlp_requests import as_json, export_request, protobuf, trace_id_of

KEY = "correct-horse"
BEARER = {"Authorization": f"Bearer {KEY}"}
HTML = {"Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector with keys, and one origin whose pages may send."""
    environment = {"TRACEKIT_API_KEYS": f"other,{KEY}", "TRACEKIT_CORS_ORIGINS": SHOP}
    with collectors(tmp_path_factory.mktemp("locked")) as start:
        yield start(env=environment)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}]
)
def test_without_a_key_nothing_opens(locked: CollectorProcess, headers: dict[str, str]):
    refused = locked.post("/v1/traces", protobuf(export_request()), PROTOBUF | headers)
    assert (refused.status, Status.FromString(refused.body).code) == (401, 16)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert locked.post("/v1/traces", as_json(export_request()), JSON | headers).json()["code"] == 16
    api = locked.get("/api/v1/projects", headers)
    assert (api.status, api.headers["content-type"]) == (401, "application/problem+json")
    for path in ("/metrics", "/traces", "/nothing"):
        assert locked.get(path, headers).status == 401
    assert locked.get(f"/traces?key={KEY}", headers).status == 401


def test_health_needs_no_key(locked: CollectorProcess):
    assert (locked.get("/healthz").status, locked.get("/readyz").status) == (200, 200)


def test_a_key_opens_everything(locked: CollectorProcess):
    assert locked.post("/v1/traces", protobuf(export_request(1)), PROTOBUF | BEARER).status == 200
    assert locked.get(f"/api/v1/traces/{trace_id_of(1).hex()}", BEARER).status == 200
    assert locked.get("/traces", BEARER).status == 200
    assert locked.get("/metrics", BEARER).status == 200


def test_grpc_asks_for_the_key_too(locked: CollectorProcess):
    with grpc.insecure_channel(str(locked.grpc)) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as raised:
            export(protobuf(export_request(2)), timeout=30)
        assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert export(protobuf(export_request(2)), timeout=30, metadata=[("authorization", f"Bearer {KEY}")]) == b""


def sign_in(collector: CollectorProcess, key: str, target: str = "/traces", **headers: str) -> Answer:
    return collector.post(f"/login?{urlencode({'next': target})}", urlencode({"key": key}), FORM | headers)


def test_people_sign_in_once(locked: CollectorProcess):
    sent_away = locked.get("/traces", HTML)
    assert (sent_away.status, sent_away.headers["location"]) == (303, "/login?next=/traces")
    form = locked.get("/login?next=/traces", HTML)
    assert (form.status, b'type="password"' in form.body) == (200, True)
    entered = sign_in(locked, KEY)
    cookie, *attributes = entered.headers["set-cookie"].split("; ")
    assert (entered.status, entered.headers["location"]) == (303, "/traces")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    assert KEY not in cookie
    assert locked.get("/traces", HTML | {"Cookie": cookie}).status == 200
    assert locked.get("/api/v1/projects", {"Cookie": cookie}).status == 200
    assert locked.get("/traces", {"Cookie": cookie[:-1] + "0"}).status in (200, 401)
    assert locked.get("/traces", {"Cookie": cookie.replace("=", "=9", 1)}).status == 401
    assert locked.post("/v1/traces", protobuf(export_request()), PROTOBUF | {"Cookie": cookie}).status == 401


@pytest.mark.parametrize("key", ["wrong", "", KEY + "x", "\udcff"])
def test_a_wrong_key_is_said_to_be_wrong(locked: CollectorProcess, key: str):
    refused = locked.post("/login", urlencode({"key": key}, errors="surrogateescape"), FORM)
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/\r\nx: y"])
def test_signing_in_never_leads_elsewhere(locked: CollectorProcess, target: str):
    location = sign_in(locked, KEY, target).headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_markup_in_the_address_stays_text(locked: CollectorProcess):
    page = locked.get("/login?next=/%22%3E%3Cscript%3E").body
    assert b"<script" not in page


def test_the_form_is_bounded(locked: CollectorProcess):
    assert locked.post("/login", "key=" + "x" * 100_000, FORM).status == 413


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "http://127.0.0.1:1"])
def test_pages_of_others_cannot_post(collector_process: CollectorProcess, origin: str):
    refused = collector_process.post("/v1/traces", as_json(export_request()), JSON | {"Origin": origin})
    assert (refused.status, refused.json()["code"]) == (403, 7)
    assert "access-control-allow-origin" not in refused.headers
    assert collector_process.post("/api/v1/annotations", b"{}", JSON | {"Origin": origin}).status == 403
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert collector_process.request("OPTIONS", "/v1/traces", headers=preflight).status == 405


def test_its_own_pages_can_post(collector_process: CollectorProcess):
    own = {"Origin": collector_process.http}
    assert collector_process.post("/v1/traces", as_json(export_request()), JSON | own).status == 200


def test_pages_of_allowed_origins_can_send(locked: CollectorProcess):
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = locked.request("OPTIONS", "/v1/traces", headers=asked)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, SHOP)
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    sent = locked.post("/v1/traces", as_json(export_request(3)), JSON | BEARER | {"Origin": SHOP})
    assert (sent.status, sent.headers["access-control-allow-origin"]) == (200, SHOP)
    refused = locked.post("/v1/traces", as_json(export_request(3)), JSON | {"Origin": SHOP})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, SHOP)
    assert locked.post("/login", "key=x", FORM | {"Origin": SHOP}).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4318", "localhost.evil.example", "", "[", "10.0.0.1"])
def test_a_rebound_name_does_not_open_a_collector_on_loopback(collector_process: CollectorProcess, host: str):
    assert collector_process.get("/traces", {"Host": host}).status == 421
    problem = collector_process.get("/api/v1/projects", {"Host": host})
    assert (problem.status, problem.headers["content-type"]) == (421, "application/problem+json")
    rebound = JSON | {"Host": host, "Origin": f"http://{host}"}
    assert collector_process.post("/v1/traces", as_json(export_request()), rebound).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "app.localhost", "127.0.0.1", "127.9.9.9:1", "[::1]:80"])
def test_loopback_has_many_names(collector_process: CollectorProcess, host: str):
    assert collector_process.get("/api/v1/projects", {"Host": host}).status == 200


def test_exporters_may_use_any_name(collector_process: CollectorProcess):
    named = JSON | {"Host": "collector.internal"}
    assert collector_process.post("/v1/traces", as_json(export_request()), named).status == 200


def test_names_can_be_allowed(start_collector: Start):
    collector = start_collector("--grpc-port", "off", env={"TRACEKIT_ALLOWED_HOSTS": "traces.example"})
    assert collector.ready["grpc"] is None
    assert collector.get("/api/v1/projects", {"Host": "traces.example"}).status == 200


def test_without_keys_every_interface_is_open_and_the_log_says_so(
    start_collector: Start, collector_process: CollectorProcess
):
    collector = start_collector("--host", "0.0.0.0", "--grpc-port", "off")
    assert "TRACEKIT_API_KEYS" in collector.stderr()
    assert collector.get("/api/v1/projects", {"Host": "anything.example"}).status == 200
    assert "TRACEKIT_API_KEYS" not in collector_process.stderr()
