"""A field and a literal as one exact comparison in the field's own unit.

Columns of money, times and counts are whole numbers, so a literal between two of them is moved to the next one on its
side: both engines and Python then compare the same whole numbers.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from collector.filters.nodes import ORDERS, Compare, Constant, Field, Node, Operator, Truth

_LARGEST: Final = 2**63 - 1
#: Numbers that are kept as they are, without a unit.
_REALS: Final = frozenset({"score"})


def compare(field: Field, operator: Operator, constant: Constant) -> Node:
    """Raises ValueError where the two cannot be compared; the message says why."""
    if operator in ORDERS and constant is None:
        raise ValueError("nothing is smaller or larger than None: use == or !=")
    if field.type == "texts":
        raise ValueError(f"{field.name} is a list: write 'x' in {field.name}")
    if field.type == "json" or constant is None:
        return _any(field, operator, constant)
    if field.type == "number":
        if isinstance(constant, bool) or not isinstance(constant, int | float):
            raise ValueError(f"{field.name} is a number")
        return _number(field, operator, constant)
    if field.type == "boolean":
        if not isinstance(constant, bool) or operator in ORDERS:
            raise ValueError(f"{field.name} is true or false")
        return Compare(field, operator, constant)
    if not isinstance(constant, str):
        raise ValueError(f"{field.name} is a text: put quotes around the value")
    return Compare(field, operator, constant)


def _any(field: Field, operator: Operator, constant: Constant) -> Node:
    if isinstance(constant, bool) and operator in ORDERS:
        raise ValueError("true and false are in no order")
    if isinstance(constant, int | float) and not isinstance(constant, bool):
        constant = float(constant) if abs(constant) < 2**1023 else math.copysign(math.inf, constant)
        if not math.isfinite(constant):
            raise ValueError("the number is too large")
    return Compare(field, operator, constant)


def _number(field: Field, operator: Operator, constant: int | float) -> Node:
    if isinstance(constant, float) and not math.isfinite(constant):
        raise ValueError("the number is too large")
    if field.name in _REALS:
        return _any(field, operator, constant)
    # repr, because 0.01 means one hundredth and not the binary fraction next to it
    exact = Fraction(repr(constant)) * field.unit
    if exact.denominator != 1 and operator in ("==", "!="):
        return Truth(None, operator == "!=")
    whole = math.ceil(exact) if operator in ("<", ">=") else math.floor(exact)
    return Compare(field, operator, max(-_LARGEST, min(whole, _LARGEST)))
