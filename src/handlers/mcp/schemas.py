"""JSON schemas of arguments and results, in a form that every client's model understands.

No references and no `null`: an argument that is not given is simply absent.
"""

from typing import Any, Final

import msgspec

Schema = dict[str, Any]
_REFERENCE: Final = "#/$defs/"


def schema_of(kind: type[msgspec.Struct], *, closed: bool = False) -> Schema:
    """The type as one JSON schema. `closed`: whatever it does not name is refused."""
    (_,), definitions = msgspec.json.schema_components([kind], ref_template=_REFERENCE + "{name}")
    schema: Schema = _plain(definitions[kind.__name__], definitions)
    del schema["title"]
    schema.pop("description", None)
    if closed:
        schema["additionalProperties"] = False
    return schema


def _plain(schema: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(schema, list):
        return [_plain(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        found: Schema = _plain(definitions[reference.removeprefix(_REFERENCE)], definitions)
        return found
    plain = {name: _plain(one, definitions) for name, one in schema.items() if not _is_empty(name, one)}
    choices = [one for one in plain.pop("anyOf", []) if one != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **plain}
    if "enum" in plain:
        return {"type": "string", **plain}
    return {**plain, "anyOf": choices} if choices else plain


def _is_empty(name: str, value: Any) -> bool:
    """A default that stands for nothing given."""
    return name == "default" and value in (None, "", [], {}, 0.0, False)
