"""``tracekit phoenix``: a Phoenix of one's own, and everything that is stored sent to it while it runs."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from collector.app import open_database
from collector.config import Config
from collector.destinations import Destination
from collector.forwarding.forwarding import Forwarding
from collector.local_phoenix import Settings, run
from collector.storage.api import Store

#: What the destination is called; it is paused while no local Phoenix runs.
NAME: Final = "phoenix-local"


def show(config: Config, settings: Settings, *, project: str | None, browser: bool, from_ns: int | None) -> int:
    """Until Ctrl-C. Works beside a collector on the same database, and without one. ``from_ns``: a new destination also
    gets what was stored since. Returns the exit code. Raises ``StorageError``."""
    with ExitStack() as closing:
        store = open_database(config)
        closing.callback(store.close)
        forwarding = Forwarding(store, names=(NAME,))

        def when_ready(url: str) -> None:
            _aim(store, url, from_ns)
            forwarding.start()
            closing.callback(_rest, store, forwarding)

        return run(settings, browser=browser, when_ready=when_ready, project=project or _latest(store))


def default_folder(config: Config) -> Path:
    """Where Phoenix keeps what it is sent: beside the collector's own file, else where users' programs keep data."""
    from collector.config import default_database_url

    url = config.database_url if config.database_url.startswith("sqlite:///") else default_database_url()
    return Path(url.removeprefix("sqlite:///")).absolute().parent / "phoenix"


def _aim(store: Store, url: str, from_ns: int | None) -> None:
    now = time.time_ns()
    if any(one.name == NAME for one in store.destinations()):
        store.change_destination(NAME, {"endpoint": url, "state": "active"}, now_ns=now).result()
    else:
        store.add_destination(Destination(NAME, "phoenix", url), from_ns=from_ns, now_ns=now).result()


def _rest(store: Store, forwarding: Forwarding) -> None:
    """What is stored while it does not run waits for it."""
    forwarding.stop(5.0)
    store.change_destination(NAME, {"state": "paused"}, now_ns=time.time_ns()).result()


def _latest(store: Store) -> str | None:
    """The project that something was stored in last."""
    found = [one for one in store.projects() if one.last_ns is not None]
    return max(found, key=lambda one: one.last_ns or 0).name if found else None
