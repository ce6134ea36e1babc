"""Checks a value against the part of JSON Schema 2020-12 that our OpenAPI document uses; an unknown keyword fails."""

import re

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
NO_MEANING = {
    "description",
    "title",
    "default",
    "examples",
    "example",
    "format",
    "contentMediaType",
    "readOnly",
    "deprecated",
}


def resolve(document, pointer):
    value = document
    for part in pointer.removeprefix("#/").split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


def is_kind(value, kind):
    if kind in ("integer", "number"):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and (kind == "number" or value == int(value))
    return isinstance(value, KINDS[kind])


def problems(value, schema, document, where="$"):
    """What is wrong with `value`, as lines; none where it fits."""
    if schema is True:
        return []
    if "$ref" in schema:
        return problems(value, resolve(document, schema["$ref"]), document, where)
    out = []
    for keyword, rule in schema.items():
        out += check(keyword, rule, value, schema, document, where)
    return out


def check(keyword, rule, value, schema, document, where):
    if keyword in NO_MEANING:
        return []
    if keyword == "type":
        kinds = rule if isinstance(rule, list) else [rule]
        return [] if any(is_kind(value, k) for k in kinds) else [f"{where}: {value!r} is no {rule}"]
    if keyword in ("enum", "const"):
        return [] if value in (rule if keyword == "enum" else [rule]) else [f"{where}: {value!r} is not one of {rule}"]
    if keyword in ("oneOf", "anyOf", "allOf"):
        results = [problems(value, s, document, where) for s in rule]
        fitting = sum(not r for r in results)
        good = {"oneOf": fitting == 1, "anyOf": fitting > 0, "allOf": fitting == len(rule)}[keyword]
        return [] if good else [f"{where}: fits {fitting} of {keyword}", *(p for r in results for p in r)]
    if isinstance(value, dict):
        if keyword == "required":
            return [f"{where}: {name} is missing" for name in rule if name not in value]
        if keyword == "properties":
            return [p for k, s in rule.items() if k in value for p in problems(value[k], s, document, f"{where}.{k}")]
        if keyword == "additionalProperties":
            extra = [k for k in value if k not in schema.get("properties", {})]
            if rule is False:
                return [f"{where}: {k} is not known" for k in extra]
            return [p for k in extra for p in problems(value[k], rule, document, f"{where}.{k}")]
        if keyword in ("minProperties", "maxProperties"):
            return limit(keyword, rule, len(value), where)
    if isinstance(value, list):
        if keyword == "items":
            return [p for i, item in enumerate(value) for p in problems(item, rule, document, f"{where}[{i}]")]
        if keyword in ("minItems", "maxItems"):
            return limit(keyword, rule, len(value), where)
    if isinstance(value, str):
        if keyword == "pattern":
            return [] if re.search(rule, value) else [f"{where}: {value!r} does not match {rule}"]
        if keyword in ("minLength", "maxLength"):
            return limit(keyword, rule, len(value), where)
    if isinstance(value, (int, float)) and keyword in ("minimum", "maximum"):
        return limit(keyword, rule, value, where)
    of_other_kinds = {
        "required",
        "properties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "items",
        "minItems",
        "maxItems",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
    }
    return [] if keyword in of_other_kinds else [f"{where}: the checker does not know {keyword}"]


def limit(keyword, rule, size, where):
    good = size >= rule if keyword.startswith("min") else size <= rule
    return [] if good else [f"{where}: {size} against {keyword} {rule}"]
