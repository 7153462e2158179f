"""One frozen ``Config``: flags before environment (``TRACEKIT_*``) before file (TOML) before defaults.

Every fault of every source is reported at once, named by where it was said.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

MIB: Final = 1024 * 1024
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
LogLevel = Literal["debug", "info", "warning", "error"]


def default_database_url(environ: Mapping[str, str] = os.environ) -> str:
    """A SQLite file where the user's programs keep their data (XDG base directories)."""
    base = environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return f"sqlite:///{Path(base) / 'tracekit' / 'tracekit.db'}"


Pattern = Literal["email", "phone", "card", "secret"]


@validated(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Redact:
    """What is masked in the spans of a project: patterns, and the values of keys besides the usual names of secrets."""

    patterns: tuple[Pattern, ...] = get_args(Pattern)
    keys: tuple[Annotated[str, Field(min_length=1)], ...] = ()


@validated(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Config:
    """What a collector runs with. Port 0 is any free port; ``grpc_port`` None is no gRPC."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port = 4318
    grpc_port: Port | None = 4317
    database_url: Annotated[str, Field(min_length=1)] = field(default_factory=default_database_url)
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    log_level: LogLevel = "info"
    #: keys that senders, scripts and people must show; none: nobody has to
    api_keys: tuple[Annotated[str, Field(pattern=r"^[!-~]+$")], ...] = ()
    #: origins of web pages whose exporters may send here (``https://shop.example``, ``*`` for all)
    cors_origins: tuple[str, ...] = ()
    #: names besides loopback's own that a browser may call a collector on loopback by
    allowed_hosts: tuple[str, ...] = ()
    max_body_bytes: Positive = 32 * MIB
    max_decompressed_bytes: Positive = 64 * MIB
    #: bodies received and not yet stored, of all requests together
    max_buffered_bytes: Positive = 256 * MIB
    #: from a request's head to the last byte of its body
    body_timeout_s: Seconds = 30.0
    #: from SIGTERM to exit
    shutdown_timeout_s: Seconds = 15.0
    #: project -> what is masked in its spans; ``*`` holds for projects that are not named
    redact: Mapping[str, Redact] = field(default_factory=dict)
    #: name -> where spans are sent on to (see docs/forwarding.md)
    destinations: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    #: name -> what is evaluated, and by what (see docs/evaluation.md)
    rules: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    #: the only folder that rules load evaluators written in Python from; none: they load none
    evaluators_dir: Path | None = None
    #: a trace without a root, and a session, is complete when nothing was added for so long
    evaluation_quiet_s: Seconds = 30.0
    evaluation_session_quiet_s: Seconds = 300.0


class ConfigFaults(ValueError):
    """All that is wrong with the settings, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(self.faults))


_NAMES: Final = frozenset(f.name for f in fields(Config))
_LISTS: Final = frozenset({"api_keys", "cors_origins", "allowed_hosts"})
_ADAPTER: Final = TypeAdapter(Config)


@dataclass(frozen=True, slots=True)
class _Setting:
    value: Any
    #: how the user said it: ``--port``, ``TRACEKIT_PORT``, ``port in tracekit.toml``
    source: str


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None = None) -> Config:
    """The settings of the three sources together. ``flags`` that are None were not given.

    Without ``file``, ``TRACEKIT_CONFIG`` may name one. Raises ``ConfigFaults``.
    """
    path = file or (Path(environ["TRACEKIT_CONFIG"]) if environ.get("TRACEKIT_CONFIG") else None)
    faults: list[str] = []
    settings = _from_file(path, faults) if path else {}
    settings |= _from_environment(environ)
    settings |= {
        name: _Setting(value, "--" + name.replace("_", "-")) for name, value in flags.items() if value is not None
    }
    config = _validate(settings, faults)
    if config is None or faults:
        raise ConfigFaults(faults)
    return config


def _from_file(path: Path, faults: list[str]) -> dict[str, _Setting]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        faults.append(f"{path}: cannot be read ({error.strerror})")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{path}: is not valid TOML ({error})")
        return {}
    faults.extend(f"{name} in {path}: is no setting of the collector" for name in document if name not in _NAMES)
    return {name: _Setting(value, f"{name} in {path}") for name, value in document.items() if name in _NAMES}


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Setting]:
    # Variables that the SDK reads share the prefix, so unknown ones are nobody's fault.
    settings = {}
    for name in _NAMES:
        variable = "TRACEKIT_" + name.upper()
        text = environ.get(variable)
        if text:
            settings[name] = _Setting(text, variable)
    return settings


def _validate(settings: Mapping[str, _Setting], faults: list[str]) -> Config | None:
    values = {name: _parsed(name, setting.value) for name, setting in settings.items()}
    try:
        config = _ADAPTER.validate_python(values)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            name = str(fault["loc"][0])
            source = settings[name].source if name in settings else name
            faults.append(f"{source}: {_message(fault['msg'])}")
        return None
    faults.extend(_faults_between(config, settings))
    return config


def _message(text: str) -> str:
    return text[:1].lower() + text[1:]


def _parsed(name: str, value: Any) -> Any:
    """Texts of flags and environment as the field has them."""
    if name == "grpc_port" and (value in ("off", "none", -1) or value == "-1"):
        return None
    if name == "redact" and isinstance(value, str):
        return _rules(value)
    if name in ("destinations", "rules") and isinstance(value, str):
        return _json_or_text(value)
    if name in _LISTS and isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


def _rules(text: str) -> Any:
    """Of every project: ``all``, or patterns with commas. By project: an object of JSON, as the file has it."""
    if text.strip().startswith("{"):
        return _json_or_text(text)
    patterns = [part.strip() for part in text.split(",") if part.strip()]
    return {"*": {} if patterns == ["all"] else {"patterns": patterns}}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _faults_between(config: Config, settings: Mapping[str, _Setting]) -> Iterable[str]:
    def said(name: str) -> str:
        return settings[name].source if name in settings else name

    if config.max_buffered_bytes < config.max_body_bytes + config.max_decompressed_bytes:
        yield f"{said('max_buffered_bytes')}: must be at least max_body_bytes + max_decompressed_bytes"
    if config.grpc_port and config.grpc_port == config.port:
        yield f"{said('grpc_port')}: is the same as {said('port')}"
    if config.destinations:
        # What judges them is imported where there are any: whoever starts workers stays small.
        from collector.forwarding.settings import FaultySettings, configured

        try:
            configured(config.destinations)
        except FaultySettings as faulty:
            yield from (f"{said('destinations')}: {name}: {detail}" for name, detail in faulty.faults.items())
    if config.rules:
        from collector.evaluation.makers import allow_functions
        from collector.evaluation.settings import FaultyRule
        from collector.evaluation.settings import configured as configured_rules

        allow_functions(config.evaluators_dir)
        try:
            configured_rules(config.rules)
        except FaultyRule as faulty:
            yield from (f"{said('rules')}: {name}: {detail}" for name, detail in faulty.faults.items())
