"""Where the fields of a filter lie in the tables, and how the two engines look into JSON."""

from __future__ import annotations

from typing import Final, Literal

from collector.filters.nodes import Field, Scope
from collector.storage.sql.rows import STATUSES

Dialect = Literal["sqlite", "postgresql"]

_STATUS: Final = (
    "CASE {}.status " + " ".join(f"WHEN {code} THEN '{name}'" for code, name in enumerate(STATUSES)) + " END"
)
_HEX: Final = {"sqlite": "lower(hex({}))", "postgresql": "encode({}, 'hex')"}
#: A JSON text as the filter sees it: texts without their quotes.
_UNQUOTED: Final = {
    "sqlite": "CASE json_type({0}) WHEN 'text' THEN json_extract({0}, '$') WHEN 'null' THEN NULL ELSE {0} END",
    "postgresql": "CASE json_typeof({0}::json) WHEN 'string' THEN {0}::json #>> '{{}}' "
    "WHEN 'null' THEN NULL ELSE {0} END",
}
_INNER: Final = {"sqlite": "json_extract({}, '$.{}')", "postgresql": "({}::json ->> '{}')"}

_COLUMNS: Final[dict[Scope, dict[str, str]]] = {
    "trace": {
        "duration_ms": "t.duration_ns",
        "time_to_first_token_ms": "t.ttft_ns",
        "cost": "t.cost_total",
        "error.type": "t.error_type",
        "error.message": "t.error_message",
    },
    "span": {
        "duration_ms": "(s.end_ns - s.start_ns)",
        "time_to_first_token_ms": "s.ttft_ns",
        "cost": "s.cost_total",
        "error.type": "s.error_type",
        "error.message": "s.error_message",
    },
    "annotation": {},
}
_ALIASES: Final[dict[Scope, str]] = {"trace": "t", "span": "s", "annotation": "a"}
#: Lists and mappings of spans that few have, kept together in one column.
_IN_EXTRA: Final = frozenset({"tags", "metadata", "finish_reasons"})


def term(field: Field, dialect: Dialect) -> str:
    """The SQL expression of a field: a scalar, or the JSON text of a list or a mapping."""
    alias = _ALIASES[field.scope]
    if field.name == "status":
        return _STATUS.format(alias)
    if field.name in ("trace_id", "span_id"):
        return _HEX[dialect].format(f"{alias}.{field.name}")
    if field.name == "project":
        return f"(SELECT p.name FROM projects p WHERE p.id = {alias}.project_id)"
    if field.scope == "span" and field.name in _IN_EXTRA:
        return _INNER[dialect].format("s.extra", field.name)
    if field.scope == "trace" and field.name in ("input", "output"):
        return _UNQUOTED[dialect].format(f"t.{field.name}")
    return _COLUMNS[field.scope].get(field.name, f"{alias}.{field.name}")


#: Rows of a JSON object ``{}`` as j(key, value), and of a list as e.
ENTRIES: Final = {
    "sqlite": "json_each({}) j WHERE j.key = {}",
    "postgresql": "json_each({}::json) AS j(key, value) WHERE j.key = {}",
}
ELEMENTS: Final = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each({}) e WHERE e.type = 'text' AND e.value = {})",
    "postgresql": "EXISTS (SELECT 1 FROM json_array_elements({}::json) e "
    "WHERE json_typeof(e) = 'string' AND e #>> '{{}}' = {})",
}
#: Conditions on one value of a JSON object; the inner one is asked only of a value of the right type.
TEXT: Final = {
    "sqlite": "CASE j.type WHEN 'text' THEN {} END",
    "postgresql": "CASE json_typeof(j.value) WHEN 'string' THEN {} END",
}
NUMBER: Final = {
    "sqlite": "CASE WHEN j.type IN ('integer', 'real') THEN {} END",
    "postgresql": "CASE json_typeof(j.value) WHEN 'number' THEN {} END",
}
LIST: Final = {
    "sqlite": "CASE j.type WHEN 'array' THEN {} END",
    "postgresql": "CASE json_typeof(j.value) WHEN 'array' THEN {} END",
}
AS_TEXT: Final = {"sqlite": "j.value", "postgresql": "(j.value #>> '{}')"}
AS_NUMBER: Final = {"sqlite": "j.value", "postgresql": "CAST(j.value #>> '{}' AS double precision)"}
IS_BOOLEAN: Final = {
    "sqlite": "j.type = '{}'",
    "postgresql": "(json_typeof(j.value) = 'boolean' AND j.value #>> '{{}}' = '{}')",
}
NOT_NULL: Final = {"sqlite": "j.type <> 'null'", "postgresql": "json_typeof(j.value) <> 'null'"}
#: The order of code points, as Python has it.
ORDERED: Final = {"sqlite": "{}", "postgresql": '{} COLLATE "C"'}
POSITION: Final = {"sqlite": "instr({}, {}) > 0", "postgresql": "strpos({}, {}) > 0"}
#: A literal of bytes, from hexadecimal digits.
BYTES: Final = {"sqlite": "x'{}'", "postgresql": "decode('{}', 'hex')"}
