"""What a line of the command line that Hydra cannot read should have been."""

from __future__ import annotations

import re
from collections.abc import Callable

_UNQUOTED = re.compile(r"[A-Za-z0-9_/\-\\+.$%*@?|:, ]")
_KEY = re.compile(r"[A-Za-z0-9_.\-/@:$]")
_PREFIX = re.compile(r"^(\+\+|\+|~)?")


def explain(line: str, readable: Callable[[str], bool]) -> str:
    """What is not understood in an override, and the line to type.

    Args:
        line: as it was typed.
        readable: whether Hydra can read a line.
    """
    key, equals, value = line.partition("=")
    prefix = _PREFIX.match(key).group()  # type: ignore[union-attr]
    bare = key[len(prefix) :]
    if not equals and not prefix.startswith("~"):
        return f"{line}: there is no value. Write key=value."
    indexed = re.sub(r"\[(\d+)\]", r".\1", key)
    if indexed != key and readable(f"{indexed}={value}"):
        return f"{line}: [ is not understood in a key. Write {indexed}={value}."
    strange = next((mark for mark in bare if not _KEY.match(mark)), None)
    if strange is not None and not strange.isascii():
        return (
            f"{line}: {strange!r} is not understood in a key: on the command line a name is made of the letters a to z, digits "
            "and _, that of a constant excepted. Set it in a YAML file."
        )
    if strange is not None or not bare:
        what = "an empty key" if strange is None else f"{strange!r} in a key"
        return f"{line}: {what} is not understood. Write key=value."
    if value.startswith("~"):
        return f"{line}: ~ is not understood here, neither by this program nor by most shells. Write {key}=$HOME{value[1:]}."
    quoted = f"{key}='{value}'"
    if value[:1] not in ("'", '"', "[", "{") and "'" not in value and readable(quoted):
        strange = next((mark for mark in value if not _UNQUOTED.match(mark)), None)
        what = "the value is not understood" if strange is None else f"{strange!r} is not understood without quotes"
        return f'{line}: {what}. Write "{quoted}".'
    for opening, closing in (("[", "]"), ("{", "}"), ("'", "'"), ('"', '"')):
        if value.startswith(opening) and not (value.endswith(closing) and len(value) > 1):
            return f"{line}: {opening} is opened and not closed. Write {closing} at the end, and all in quotes of the shell."
    return (
        f"{line}: the value is not understood. Write key=value, [a,b] for a list, {{a: 1}} for a mapping, and a text with "
        "other marks in quotes: \"key='text'\"."
    )
