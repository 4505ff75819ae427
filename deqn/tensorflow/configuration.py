"""A configuration of the TensorFlow library -> one of this library, with what is passed over and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from deqn.errors import suggestion
from deqn.tensorflow.keys import OPTIMIZER, Key, is_off, key_of
from deqn.tensorflow.optimizers import rename, schedule

_GROUPS = ("constants", "net", "optimizer", "run", "variables")
_VARIABLES = ("states", "policies", "definitions")


class Translation:
    """A configuration of the TensorFlow library on its way to the keys of this one.

    At first only its groups are brought into form; `finish` does the rest. What has no meaning here stays, to be refused where
    the configuration is checked.

    Args:
        tree: as Hydra composed it, or as it stands in a run folder, resolved; also one of before the groups.
        fields: the keys that this library knows below a path: of '', 'run', 'variables.states', 'net.layers.hidden', 'run.loss'.
        typed: keys of the command line: one that is not known is a slip, and is not passed over.

    Attributes:
        tree: the configuration.
        notes: what was passed over, or taken for something else.
    """

    def __init__(
        self, tree: Mapping[str, Any], fields: Callable[[str], list[str]], typed: Collection[str] = ()
    ) -> None:  # fmt: skip
        self.tree: dict[str, Any] = {key: _copy(value) for key, value in tree.items()}
        self.notes: list[str] = []
        self._before, self._passed_over = _copy(tree), list[str]()
        self.fields, self._typed = fields, typed
        self._group()
        self._constants()

    def finish(self, own_net: bool) -> dict[str, Any]:
        """The whole configuration with the keys of this library.

        Args:
            own_net: whether the model has a Net.py, which may read keys of its own from `net`.
        """
        optimizer = self.tree.get("optimizer")
        self.notes += rename(optimizer) if isinstance(optimizer, dict) else []
        for name in ("", "run", "optimizer"):
            self._keys(name)
        self._net(own_net)
        for kind in _VARIABLES:
            self._variables(kind)
        self._numbers()
        self._defaults()
        return self.tree

    def _group(self) -> None:
        """Keys of before the groups stand side by side at the top; the library copies all of them into each group."""
        tree = self.tree
        if isinstance(tree.get("optimizer"), str):
            tree["optimizer"] = {"optimizer": tree["optimizer"]}
        side_by_side = [key for key in tree if key not in _GROUPS and key not in self.fields("")]
        moved, grouped = list[str](), False
        for group in ("run", "net", "optimizer", "variables"):
            content = tree.get(group, {})
            if not isinstance(content, dict):
                continue
            own = [*self.fields(group), *(OPTIMIZER if group == "optimizer" else ())]
            if group != "run":  # optimizer.N_minibatch_size is of this library
                own = [key for key in own if key not in self.fields("run")]
            for key in [key for key in content if key not in own and self._is_copy(key, content[key])]:
                del content[key]
            grouped |= any(not self._is_copy(key, value) for key, value in content.items())
            for key in side_by_side:
                if key in own and key in tree and content.setdefault(key, tree[key]) == tree[key]:
                    del tree[key]
                    moved.append(f"{group}.{key}")
            if content:
                tree[group] = content
        if moved and grouped:
            self.notes.append(f"keys at the top of the configuration are read as {_list(moved)}.")
        elif moved:
            self.notes.append(
                "a configuration of before the groups: its keys are read as those of net, optimizer, run and variables."
            )

    def _is_copy(self, key: str, value: Any) -> bool:
        """Whether a key of a group is one of the top, which the library has copied there."""
        return key in self._before and (key in _GROUPS or self._before[key] == value)

    def _constants(self) -> None:
        """`constants.constants` alone is read there; what stands beside it is not."""
        group = self.tree.get("constants")
        if group is None:
            self.tree["constants"] = {}
        if not isinstance(group, dict) or "constants" not in group:
            return
        inner = group["constants"]
        if inner is None or isinstance(inner, dict):
            beside = [key for key in group if key != "constants" and not self._is_copy(key, group[key])]
            self._pass_over("constants", beside, [])
            self.tree["constants"] = inner or {}

    def _keys(self, group: str) -> None:
        """Keys that this library lacks, at the top or in a group."""
        content = self.tree.get(group) if group else self.tree
        if not isinstance(content, dict):
            return
        known = [*self.fields(group), *(() if group else _GROUPS)]
        switches = {**self.tree, **content}
        for name in [name for name in content if name not in known]:
            key = key_of(group, str(name))
            if name not in content:  # taken with its switch
                continue
            if key is None and self._is_typed(f"{group}.{name}".lstrip(".")):
                continue
            if key is None:
                self._pass_over(group, [name], known)
                del content[name]
            elif is_off(key, content[name], switches):
                del content[name]
            else:
                self._apply(f"{group}.{name}".lstrip("."), content, str(name), key)

    def _apply(self, label: str, content: dict[str, Any], name: str, key: Key) -> None:
        """What becomes of a key that has an entry in the table; a refused one stays, to be refused with its sentence."""
        if key.fate == "ignored":
            del content[name]
            self.notes.append(f"{label} is not needed: {key.here}.")
        elif key.fate == "handed":
            self.tree["constants"].setdefault(name, content.pop(name))
            self.notes.append(f"{label}: the model's files read it as Parameters.{name}.")
        elif key.fate == "taken" and self._take(content, name, key):
            self.notes.append(f"{label} is {key.here} here.")

    def _take(self, content: dict[str, Any], name: str, key: Key) -> bool:
        """Sets the key of this library that means the same; False where there is none."""
        if name == "lr_scheduler":
            content |= schedule(content.pop(name), content.pop("lr_scheduler_kwargs", None))
            return True
        place, _, last = key.here.rpartition(".")
        if place != "optimizer.optimizer_kwargs" and last not in self.fields(place):
            return False
        value = content.pop(name)
        if name == "use_loss_reweighting":
            value = content.pop("reweighting_scheme", "softmax")
        inside = self.tree
        for part in place.split("."):
            inside = inside.setdefault(part, {})
        inside.setdefault(last, value.lower() if name == "loss_choice" else value)
        return True

    def _net(self, own_net: bool) -> None:
        """There every layer is dense, and the last one has neither dropout nor batch normalisation."""
        net = self.tree.get("net")
        if not isinstance(net, dict):
            return
        known = self.fields("net")
        for name in [name for name in net if name not in known and not self._is_typed(f"net.{name}")]:
            if own_net:
                net.setdefault("options", {})[name] = net.pop(name)
            else:
                self._pass_over("net", [name], known)
                del net[name]
        layers = net.get("layers")
        for i, layer in enumerate(layers if isinstance(layers, list) else []):
            for kind, content in layer.items() if isinstance(layer, dict) else ():
                if isinstance(content, dict) and kind in ("hidden", "output"):
                    self._layer(i, kind, content)

    def _is_typed(self, path: str) -> bool:
        """Whether a key, or one inside it, stands on the command line: where it is not known, it is a slip."""
        return any(key == path or key.startswith(f"{path}.") for key in self._typed)

    def _layer(self, i: int, kind: str, content: dict[str, Any]) -> None:
        where = f"net.layers[{i}].{kind}"
        known = self.fields(f"net.layers.{kind}")
        if content.get("type", "dense") != "dense":
            self.notes.append(f"{where}.type = {content['type']!r} is not read: every layer is dense.")
            content["type"] = "dense"
        ignored = [n for n in content if n not in known and not self._is_typed(f"net.layers.{i}.{kind}.{n}")]
        if kind == "output":
            ignored += [name for name in ("dropout_rate", "batch_normalize") if content.get(name) is not None]
        self._pass_over(where, ignored, [])
        for name in ignored:
            del content[name]

    def _variables(self, kind: str) -> None:
        """Entries of a variable that are not read there, and definitions that are listed twice."""
        group = self.tree.get("variables")
        if not isinstance(group, dict):
            return
        if group.get(kind) is None:
            group[kind] = []
        entries = group[kind]
        if not isinstance(entries, list):
            return
        known, kept = self.fields(f"variables.{kind}"), list[Any]()
        ignored: dict[str, list[str]] = {}
        for i, entry in enumerate(entries):
            if not isinstance(entry, dict):
                kept.append(entry)
                continue
            for name in [n for n in entry if n not in known and not self._is_typed(f"variables.{kind}.{i}.{n}")]:
                ignored.setdefault(str(name), []).append(str(entry.get("name")))
                del entry[name]
            self._bounds(kind, entry)
            before = next((e for e in kept if kind == "definitions" and e["name"] == entry.get("name")), None)
            if before is None:
                kept.append(entry)
            else:
                self.notes.append(f"variables.{kind}: {entry['name']} is listed twice; bounds of the second count.")
                before["bounds"] = {**before.get("bounds", {}), **entry.get("bounds", {})}
        for name, variables in ignored.items():
            self.notes.append(f"variables.{kind}: `{name}` of {_list(variables)} is not read.")
        entries[:] = kept

    def _bounds(self, kind: str, entry: dict[str, Any]) -> None:
        """A penalty without its bound is not read."""
        bounds = entry.get("bounds")
        if "bounds" in entry and bounds is None:
            del entry["bounds"]
        for side in ("lower", "upper"):
            if isinstance(bounds, dict) and f"penalty_{side}" in bounds and bounds.get(side) is None:
                del bounds[f"penalty_{side}"]
                self.notes.append(
                    f"variables.{kind}: `penalty_{side}` of {entry.get('name')} is not read without a bound."
                )

    def _numbers(self) -> None:
        """`1e6` is a number of episodes there; `null` is what is not given."""
        for group in ("run", "optimizer"):
            content = self.tree.get(group)
            for name in [n for n, value in content.items() if value is None] if isinstance(content, dict) else ():
                del self.tree[group][name]
        contents: list[Any] = [self.tree, self.tree.get("run")]
        for content in contents:
            for name, value in content.items() if isinstance(content, dict) else ():
                is_count = str(name).startswith(("N_", "expectation_", "MAX_", "CHECK"))
                if is_count and isinstance(value, float) and value.is_integer():
                    content[name] = int(value)

    def _defaults(self) -> None:
        """What the library does where nothing is said, and this one otherwise."""
        if self.tree.get("initialize_each_episode") is None:
            self.tree["initialize_each_episode"] = False
        run = self.tree.get("run")
        if isinstance(run, dict):
            run.setdefault("episodes_overlap", True)
            run.setdefault("hook_counts_from", 0)
            if (
                run.get("N_episode_length") == 1
                and not self.tree["initialize_each_episode"]
                and run["episodes_overlap"]
            ):
                self.notes.append(
                    "an episode of one period, and initialize_each_episode is false: as in the TensorFlow library, training "
                    "stays at its first states. For new ones in each episode, write initialize_each_episode=true."
                )
        if self._passed_over:
            self.notes.append(f"not read, as in the TensorFlow library: {_list(self._passed_over)}.")

    def _pass_over(self, where: str, names: list[Any], known: list[str]) -> None:
        for name in names:
            near = suggestion(str(name), known).strip()
            self._passed_over.append(
                f"{where}.{name}".lstrip(".") + (f" ({near[0].lower()}{near[1:]})" if near else "")
            )


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _list(names: list[str], most: int = 8) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
