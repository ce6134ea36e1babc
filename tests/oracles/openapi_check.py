"""Checks a value against a schema of an OpenAPI document, as strictly as it can be read: a member that the schema does not
name is a problem too, unless it allows others. Where a document says `oneOf`, at least one must fit (OpenAI's own
overlap). An unknown keyword fails."""

import re

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
NO_MEANING = {"description", "title", "default", "example", "examples", "format", "deprecated", "discriminator", "nullable"}
KNOWN = NO_MEANING | {"$ref", "type", "enum", "allOf", "anyOf", "oneOf", "properties", "required", "additionalProperties"}
KNOWN |= {"items", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum", "maxProperties"}
KNOWN |= {"propertyNames"}


class Checker:
    def __init__(self, document):
        self.document = document

    def schema(self, name):
        return self.document["components"]["schemas"][name]

    def resolve(self, schema):
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self.schema(schema["$ref"].rpartition("/")[2])
        return schema

    def merged(self, schema):
        """The schema with its `allOf` taken in."""
        schema = self.resolve(schema)
        if "allOf" not in schema:
            return schema
        out = {k: v for k, v in schema.items() if k != "allOf"}
        properties, required = dict(schema.get("properties", {})), list(schema.get("required", []))
        for part in map(self.merged, schema["allOf"]):
            properties |= part.get("properties", {})
            required += part.get("required", [])
            out = {k: v for k, v in part.items() if k not in ("properties", "required")} | out
        return out | {"properties": properties, "required": required}

    def problems(self, value, schema, where="$"):
        """What is wrong with `value`, as lines; none where it fits."""
        if schema is True or schema == {}:
            return []
        schema = self.merged(schema)
        if unknown := [k for k in schema if k not in KNOWN and not k.startswith("x-")]:
            raise AssertionError(f"keywords that are not understood: {unknown}")
        if value is None and schema.get("nullable"):
            return []
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                tried = [self.problems(value, variant, where) for variant in schema[keyword]]
                if all(tried):
                    return min(tried, key=len)
        kinds = schema.get("type")
        if kinds is not None:
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if not any(is_kind(value, kind) for kind in kinds):
                return [f"{where}: {value!r} is no {kinds}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where}: {value!r} is not one of {schema['enum']}"]
        if isinstance(value, dict):
            return self.object_problems(value, schema, where)
        if isinstance(value, list):
            return self.array_problems(value, schema, where)
        return scalar_problems(value, schema, where)

    def object_problems(self, value, schema, where):
        out = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        others = schema.get("additionalProperties", "properties" not in schema)
        for name, member in value.items():
            if name in schema.get("properties", {}):
                out += self.problems(member, schema["properties"][name], f"{where}.{name}")
            elif isinstance(others, dict):
                out += self.problems(member, others, f"{where}.{name}")
            elif not others and "anyOf" not in schema and "oneOf" not in schema:
                out.append(f"{where}: {name} is not known")
        return out

    def array_problems(self, value, schema, where):
        out = []
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            out.append(f"{where}: {len(value)} items")
        for i, item in enumerate(value):
            out += self.problems(item, schema.get("items", True), f"{where}[{i}]")
        return out


def is_kind(value, kind):
    if kind in ("integer", "number"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and (kind == "number" or value == int(value))
    return isinstance(value, KINDS[kind])


def scalar_problems(value, schema, where):
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return [f"{where}: {len(value)} characters"]
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return [f"{where}: {value!r} is not like {schema['pattern']}"]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            return [f"{where}: {value} is out of range"]
    return []
