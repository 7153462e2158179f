"""Rules of the configuration file: stored as it says, at every start."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from collector.evaluation.rules import Rule
from collector.evaluation.settings import FIELDS
from collector.storage.evaluation_api import NameTaken, RuleStore

log = structlog.get_logger("collector.evaluation")


def apply(store: RuleStore, configured: Iterable[Rule], *, now_ns: int) -> None:
    """Add and change rules so that they are as configured. One that the file once named and no longer does is paused:
    its scores are not thrown away by an edit."""
    known = {rule.name: rule for rule in store.rules()}
    named = set()
    for rule in configured:
        named.add(rule.name)
        before = known.get(rule.name)
        if before is None:
            try:
                store.add_rule(rule, now_ns=now_ns).result()
            except NameTaken:
                pass  # another process of the same configuration was faster
            continue
        changes = {name: getattr(rule, name) for name in (*FIELDS, "source")}
        if any(getattr(before, name) != value for name, value in changes.items()):
            store.change_rule(rule.name, changes, now_ns=now_ns).result()
    for name, before in known.items():
        if before.source == "config" and name not in named:
            log.warning("a rule is no longer configured: it is paused; remove it if it is not wanted", name=name)
            store.change_rule(name, {"state": "paused", "source": "operator"}, now_ns=now_ns).result()
