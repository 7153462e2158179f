"""Acknowledged means stored: kill -9 at random moments under load loses nothing and doubles nothing."""

from __future__ import annotations

import random
import time

import pytest
from collector_process import Start, until
from otlp_load import Load, check_stored, check_summarised


def test_kill_9_under_load(start_collector: Start, database_url: str, pytestconfig: pytest.Config):
    moments = random.Random(20261122)
    load = Load()
    for _ in range(pytestconfig.getoption("--kills")):
        collector = start_collector(database_url=database_url)
        before = len(load.acknowledged)
        with load.on(collector):
            until(lambda before=before: len(load.acknowledged) > before)
            time.sleep(moments.uniform(0, 0.5))
            collector.end()
        check_stored(database_url, load.acknowledged)
    collector = start_collector(database_url=database_url)
    with load.on(collector):
        settled = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > settled + 20)
    check_stored(database_url, load.acknowledged)
    check_summarised(collector, database_url)
    assert collector.stop() == 0
