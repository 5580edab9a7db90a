"""The types of bodies and answers as JSON Schema, under the names that SDKs give them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from handlers.http import answers

JsonObject = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
NAMES: Final[Mapping[str, str]] = {
    "MemoryInput": "AddMemoryRequest",
    "MemoryBatch": "AddMemoriesRequest",
    "SearchInput": "SearchQuery",
    "AgentInput": "RegisterAgentRequest",
    "SessionInput": "CreateSessionRequest",
    "SessionUpdate": "UpdateSessionRequest",
    "ContextInput": "ContextOptions",
    "SearchAnswer": "SearchResult",
    "BatchAnswer": "AddMemoriesResult",
    "Fate": "AddMemoryResult",
    "ContextAnswer": "SessionContext",
    "MeAnswer": "KeyInfo",
    "SessionDeletionAnswer": "SessionDeletion",
    "LiveAnswer": "Liveness",
    "ReadyAnswer": "Readiness",
}
"""Where it is not the type's own name without `Answer`."""
_ABSENT: Final = {"enum": ["", None], "description": "as if it were absent"}


def public(kind: type[Any]) -> str:
    """The name that a type has in the document."""
    name = kind.__name__
    return NAMES.get(name) or name.removesuffix("Answer")


def reference(kind: type[Any]) -> JsonObject:
    return {"$ref": REFERENCE.format(name=public(kind))}


def one_of(kinds: Iterable[type[Any]], word: str = "anyOf") -> JsonObject:
    """The schema of a value that is of one of these types."""
    references = [reference(kind) for kind in kinds]
    return references[0] if len(references) == 1 else {word: references}


def component_schemas(kinds: Iterable[type[Any]]) -> JsonObject:
    """All of these types and what they are made of, by name."""
    wanted: set[type[Any]] = {*kinds, answers.ErrorAnswer}
    given_kinds = sorted(wanted, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(given_kinds, ref_template=REFERENCE)
    names = {name: NAMES.get(name) or name.removesuffix("Answer") for name in schemas}
    renamed = {names[name]: _schema(name, schema, names) for name, schema in schemas.items()}
    return dict(sorted(renamed.items()))


def properties_of(kind: type[Any]) -> Mapping[str, JsonObject]:
    """The members of a type, each with its schema; for query parameters."""
    _, schemas = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    return {name: member(schema) for name, schema in schemas[kind.__name__]["properties"].items()}


def member(schema: JsonObject) -> JsonObject:
    """A member's schema in fewer words: described at its top, with empty defaults and plain unions gone."""
    schema = {name: value for name, value in schema.items() if (name, value) != ("default", "")}
    parts = schema.pop("anyOf", None)
    if parts is None:
        return _typed(schema)
    parts = [dict(part) for part in parts]
    described = next((part.pop("description") for part in parts if "description" in part), None)
    if described is not None:
        schema = {"description": described, **schema}
    return {**schema, **_union(parts)}


def _union(parts: list[JsonObject]) -> JsonObject:
    takes_null, takes_empty = {"type": "null"} in parts, {"enum": [""]} in parts
    rest = [_typed(part) for part in parts if part not in ({"type": "null"}, {"enum": [""]})]
    if len(rest) != 1:
        raise ValueError(f"a union that nobody thought of: {parts}")
    (only,) = rest
    if "$ref" in only:
        return {"anyOf": [only, {"type": "null"}]}
    if "enum" in only:
        more = [*([""] if takes_empty else []), *([None] if takes_null else [])]
        kinds = ["string", "null"] if takes_null else "string"
        return {**only, "type": kinds, "enum": [*only["enum"], *more]}
    if takes_empty:
        return {"anyOf": [only, _ABSENT if takes_null else {"enum": [""]}]}
    return {**only, "type": [only["type"], "null"]} if takes_null else only


def _typed(schema: JsonObject) -> JsonObject:
    """Choices say their type too; the empty one, which means none of them, comes last. Objects are open."""
    if "enum" in schema and "type" not in schema:
        return {**schema, "type": "string", "enum": sorted(schema["enum"], key=lambda one: (not one, one))}
    if "items" in schema:
        return {**schema, "items": _typed(schema["items"])}
    if schema.get("type") == "object":
        return {"additionalProperties": True, **schema}
    return schema


def _schema(name: str, schema: JsonObject, names: Mapping[str, str]) -> JsonObject:
    required = schema.get("required", [])
    properties = {one: _renamed(member(part), names) for one, part in schema["properties"].items()}
    for part in properties.values():
        # Ours only mean that something may be left out, and `required` says that.
        part.pop("default", None)
    ordered = {one: properties[one] for one in [*required, *(p for p in properties if p not in required)]}
    made = {
        "title": names[name],
        "description": schema["description"],
        "type": "object",
        "properties": ordered,
    }
    return {**made, "required": required} if required else made


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """With references to types by the names that they have here."""
    if isinstance(value, dict):
        return {
            key: REFERENCE.format(name=names[part.rsplit("/", 1)[-1]])
            if key == "$ref"
            else _renamed(part, names)
            for key, part in value.items()
        }
    return [_renamed(part, names) for part in value] if isinstance(value, list) else value
