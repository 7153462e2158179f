"""``tracekit destination`` and ``tracekit forward``: where spans are sent on to, and how that goes.

They work on the collector's database, whether it runs or not: a running collector follows within a second.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from collector.cli_options import DatabaseUrl, Json, fail, opened_store, pairs, settings_in

destination_app = typer.Typer(help="Where spans are sent on to.", no_args_is_help=True, rich_markup_mode="markdown")
forward_app = typer.Typer(help="What waits for destinations, and what they refused.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The destination's name.")]
Texts = Annotated[list[str] | None, typer.Option()]

_ADD_EPILOG = """
**Examples**

- `tracekit destination add local --kind phoenix --endpoint http://127.0.0.1:6006`

- `tracekit destination add work --kind langsmith --endpoint https://api.smith.langchain.com --api-key env:LANGSMITH_API_KEY --project shop --from 7d`

- `tracekit destination add backend --kind otlp --endpoint http://otel:4317 --option protocol=grpc --filter "kind == 'llm'"`

- `tracekit destination add files --kind archive --endpoint /srv/traces`
"""  # noqa: E501 - a command is one line


@destination_app.command(epilog=_ADD_EPILOG)
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help="phoenix, langsmith, otlp or archive.")],
    endpoint: Annotated[str, typer.Option(help="Its address; of an archive a directory or s3://bucket/prefix.")],
    api_key: Annotated[
        str | None, typer.Option(help="Where its key is found: env:NAME or file:/path. Never the key itself.")
    ] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, NAME=env:NAME or NAME=file:/path.")] = None,
    project: Annotated[list[str] | None, typer.Option(help="Only this project; several times for several.")] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="Only spans that this expression holds for.")] = None,
    sample: Annotated[float, typer.Option(help="This part of all traces, 0 to 1.")] = 1.0,
    mask: Annotated[list[str] | None, typer.Option(help="Mask email, phone, card or secret; or all.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, of this kind of destination.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Send what is stored from then on too: 2026-11-01, 7d. [default: now]")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Send everything that is stored from now on (or from a date) there too."""
    from collector.api.values import time_of
    from collector.forwarding.settings import FaultySettings, destination_of
    from collector.storage.forward_api import NameTaken

    now = time.time_ns()
    given: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "endpoint": endpoint,
        "api_key": api_key,
        "headers": pairs(header, "--header"),
        "projects": project or [],
        "filter": filter_,
        "sample_rate": sample,
        "masking": None if not mask else {} if mask == ["all"] else {"patterns": mask},
        "options": settings_in(option, "--option"),
    }
    try:
        from_ns = None if since in (None, "now") else time_of(str(since), now)
        destination = destination_of({key: value for key, value in given.items() if value is not None})
    except FaultySettings as faulty:
        fail(*(f"{field}: {detail}" for field, detail in faulty.faults.items()))
    except ValueError as error:
        fail(f"--from: {error}")
    with opened_store(database_url) as store:
        try:
            store.add_destination(destination, from_ns=from_ns, now_ns=now).result()
        except NameTaken as error:
            fail(f"{error}; remove it first, or choose another name")
    print(f"added {name}; try it: tracekit destination test {name}")


@destination_app.command(name="list")
def list_(database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Every destination, and how far behind it is."""
    _show(database_url, as_json=as_json)


@destination_app.command()
def pause(name: Name, database_url: DatabaseUrl = None) -> None:
    """Send nothing there for a while. What is stored meanwhile waits for it."""
    _set_state(name, "paused", database_url)


@destination_app.command()
def resume(name: Name, database_url: DatabaseUrl = None) -> None:
    """Send there again, first what waits."""
    _set_state(name, "active", database_url)


@destination_app.command()
def remove(name: Name, database_url: DatabaseUrl = None) -> None:
    """Forget the destination and everything that waits for it."""
    with opened_store(database_url) as store:
        if _named(store, name).source == "config":
            fail(f"{name} is in the collector's configuration file: take it out there first, or pause it")
        store.remove_destination(name).result()
    print(f"removed {name}")


@destination_app.command()
def test(name: Name, database_url: DatabaseUrl = None) -> None:
    """Ask the destination whether it answers and takes the key. Secrets are looked up where this command runs."""
    from collector.api.destinations import checked

    with opened_store(database_url) as store:
        destination = _named(store, name)
    answered, detail = asyncio.run(checked(destination))
    if not answered:
        fail(f"{name}: {detail}", code=1)
    print(f"{name}: {detail}")


@forward_app.command()
def status(database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """What waits for each destination, what was sent, what it refused and why."""
    _show(database_url, as_json=as_json, buried=True)


@forward_app.command()
def replay(
    destination: Annotated[str, typer.Option(help="The destination's name.")],
    from_: Annotated[str, typer.Option("--from", help="2026-11-01, 2026-11-01T10:00:00Z, or how long ago: 24h.")],
    to: Annotated[str, typer.Option("--to", help="As --from. [default: now]")] = "now",
    database_url: DatabaseUrl = None,
) -> None:
    """Send what was stored in this time again, what is buried of it too. Destinations keep a span they have."""
    from collector.api.values import time_of

    now = time.time_ns()
    try:
        window = {"from_ns": time_of(from_, now), "to_ns": time_of(to, now)}
    except ValueError as error:
        fail(str(error))
    with opened_store(database_url) as store:
        _named(store, destination)
        spans = store.replay(destination, **window, now_ns=now).result()
    print(f"{spans} spans are sent to {destination} again")


@forward_app.command()
def retry(name: Name, database_url: DatabaseUrl = None) -> None:
    """Try again what the destination refused."""
    with opened_store(database_url) as store:
        _named(store, name)
        print(f"{store.revive_buried(name).result()} items wait again")


@forward_app.command()
def drop(name: Name, database_url: DatabaseUrl = None) -> None:
    """Forget what the destination refused. It stays stored here."""
    with opened_store(database_url) as store:
        _named(store, name)
        print(f"{store.drop_buried(name).result()} items dropped")


def _show(database_url: str | None, *, as_json: bool, buried: bool = False) -> None:
    from collector.api.destination_render import buried_json, status_json

    with opened_store(database_url) as store:
        statuses = store.destination_statuses(now_ns=time.time_ns())
        refused = {
            one.destination.name: [
                item
                for consumer in (one.destination.consumer, one.destination.verifier)
                for item in (store.queue.buried(consumer, limit=20) if buried else ())
            ]
            for one in statuses
        }
    if as_json:
        items = [status_json(one) for one in statuses]
        for item in items if buried else ():
            item["buried_items"] = [buried_json(one) for one in refused[item["name"]]]
        print(json.dumps({"items": items}))
        return
    if not statuses:
        print("there are no destinations; add one: tracekit destination add --help")
        return
    _table(statuses)
    for name, items_ in refused.items():
        for item in items_:
            spans = (item.payload or {}).get("spans") or (item.payload or {}).get("annotations") or ["a batch"]
            print(f"{name}: buried {spans[0]}{f' and {len(spans) - 1} more' if len(spans) > 1 else ''}: {item.reason}")


def _table(statuses: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, right in (
        ("name", False), ("kind", False), ("state", False), ("lag", True), ("waiting", True), ("unverified", True),
        ("sent", True), ("skipped", True), ("buried", True), ("endpoint", False), ("last error", False),
    ):  # fmt: skip
        table.add_column(title, justify="right" if right else "left", overflow="fold", no_wrap=title != "last error")
    for one in statuses:
        destination = one.destination
        error = ""
        if one.last_error and (one.last_sent_ns or 0) <= (one.last_error_ns or 0):
            at = datetime.fromtimestamp((one.last_error_ns or 0) / 1e9, UTC)
            error = f"{at:%H:%M:%S}Z {one.last_error}"
        cells = (
            destination.name, destination.kind, destination.state, f"{one.lag_ns / 1e9:.0f} s", str(one.waiting),
            str(one.unverified), str(one.tally.sent), str(one.tally.skipped), str(one.buried), destination.endpoint,
            error,
        )  # fmt: skip
        table.add_row(*(cell.replace("[", "\\[") for cell in cells))
    console = Console()
    # What is read by a program, or through a pipe, is not folded.
    (console if console.is_terminal else Console(width=240)).print(table)


def _set_state(name: str, state: str, database_url: str | None) -> None:
    with opened_store(database_url) as store:
        if store.change_destination(name, {"state": state}, now_ns=time.time_ns()).result() is None:
            fail(_unknown(store, name))
    print(f"{name} is {state}")


def _named(store: Any, name: str) -> Any:
    for destination in store.destinations():
        if destination.name == name:
            return destination
    fail(_unknown(store, name))


def _unknown(store: Any, name: str) -> str:
    names = ", ".join(one.name for one in store.destinations())
    return f"there is no destination {name}; there are {names}" if names else "there are no destinations"
