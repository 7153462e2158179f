"""Flags before environment before file before defaults, and every fault at once."""

from pathlib import Path

import pytest

from collector.config import Config, ConfigFaults, default_database_url, load


def test_defaults_serve_this_machine_only():
    config = load({}, {})
    assert (config.host, config.port, config.grpc_port, config.workers) == ("127.0.0.1", 4318, 4317, 1)
    assert config.api_keys == ()
    assert config == Config(database_url=config.database_url)


def test_the_default_database_is_where_the_users_data_is():
    assert default_database_url({"XDG_DATA_HOME": "/data"}) == "sqlite:////data/tracekit/tracekit.db"
    assert default_database_url({}) == f"sqlite:///{Path.home()}/.local/share/tracekit/tracekit.db"


def test_precedence(tmp_path: Path):
    file = tmp_path / "tracekit.toml"
    file.write_text('port = 1\ngrpc_port = 2\nworkers = 3\nlog_level = "error"\n')
    environ = {"TRACEKIT_PORT": "10", "TRACEKIT_WORKERS": "30", "TRACEKIT_GRPC_PORT": ""}
    config = load({"port": 100, "workers": None}, environ, file)
    assert (config.port, config.workers, config.grpc_port, config.log_level) == (100, 30, 2, "error")


def test_a_variable_may_name_the_file(tmp_path: Path):
    file = tmp_path / "tracekit.toml"
    file.write_text('api_keys = ["one", "two"]\n')
    assert load({}, {"TRACEKIT_CONFIG": str(file)}).api_keys == ("one", "two")


@pytest.mark.parametrize("value", ["off", "none", "-1", -1])
def test_grpc_can_be_off(value: object):
    assert load({"grpc_port": value}, {}).grpc_port is None


def test_lists_in_variables_are_separated_by_commas():
    config = load({}, {"TRACEKIT_API_KEYS": "one, two,", "TRACEKIT_CORS_ORIGINS": "https://a.example"})
    assert config.api_keys == ("one", "two")
    assert config.cors_origins == ("https://a.example",)


def test_variables_of_the_sdk_are_not_the_collectors_business():
    assert load({}, {"TRACEKIT_ENDPOINT": "http://x", "TRACEKIT_API_KEY": "k"}).api_keys == ()


def test_every_fault_is_reported_and_named_by_its_source(tmp_path: Path):
    file = tmp_path / "tracekit.toml"
    file.write_text('colour = "red"\nlog_level = "loud"\n')
    with pytest.raises(ConfigFaults) as faults:
        load({"port": 70000}, {"TRACEKIT_WORKERS": "many"}, file)
    sources = [fault.partition(":")[0] for fault in sorted(faults.value.faults)]
    assert sources == ["--port", "TRACEKIT_WORKERS", f"colour in {file}", f"log_level in {file}"]


@pytest.mark.parametrize(
    ("content", "word"), [(None, "cannot be read"), (b"port = ", "not valid TOML"), (b"\xff", "not valid TOML")]
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, word: str):
    file = tmp_path / "tracekit.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigFaults, match=word):
        load({}, {}, file)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ({"port": 4317}, "is the same as"),
        ({"max_buffered_bytes": 1}, "must be at least"),
        ({"api_keys": ("ü",)}, "pattern"),
        ({"host": ""}, "at least 1 character"),
    ],
)
def test_settings_that_do_not_fit(flags: dict[str, object], word: str):
    with pytest.raises(ConfigFaults, match=word):
        load(flags, {})


def test_a_secret_is_not_repeated_in_a_fault():
    with pytest.raises(ConfigFaults) as faults:
        load({}, {"TRACEKIT_API_KEYS": "gehe\tim"})
    assert "gehe" not in str(faults.value)
