"""What the documents say is so: links, commands, options, settings, names and code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
from collector_process import CollectorProcess, collectors, until

import tracekit
from collector import cli, config
from collector.api.openapi import DOCUMENT
from collector.forwarding.settings import REMOTE_SECRETS
from tracekit.evals import cli as experiments
from tracekit.run import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
USER_TEXT = "\n".join(text for name, text in TEXTS.items() if "/adr/" not in name)


def options_of(command: Any) -> set[str]:
    """Those of its subcommands too."""
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    below = (options_of(one) for one in getattr(command, "commands", {}).values())
    return {option for option in own if option.startswith("--")}.union(*below)


COMMANDS = {
    name: options_of(command)
    for name, command in typer.main.get_command(cli.app).commands.items()  # type: ignore[attr-defined]
} | {"run": {*OPTIONS, "--help"}}
COMMANDS["eval"] = COMMANDS.get("eval", set()) | experiments.options()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make (\w+)", USER_TEXT, re.M))
    assert named >= {"demo", "test"}
    assert named <= targets


def test_the_readme_opens_with_demo_and_test() -> None:
    first = blocks(TEXTS["README.md"], "sh")[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]
    assert TEXTS["README.md"].index("make demo") < 40


def test_commands_that_are_named_exist_with_their_options() -> None:
    named = re.findall(r"(?:^|`|\s)tracekit ([a-z]+)((?: +(?:--[a-z-]+|[^\s`-][^\s`]*))*)", USER_TEXT, re.M)
    verbs = [(verb, re.findall(r"--[a-z-]+", rest)) for verb, rest in named if verb in COMMANDS or rest.strip()]
    assert {"serve", "demo"} <= {verb for verb, _ in verbs}
    for verb, options in verbs:
        if options:
            assert set(options) <= COMMANDS[verb], (verb, options)


def test_every_option_that_is_named_exists_and_every_option_of_serve_is_named() -> None:
    standin = {"--port", "--host", "--tokens-per-second"}
    standin |= {"--fail-share", "--fail-kinds", "--seed", "--hang-s", "--retry-after-s"}
    standin.add("--no-deps")  # pip's
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", USER_TEXT))
    assert named <= set.union(*COMMANDS.values()) | standin
    assert COMMANDS["serve"] | COMMANDS["demo"] <= named | {"--help"}


def test_modules_that_are_started_exist() -> None:
    for module in re.findall(r"python -m (examples\.\w+)", USER_TEXT):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


def test_every_setting_is_in_the_list_with_its_variable_flag_and_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \| (?:`(--[a-z-]+)`)? ?\| (?:`([^`]+)`|[^|]*) \|", TEXTS["docs/configuration.md"], re.M
    )
    flags = {"--" + name.replace("_", "-") for name, _, _, _ in rows} & COMMANDS["serve"]
    assert [row[0] for row in rows] == [field.name for field in fields(config.Config)]
    assert {row[2] for row in rows} - {""} == flags
    defaults = config.Config()
    for name, variable, _, default in rows:
        assert variable == f"TRACEKIT_{name.upper()}"
        if default:
            assert default == str(getattr(defaults, name)), name


def test_the_settings_file_that_is_shown_can_be_read(tmp_path: Path) -> None:
    [block] = blocks(TEXTS["docs/configuration.md"], "toml")
    file = tmp_path / "tracekit.toml"
    file.write_text(block)
    loaded = config.load({}, {}, file)
    for name, value in tomllib.loads(block).items():
        assert getattr(loaded, name) == (tuple(value) if isinstance(value, list) else value)


def test_variables_that_are_named_are_read_and_those_of_the_sdk_are_named() -> None:
    of_collector = {f"TRACEKIT_{field.name.upper()}" for field in fields(config.Config)} | {"TRACEKIT_CONFIG"}
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "tracekit").rglob("*.py"))
    of_sdk = set(re.findall(r"[\" `](TRACEKIT_[A-Z_]*[A-Z])", source))
    named = set(re.findall(r"\b(?:TRACEKIT|OTEL)_[A-Z_]*[A-Z]\b", USER_TEXT))
    of_others = {"OTEL_ENDPOINT", "OTEL_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"}
    known = of_collector | of_sdk | of_others | set(re.findall(r"OTEL_[A-Z_]*[A-Z]", source))
    named = {name for name in named if not name.startswith(REMOTE_SECRETS.removeprefix("env:"))}
    assert named <= known, named - known
    in_settings = set(re.findall(r"[\" ](TRACEKIT_[A-Z_]*[A-Z])", (ROOT / "tracekit/config.py").read_text("utf-8")))
    assert in_settings <= set(re.findall(r"TRACEKIT_[A-Z_]*[A-Z]", TEXTS["docs/sdk.md"]))


def test_every_public_name_of_the_sdk_is_in_its_page() -> None:
    page = TEXTS["docs/sdk.md"]
    methods = [name for name, value in vars(tracekit.Span).items() if name.startswith(("set_", "add_", "record_"))]
    kinds = list(type(tracekit.trace).__slots__)
    for name in [*(set(tracekit.__all__) - {"Span"}), *methods, *kinds]:
        assert re.search(rf"\b{name}\b", page), name


def test_the_api_page_lists_every_path() -> None:
    listed = re.findall(r"^\| `([A-Z]+) (/api/v1/\S+)`", TEXTS["docs/api.md"], re.M)
    described = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert sorted(listed) == sorted(described)


def test_nobody_is_told_to_install_somebody_elses_package() -> None:
    wrong = re.compile(r"pip3? install (?:-\S+ )*['\"]?tracekit(?!-llm)")
    assert not wrong.search("\n".join(TEXTS.values()))


def test_decision_records_are_whole_numbered_and_listed() -> None:
    records = [page for page in PAGES if page.parent.name == "adr" and page.name != "README.md"]
    listed = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", TEXTS["docs/adr/README.md"], re.M)
    for number, (record, (label, target, title)) in enumerate(zip(records, listed, strict=True), 1):
        text = record.read_text("utf-8")
        assert (label, target) == (f"{number:04}", record.name)
        assert text.startswith(f"# {label}: {title}\n")
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]


def test_the_changelog_begins_with_what_is_not_released() -> None:
    assert re.findall(r"^## \[(.+?)\]", TEXTS["CHANGELOG.md"], re.M)[0] == "Unreleased"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collectors(tmp_path_factory.mktemp("docs")) as start:
        yield start()


def run(code: str, endpoint: str, folder: Path) -> None:
    file = folder / "shown.py"
    file.write_text(code)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRACEKIT_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, str(file)],
        check=False,
        env=kept | {"TRACEKIT_ENDPOINT": endpoint, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("page", "project", "question", "user"),
    [
        ("README.md", "shop", "What does the kettle hold?", "ada"),
        ("docs/getting-started.md", "my-app", "Does it work?", "ada"),
        ("docs/sdk.md", "shop", "What does the kettle hold?", "ada"),
        ("docs/langchain.md", "support-bot", "What does the kettle hold?", "ada"),
    ],
)
def test_code_that_is_shown_runs_and_is_recorded(
    collector: CollectorProcess, tmp_path: Path, page: str, project: str, question: str, user: str
) -> None:
    before = traces(collector, project)
    code = "\n\n".join(blocks(TEXTS[page], "python"))
    run(code.replace('endpoint="http://127.0.0.1:4318"', f'endpoint="{collector.http}"'), collector.http, tmp_path)
    until(lambda: len(traces(collector, project)) > len(before))
    newest = traces(collector, project)[0]
    assert (newest["input"], newest["user_id"]) == (question, user)


def traces(collector: CollectorProcess, project: str) -> list[dict[str, object]]:
    return list(collector.get(f"/api/v1/traces?project={project}").json()["items"])


def test_addresses_that_are_shown_answer(collector: CollectorProcess) -> None:
    shown = set(re.findall(r"http://127\.0\.0\.1:4318(/[^\s'`]*)", USER_TEXT))
    shown |= set(re.findall(r"`(?:GET )?(/(?:api/|healthz|readyz|metrics)[^\s`{]*)`", USER_TEXT))
    assert len(shown) > 8
    for path in shown - {"/api/v1"}:
        assert collector.get(path).status == 200, path
