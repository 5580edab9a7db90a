"""As much of JSON Schema as our OpenAPI document uses; anything else in it fails the test."""

import re
from collections.abc import Mapping
from typing import Any

KNOWN = {
    "$ref", "anyOf", "oneOf", "type", "enum", "const", "properties", "required", "items", "pattern",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "additionalProperties",
    "title", "description", "default", "format",
}  # fmt: skip
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


class Schemas:
    """Validates values against schemas that refer to the document's components."""

    def __init__(self, document: Any) -> None:
        self._named = document["components"]["schemas"]

    def faults(self, value: Any, schema: Any, where: str = "$") -> list[str]:
        """What is wrong with the value; a member that the schema does not know is wrong too."""
        assert set(schema) <= KNOWN, set(schema) - KNOWN
        if "$ref" in schema:
            return self.faults(value, self._named[schema["$ref"].rsplit("/", 1)[-1]], where)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                tried = [self.faults(value, part, where) for part in schema[word]]
                return [] if [] in tried else [f"{where}: none of {word}: {tried}"]
        if "enum" in schema:
            return [] if value in schema["enum"] else [f"{where}: {value!r} is not allowed"]
        if "type" in schema:
            right = isinstance(value, TYPES[schema["type"]])
            if not right or (isinstance(value, bool) and schema["type"] != "boolean"):
                return [f"{where}: {value!r} is no {schema['type']}"]
        return [*self._scalar(value, schema, where), *self._inner(value, schema, where)]

    def _scalar(self, value: Any, schema: Any, where: str) -> list[str]:
        wrong = []
        if isinstance(value, str):
            if not re.search(schema.get("pattern", ""), value):
                wrong.append(f"{where}: {value!r} does not match")
            if len(value) < schema.get("minLength", 0):
                wrong.append(f"{where}: too short")
            if schema.get("format") == "date-time" and not MOMENT.fullmatch(value):
                wrong.append(f"{where}: {value!r} is no time")
        elif isinstance(value, int | float):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                wrong.append(f"{where}: {value!r} is out of range")
        return wrong

    def _inner(self, value: Any, schema: Any, where: str) -> list[str]:
        wrong: list[str] = []
        if isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                wrong.append(f"{where}: {len(value)} items")
            for index, item in enumerate(value):
                wrong += self.faults(item, schema.get("items", {}), f"{where}[{index}]")
        elif isinstance(value, dict) and "properties" in schema:
            known = schema["properties"]
            wrong += [f"{where}: {name} is missing" for name in schema["required"] if name not in value]
            wrong += [f"{where}: {name} is not documented" for name in value if name not in known]
            for name in set(value) & set(known):
                wrong += self.faults(value[name], known[name], f"{where}.{name}")
        elif isinstance(value, dict) and "additionalProperties" in schema:
            for name, item in value.items():
                wrong += self.faults(item, schema["additionalProperties"], f"{where}.{name}")
        return wrong
