"""Makes the database file of the current schema, to be kept for ever: ``python tests/upgrade/make_database.py``."""

from __future__ import annotations

import gzip
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "contract"))

from store_data import Sent, catch_up, llm, send  # noqa: E402

from collector.storage.sql.schema import HEAD  # noqa: E402
from collector.storage.sql.store import open_store  # noqa: E402


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "old.db"
        store = open_store(f"sqlite:///{path}")
        send(
            store,
            Sent(1, 0, name="ask", attributes={"user.id": "ada", "session.id": "s1", "tag.tags": ["tier:gold"]}),
            llm(1, 1, 0, name="chat", text="Where is my refund?", tokens=(100, 20), cost=0.25),
            Sent(1, 2, 0, name="lookup", status="error", message="no such order"),
            llm(2, 0, name="chat", project="shop", user="bob", tokens=(7, 3)),
        )
        catch_up(store)
        send(store, llm(3, 0, name="late", text="not summarised before the program ended"))
        store.close()
        data = path.read_bytes()
    (HERE / "data" / f"schema_{HEAD}.db.gz").write_bytes(gzip.compress(data, mtime=0))


if __name__ == "__main__":
    main()
