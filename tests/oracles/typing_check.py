"""Checks a value against a type made of TypedDicts, as strictly as it can be read: a member that it does not name is a
problem too."""

import collections.abc
import types
import typing


def problems(value, hint, where="$"):
    """What is wrong with `value`, as lines; none where it fits."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Required, typing.NotRequired, typing.Annotated):
        return problems(value, arguments[0], where)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{where}: {value!r} is not one of {arguments}"]
    if origin in (typing.Union, types.UnionType):
        tried = [problems(value, variant, where) for variant in arguments]
        return min(tried, key=len) if all(tried) else []
    if origin in (list, collections.abc.Iterable, collections.abc.Sequence):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [p for i, item in enumerate(value) for p in problems(item, arguments[0], f"{where}[{i}]")]
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [p for name, item in value.items() for p in problems(item, arguments[1], f"{where}.{name}")]
    if hint is object or hint is typing.Any:
        return []
    if isinstance(hint, type) and hasattr(hint, "__total__"):
        return object_problems(value, hint, where)
    if hint is float:
        hint = (int, float)
    if hint in (type(None), str, int, bool, (int, float)):
        fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
        return [] if fits else [f"{where}: {value!r} is no {hint}"]
    return [f"{where}: {value!r} is nothing that JSON holds, a {hint}"]


def object_problems(value, hint, where):
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    known = typing.get_type_hints(hint, include_extras=True)
    # `__required_keys__` is made before types that are written as texts are read: it misses what they mark.
    marked = {name for name, member in known.items() if typing.get_origin(member) is typing.Required}
    required = sorted(marked | hint.__required_keys__)
    out = [f"{where}: {name} is missing" for name in required if name not in value]
    for name, member in value.items():
        if name in known:
            out += problems(member, known[name], f"{where}.{name}")
        else:
            out.append(f"{where}: {name} is not known")
    return out
