"""Where a key belongs: `learning_rate` -> `optimizer.learning_rate`; for what stands, or was typed, in another place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deqn.configuration.net_schema import HiddenLayer, Net
from deqn.configuration.schema import Config, Optimizer, Run
from deqn.errors import suggestion


def places(tree: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name -> the keys under which it stands.

    Args:
        tree: the configuration, for the names of its constants and the number of its layers.
    """
    found: dict[str, list[str]] = {}

    def add(prefix: str, names: Iterable[Any]) -> None:
        for name in names:
            found.setdefault(str(name), []).append(f"{prefix}{name}")

    add("", Config.model_fields)
    for group, fields in (("net", Net), ("optimizer", Optimizer), ("run", Run)):
        add(f"{group}.", fields.model_fields)
    constants, net = tree.get("constants"), tree.get("net")
    add("constants.", constants if isinstance(constants, Mapping) else ())
    layers = net.get("layers") if isinstance(net, Mapping) else None
    for i, layer in enumerate(layers if isinstance(layers, list) else []):
        if isinstance(layer, Mapping) and "hidden" in layer:
            add(f"net.layers.{i}.hidden.", HiddenLayer.model_fields)
    return found


def moved(name: str, tree: Mapping[str, Any], known: Iterable[str], value: str | None = None) -> str:
    """' Write optimizer.learning_rate=1e-3.', or ' Did you mean ...?', or an empty string.

    Args:
        name: a key that is not known where it stands.
        known: the names that are known there.
        value: what was typed behind the key; None where it stands in a file.
    """
    elsewhere = places(tree)
    if name in elsewhere and name not in known:
        if value is None:
            return f" It belongs under {' or '.join(elsewhere[name])}."
        return f" Write {' or '.join(f'{key}={value}' for key in elsewhere[name])}."
    near = suggestion(name, known)
    if not near:
        near = suggestion(name, elsewhere)
        for nearest, keys in elsewhere.items():
            near = keys[0].join((" Did you mean ", "?")) if near == f" Did you mean {nearest}?" else near
    return near
