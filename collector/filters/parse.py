"""Text -> nodes. The grammar is a subset of Python's expressions, and Python's own parser reads it.

    status == 'error' and cost > 0.01 and 'refund' in input
    user_id in ('u1', 'u2') or metadata.tier == 'plus'
    any(span.kind == 'tool' and span.status == 'error')
    annotations['helpful'].score < 0.5

A field that is unknown (None) is in no order with anything: ``cost > 1`` and ``cost <= 1`` are both false, and so
``not cost > 1`` is true. ``==`` and ``!=`` compare with None as Python does.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from collector.filters import constants
from collector.filters.faults import FilterFault, meant
from collector.filters.fields import KEYED, NAMES, field_of
from collector.filters.nodes import (
    Affix,
    Annotated,
    Both,
    Compare,
    Constant,
    Field,
    Holds,
    Node,
    Not,
    Operator,
    Scope,
    Spans,
    Truth,
    Within,
)

MAX_CHARS: Final = 2_000
#: Nested parts: bounds the recursion of whoever walks the nodes.
MAX_DEPTH: Final = 24
_SHOWN: Final = 40
_OPERATORS: Final[dict[type[ast.cmpop], Operator]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "==",
    ast.IsNot: "!=",
}
_MIRRORED: Final[dict[Operator, Operator]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_WORDS: Final = {"true": True, "false": False, "null": None, "none": None}


def parse(text: str, scope: Scope) -> Node:
    """The filter, over traces or over spans. Raises ``FilterFault``."""
    if len(text) > MAX_CHARS:
        raise FilterFault(f"longer than {MAX_CHARS} characters", MAX_CHARS + 1)
    if not text.strip():
        raise FilterFault("the filter is empty", 1)
    return _Parser(text, scope).node(_tree(text), 0)


def _tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # In brackets an expression may go over several lines, and leading blanks mean nothing.
            return ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError as error:
        raise FilterFault(_said(error), _clamped(error, text)) from None
    except (ValueError, MemoryError, RecursionError):
        raise FilterFault(
            "this cannot be read: a NUL character, half a character, or far too deeply nested", 1
        ) from None


def _said(error: SyntaxError) -> str:
    if "invalid syntax. Maybe you meant '=='" in (error.msg or "") or "cannot assign" in (error.msg or ""):
        return "one = does not compare: write =="
    return f"this is no expression ({error.msg}): for example status == 'error' and cost > 0.01"


def _clamped(error: SyntaxError, text: str) -> int:
    lines = text.split("\n")
    before = sum(len(line) + 1 for line in lines[: (error.lineno or 1) - 1])
    column = before + (error.offset or 1) - (1 if (error.lineno or 1) == 1 else 0)
    return max(1, min(column, len(text) + 1))


@dataclass(frozen=True, slots=True)
class _Annotation:
    """``annotations['name'].field``."""

    name: str
    field: Field


class _Parser:
    def __init__(self, text: str, scope: Scope) -> None:
        self._lines = text.split("\n")
        self._scope = scope
        self._inside = False

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._fault("too deeply nested", tree)
        match tree:
            case ast.BoolOp(op, values):
                return Both(tuple(self.node(value, depth + 1) for value in values), isinstance(op, ast.And))
            case ast.UnaryOp(ast.Not(), operand):
                return Not(self.node(operand, depth + 1))
            case ast.Compare():
                return self._comparison(tree)
            case ast.Call(ast.Name("any" | "all"), _, _):
                return self._spans(tree, depth)
            case ast.Call(ast.Attribute(_, "startswith" | "endswith"), _, _):
                return self._affix(tree)
            case _:
                return self._truth(tree)

    def _comparison(self, tree: ast.Compare) -> Node:
        operands = [tree.left, *tree.comparators]
        parts = [
            self._pair(left, operator, right)
            for left, operator, right in zip(operands, tree.ops, operands[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else Both(tuple(parts), True)

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Node:
        if isinstance(operator, ast.In | ast.NotIn):
            found = self._membership(left, right)
            return Not(found) if isinstance(operator, ast.NotIn) else found
        compared = _OPERATORS[type(operator)]
        if _is_constant(left) and not _is_constant(right):
            left, right, compared = right, left, _MIRRORED[compared]
        operand = self._operand(left)
        constant = self._constant(right)
        return self._annotated(operand, lambda field: self._compare(field, compared, constant, right))

    def _compare(self, field: Field, operator: Operator, constant: Constant, at: ast.expr) -> Node:
        try:
            return constants.compare(field, operator, constant)
        except ValueError as fault:
            raise self._fault(str(fault), at) from None

    def _membership(self, left: ast.expr, right: ast.expr) -> Node:
        if isinstance(right, ast.List | ast.Tuple | ast.Set):
            operand = self._operand(left)
            found = [self._constant(item) for item in right.elts]
            return self._annotated(operand, lambda field: self._one_of(field, found, right))
        needle = self._constant(left)
        if not isinstance(needle, str):
            raise self._fault("only a text can be looked for: 'refund' in input", left)
        path = _path(right)
        if path[-1:] == ["annotations"]:
            return Annotated(self._scope_of(path[:-1], right), needle, Truth(None))
        operand = self._operand(right)
        return self._annotated(operand, lambda field: self._holds(field, needle, right))

    def _one_of(self, field: Field, found: Sequence[Constant], at: ast.expr) -> Node:
        if field.type == "texts":
            raise self._fault(f"{field.name} is a list: write 'x' in {field.name}", at)
        parts = [self._compare(field, "==", constant, at) for constant in found]
        plain = [part.constant for part in parts if isinstance(part, Compare)]
        return Within(field, tuple(plain)) if plain else Truth(None, False)

    def _holds(self, field: Field, needle: str, at: ast.expr) -> Node:
        if field.type in ("number", "boolean"):
            raise self._fault(f"{field.name} is a {field.type}: nothing can be in it", at)
        return Holds(field, needle)

    def _affix(self, tree: ast.Call) -> Node:
        method = tree.func
        assert isinstance(method, ast.Attribute)
        if len(tree.args) != 1 or tree.keywords:
            raise self._fault(f"{method.attr} takes one text", tree)
        text = self._constant(tree.args[0])
        if not isinstance(text, str):
            raise self._fault(f"{method.attr} takes one text", tree.args[0])
        return self._annotated(self._operand(method.value), lambda field: self._affixed(field, text, method))

    def _affixed(self, field: Field, text: str, method: ast.Attribute) -> Node:
        if field.type not in ("text", "json"):
            raise self._fault(f"{field.name} is no text", method.value)
        return Affix(field, text, method.attr == "endswith")

    def _spans(self, tree: ast.Call, depth: int) -> Node:
        assert isinstance(tree.func, ast.Name)
        name = tree.func.id
        if self._scope != "trace" or self._inside:
            raise self._fault(f"{name}(...) goes over the spans of a trace, and this is about one span", tree)
        if len(tree.args) != 1 or tree.keywords or isinstance(tree.args[0], ast.GeneratorExp):
            raise self._fault(f"{name} takes one condition: {name}(span.kind == 'tool')", tree)
        self._inside = True
        try:
            return Spans(self.node(tree.args[0], depth + 1), name == "all")
        finally:
            self._inside = False

    def _truth(self, tree: ast.expr) -> Node:
        if isinstance(tree, ast.Constant) and isinstance(tree.value, bool):
            return Truth(None, tree.value)
        if isinstance(tree, ast.Name) and tree.id in ("true", "false"):
            return Truth(None, tree.id == "true")
        if _is_constant(tree):
            raise self._fault("a value by itself says nothing: compare it with a field", tree)
        operand = self._operand(tree)
        field = operand.field if isinstance(operand, _Annotation) else operand
        if field.type not in ("boolean", "json"):
            raise self._fault(f"compare {field.name} with something: {field.name} == ...", tree)
        return self._annotated(operand, Truth)

    def _annotated(self, operand: Field | _Annotation, make: Any) -> Node:
        if isinstance(operand, _Annotation):
            return Annotated(self._here, operand.name, make(operand.field))
        found: Node = make(operand)
        return found

    @property
    def _here(self) -> Scope:
        return "span" if self._inside else self._scope

    def _operand(self, tree: ast.expr) -> Field | _Annotation:
        match tree:
            case ast.Attribute(ast.Subscript(value, index), name) if _path(value)[-1:] == ["annotations"]:
                self._scope_of(_path(value)[:-1], value)
                known = self._known("annotation", name, tree)
                return _Annotation(self._key(index), field_of("annotation", known))
            case ast.Subscript(value, index):
                path = _path(value)
                scope = self._scope_of(path[:-1], value)
                if not path or path[-1] not in KEYED or path[-1] not in NAMES[scope]:
                    raise self._fault(f"only {' and '.join(sorted(KEYED))} take a key in brackets", tree)
                return field_of(scope, path[-1], self._key(index))
            case ast.Name() | ast.Attribute():
                return self._named(tree)
            case _:
                raise self._fault("a field stands here: for example status, cost, metadata.tier", tree)

    def _named(self, tree: ast.expr) -> Field:
        path = _path(tree)
        prefix = path[:1] if path[:1] in (["span"], ["trace"]) else []
        scope = self._scope_of(prefix, tree)
        rest = path[len(prefix) :]
        if len(rest) == 2 and rest[0] == "metadata":
            return field_of(scope, "metadata", rest[1])
        name = ".".join(rest)
        if name in KEYED:
            raise self._fault(f"{name} needs a key: {name}['key']", tree)
        return field_of(scope, self._known(scope, name, tree))

    def _scope_of(self, prefix: list[str], at: ast.expr) -> Scope:
        if self._inside:
            if prefix != ["span"]:
                raise self._fault("within any(...) and all(...) a field is a span's: span.kind", at)
            return "span"
        if prefix not in ([], [self._scope]):
            raise self._fault(f"{'.'.join(prefix)} is not known here; fields of spans go into any(...)", at)
        return self._scope

    def _known(self, scope: Scope, name: str, at: ast.expr) -> str:
        if name in NAMES[scope]:
            return name
        if scope == "trace" and name in NAMES["span"]:
            raise self._fault(f"{name} is a field of spans: any(span.{name} ...)", at)
        shown = name[:_SHOWN] or "this"
        raise self._fault(f"{shown} is no field of a {scope}: {meant(name[:_SHOWN], NAMES[scope])}", at)

    def _key(self, index: ast.expr) -> str:
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            return self._text(index.value, index)
        raise self._fault("a key in brackets is a text: attributes['x.y']", index)

    def _text(self, value: str, at: ast.expr) -> str:
        """No stored text holds a NUL character or half a character, and no engine takes one."""
        if "\0" in value or (not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)):
            raise self._fault("a text cannot hold a NUL character or half a character", at)
        return value

    def _constant(self, tree: ast.expr) -> Constant:
        match tree:
            case ast.Constant(str(value)):
                return self._text(value, tree)
            case ast.Constant(bool() | int() | float() | None as value):
                return value
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)) if not isinstance(value, bool):
                return -value
            case ast.Name(name) if name in _WORDS:
                return _WORDS[name]
            case _:
                raise self._fault("a value stands here: a text in quotes, a number, true, false or None", tree)

    def _fault(self, message: str, at: ast.expr) -> FilterFault:
        line = at.lineno - 1
        text = self._lines[line] if line < len(self._lines) else ""
        in_bytes = at.col_offset - (1 if line == 0 else 0)
        before = sum(len(earlier) + 1 for earlier in self._lines[:line])
        return FilterFault(message, before + len(text.encode()[: max(0, in_bytes)].decode("utf-8", "ignore")) + 1)


def _is_constant(tree: ast.expr) -> bool:
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.operand, ast.Constant)
    return isinstance(tree, ast.Constant) or (isinstance(tree, ast.Name) and tree.id in _WORDS)


def _path(tree: ast.expr) -> list[str]:
    """``a.b.c`` as its names; nothing where it is something else."""
    names: list[str] = []
    while isinstance(tree, ast.Attribute):
        names.append(tree.attr)
        tree = tree.value
    return [tree.id, *reversed(names)] if isinstance(tree, ast.Name) else []
