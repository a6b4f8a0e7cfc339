"""The OpenAPI 3.1 document, made from the table of operations."""

import re
from functools import cache
from typing import Any

import msgspec

from platform_stub.api.operation import Operation
from platform_stub.api.operations import OPERATIONS
from platform_stub.protocol.operator import ErrorBody

_REF = "#/components/schemas/{name}"
_NUMBERS = frozenset({"after", "before", "limit", "wait_ms"})


@cache
def document() -> bytes:
    """Spell the whole document as JSON."""
    types = (
        {op.answer for op in OPERATIONS} | {op.body for op in OPERATIONS if op.body is not None} | {ErrorBody}
    )
    ordered = sorted(types, key=lambda kind: kind.__name__)
    refs, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    by_type = dict(zip(ordered, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for op in OPERATIONS:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, by_type)
    text = {
        "openapi": "3.1.0",
        "info": {
            "title": "ota-sim operator API",
            "version": "1",
            "description": "Money in fen, times in unix milliseconds on the account's clock, sizes in bytes.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    return msgspec.json.encode(text)


def _operation(op: Operation, by_type: dict[type, dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(op),
        "summary": op.summary,
        "responses": {
            str(int(op.status)): {
                "description": "Done",
                "content": {"application/json": {"schema": by_type[op.answer]}},
            },
            "4XX": {
                "description": "Refused; nothing has changed",
                "content": {"application/json": {"schema": by_type[ErrorBody]}},
            },
        },
    }
    if parameters := _parameters(op):
        described["parameters"] = parameters
    if op.body is not None or op.media != ("application/json",):
        schema: dict[str, Any] = {} if op.body is None else by_type[op.body]
        if op.is_list_too:
            schema = {"oneOf": [schema, {"type": "array", "minItems": 1, "items": schema}]}
        described["requestBody"] = {
            "content": {
                media: {"schema": schema if media == "application/json" else {}} for media in op.media
            }
        }
    return described


def _operation_id(op: Operation) -> str:
    words = re.sub(r"[{}]", "", op.path.removeprefix("/v1/")).replace("/", "_").replace("-", "_")
    return f"{op.method.lower()}_{words}"


def _query(op: Operation) -> dict[str, dict[str, Any]]:
    """Describe what the query may hold, by name."""
    if op.query_type is None:
        return {
            name: {"schema": {"type": "integer", "minimum": 0} if name in _NUMBERS else {"type": "string"}}
            for name in op.query
        }
    schema = msgspec.json.schema(op.query_type)["$defs"][op.query_type.__name__]
    return {
        name: {"schema": described, "required": name in schema["required"]}
        for name, described in schema["properties"].items()
    }


def _parameters(op: Operation) -> list[dict[str, Any]]:
    named = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string" if name == "product" else "integer"},
        }
        for name in re.findall(r"{(\w+)}", op.path)
    ]
    asked = [{"name": name, "in": "query", **described} for name, described in _query(op).items()]
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key again gives the same answer and does nothing (P13).",
        "schema": {"type": "string", "maxLength": 128},
    }
    return [*named, *asked, *([key] if op.method == "POST" else [])]
