"""Names of constants and variables as Python reads them in a model's files, and both forms of a file of constants."""

from __future__ import annotations

import unicodedata
from typing import Any

from deqn.errors import suggestion


def read_constants(group: Any, problems: list[str]) -> tuple[Any, dict[Any, Any]]:
    """The constants of the group, and what its `about` says of them, by their names.

    Both forms are read: `constants: {alpha: ...}` of the TensorFlow library, and `alpha: ...`.

    Args:
        group: as it was composed; what is no mapping comes back as it is.
        problems: gets what is wrong.
    """
    words: dict[Any, Any] = {}
    if isinstance(group, dict) and isinstance(group.get("about"), dict):
        words = {_normal(name): text for name, text in group["about"].items()}
        group = {name: value for name, value in group.items() if name != "about"}
    if group is None:
        group = {}
    if not isinstance(group, dict):
        return group, words
    result: dict[Any, Any] = {}
    for name, value in _flat(group, problems).items():
        if _normal(name) in result:
            problems.append(f"constants.{name}: Python reads two of these names as {_normal(name)!r}. Rename one.")
        result[_normal(name)] = value
    return result, words


def read_names(variables: Any) -> Any:
    """The group `variables` with its names, and those of constants in `init.kwargs`."""
    if isinstance(variables, list):
        return [read_names(entry) for entry in variables]
    if not isinstance(variables, dict):
        return variables
    result = {key: read_names(value) for key, value in variables.items()}
    if "name" in result:
        result["name"] = _normal(result["name"])
    if isinstance(result.get("kwargs"), dict):
        result["kwargs"] = {key: _normal(value) for key, value in result["kwargs"].items()}
    return result


def _flat(group: dict[Any, Any], problems: list[str]) -> dict[Any, Any]:
    """Constants in one mapping; what stands beside the nested ones, as the command line may have put it, replaces them."""
    if not isinstance(group.get("constants"), dict):
        return group
    nested = dict(group["constants"])
    for name, value in group.items():
        if name == "constants":
            continue
        if name not in nested:
            problems.append(
                f"constants.{name}: there is no constant {name!r}.{suggestion(name, nested)} "
                f"To add one, write +constants.{name}=..."
            )
        nested[name] = value
    return nested


def _normal(name: Any) -> Any:
    """The form that Python gives to a name in a file (NFKC): the micro sign of a keyboard becomes a Greek mu."""
    return unicodedata.normalize("NFKC", name) if isinstance(name, str) else name
