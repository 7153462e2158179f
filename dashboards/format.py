"""Numbers, times and money as people say them. Pure; the only place that decides how a value reads.

Unknown (``None``) is an en dash, never 0.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from collector.model import PICO_USD, Cost

UNKNOWN: Final = "–"
#: The last nanosecond that ``datetime`` can show; sanitised spans end long before.
_LAST_NS: Final = 253_402_300_799 * 10**9
_SECOND: Final = 10**9


def duration(ns: int | None) -> str:
    """``812 ms``, ``1.24 s``, ``2 m 03 s``, ``1 h 02 m``, ``3 d 04 h``."""
    if ns is None:
        return UNKNOWN
    if ns < 0:
        return "-" + duration(-ns)
    if ns < 1_000:
        return f"{ns} ns"
    if ns < 999_500:
        return f"{round(ns / 1e3)} µs"
    if ns < 9_950_000:
        return f"{ns / 1e6:.1f} ms"
    if ns < 999_500_000:
        return f"{round(ns / 1e6)} ms"
    if ns < 9_995_000_000:
        return f"{ns / 1e9:.2f} s"
    if ns < 59_950_000_000:
        return f"{ns / 1e9:.1f} s"
    return _long_duration(round(ns / 1e9))


def tick(ns: int) -> str:
    """A round moment of a time axis: as ``duration``, without zeros that say nothing."""
    if not ns:
        return "0"
    text = re.sub(r"(\.[0-9]*?)0+ ", r"\1 ", duration(ns)).replace(". ", " ")
    return re.sub(r"(?<=[a-z]) 00 [a-z]$", "", text)


def _long_duration(seconds: int) -> str:
    for unit, name, below, below_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // below:02d} {below_name}"
    return f"{seconds} s"


def compact(number: int | None) -> str:
    """A count in four characters or so: ``130``, ``1.9k``, ``12.4k``, ``512k``, ``1.2M``."""
    if number is None:
        return UNKNOWN
    if abs(number) < 1_000:
        return str(number)
    value = number / 1_000
    for suffix in "kMBT":
        if abs(value) < 99.95:
            return f"{value:.1f}".removesuffix(".0") + suffix
        if abs(value) < 999.5:
            return f"{value:.0f}{suffix}"
        value /= 1_000
    return f"{value:.3g}P"


def count(number: int | None) -> str:
    """A count in full: ``1,204``."""
    return UNKNOWN if number is None else f"{number:,}"


def per_second(rate: float | None, noun: str) -> str:
    """``87 tokens/s``, ``3.4 tokens/s``."""
    return UNKNOWN if rate is None else f"{rate:,.{0 if rate >= 10 else 1}f} {noun}/s"


def counted(number: int, noun: str) -> str:
    """``1 error``, ``1,204 traces``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def money(pico: int | None) -> str:
    """US dollars with two significant digits at least: ``$0.00031``, ``$0.031``, ``$1.24``, ``$1,204.50``."""
    if pico is None:
        return UNKNOWN
    if pico == 0:
        return "$0"
    value = Decimal(abs(pico)) / PICO_USD
    places = max(2, 1 - value.adjusted())
    value = round(value, places)
    if places > 2 and value.adjusted() > 1 - places:  # 0.0996 rounds up to 0.100: one digit less says the same
        value = round(value, places - 1)
    return ("-" if pico < 0 else "") + f"${value:,f}"


def cost(value: Cost | None, calls: int = 1, unpriced_calls: int = 0) -> str:
    """What a call, or the sum of ``calls``, cost. ``unpriced``: nothing has a price. ``≥``: some have none."""
    if value is None or value.total is None:
        unpriced = unpriced_calls > 0 or (value is not None and value.status == "unpriced" and calls > 0)
        return "unpriced" if unpriced else UNKNOWN
    return ("≥ " if unpriced_calls else "") + money(value.total)


def size(count_of_bytes: int) -> str:
    """``812 B``, ``1.2 kB``, ``3.4 MB``."""
    value: float = count_of_bytes
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.1f} {unit}".replace(".0 ", " ") if unit != "B" else f"{value:.0f} B"
        value /= 1_000
    return f"{value:.1f} GB"


def percent(part: float | None) -> str:
    """A share of 1: ``0.4 %``, ``12 %``."""
    if part is None:
        return UNKNOWN
    value = part * 100
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def score(value: float | None) -> str:
    """Three significant digits, as scores are compared by eye."""
    return UNKNOWN if value is None else f"{value:.3g}"


def age(then_ns: int, now_ns: int) -> str:
    """How long ago, in one unit: ``now``, ``12 s``, ``2 m``, ``3 h``, ``4 d``; the day where that is over a month.

    ``static/js/times.js`` keeps open pages up to date by the same steps.
    """
    seconds = (now_ns - then_ns) // _SECOND
    if seconds < 5:
        return "now" if seconds > -60 else day(then_ns)
    for unit, name, limit in ((1, "s", 60), (60, "m", 3_600), (3_600, "h", 86_400), (86_400, "d", 30 * 86_400)):
        if seconds < limit:
            return f"{seconds // unit} {name}"
    return day(then_ns)


def _moment(ns: int) -> datetime:
    return datetime.fromtimestamp(min(max(ns, 0), _LAST_NS) // _SECOND, UTC)


def day(ns: int) -> str:
    """``12 Mar 2026``."""
    moment = _moment(ns)
    return f"{moment.day} {moment:%b %Y}"


def day_of(text: str | None) -> str:
    """``12 Mar 2026`` of an RFC 3339 time."""
    try:
        return day(int(datetime.fromisoformat(text or "").timestamp()) * 10**9)
    except ValueError:
        return text or UNKNOWN


def minute(ns: int) -> str:
    """``12 Mar 14:05`` (UTC)."""
    moment = _moment(ns)
    return f"{moment.day} {moment:%b %H:%M}"


def exact(ns: int) -> str:
    """``2026-03-12 14:05:33.123 UTC``."""
    return f"{_moment(ns):%Y-%m-%d %H:%M:%S}.{ns % _SECOND // 1_000_000:03d} UTC"


def rfc3339(ns: int) -> str:
    """With as many fractional digits as are needed: ``2026-03-12T14:05:33Z``, ``...33.123456789Z``."""
    fraction = f"{ns % _SECOND:09d}".rstrip("0")
    return f"{_moment(ns):%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + "Z"


def pretty(value: Any) -> str:
    """A text as it is, anything else as indented JSON. Never fails."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    except (RecursionError, ValueError, TypeError):
        return "(nested too deeply to be shown; copy it as JSON)"


def line(value: Any, limit: int = 300) -> str:
    """One line of a text or JSON value, cut to ``limit`` characters."""
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, default=_plain)
        except (RecursionError, ValueError, TypeError):
            value = "…"
    text = " ".join(value[: limit * 4].split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value[:2000].hex()
    return str(value)
