"""Variables.py of a model folder: names, constants and settings that are made in Python."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deqn.errors import ConfigError

FILE = "Variables.py"
_LISTS = ("states", "policies", "definitions")
_TENSORFLOW = ("tensorflow", "keras")
_GIVEN = (
    "N_sim_batch", "N_episode_length", "N_epochs_per_episode", "N_minibatch_size", "N_episodes", "sorted_within_batch",
    "expectation_type", "expectation_pseudo_draws",
)  # fmt: skip


@dataclass(frozen=True)
class Variables:
    """What a Variables.py defines.

    Attributes:
        lists: `states`, `policies`, `definitions`, as plain values; an activation may be a function.
        constants: by name; plain values, arrays, functions.
        config: settings of the run, in the Keras version.
    """

    lists: dict[str, list[dict[str, Any]]]
    constants: dict[str, Any]
    config: dict[str, Any]

    def activation(self, policy: str) -> Any:
        """What the file gives as the activation of a policy; None where it gives none."""
        entries = (entry for entry in self.lists.get("policies", []) if entry.get("name") == policy)
        return next(entries, {}).get("activation")


def has_variables(folder: Path) -> bool:
    """Whether a model folder has a Variables.py with the lists of the TensorFlow library, read without running it."""
    try:
        tree = ast.parse((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
    except SyntaxError:
        return True  # said where it is run
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return {"states", "policies"} <= names or "*" in names


def read_variables(folder: Path, model: str, run: Mapping[str, Any]) -> Variables:
    """Runs the Variables.py of a model folder, once a process for the same settings.

    Args:
        model: `Parameters.MODEL_NAME`, which the file may read.
        run: settings of the run, which it may read too.

    Raises:
        ConfigError: where it fails, or defines something else.
    """
    path = (folder / FILE).resolve()
    given = {"MODEL_NAME": model, **{name: run[name] for name in _GIVEN if name in run}}
    return _read(path, path.stat().st_mtime_ns, json.dumps(given, default=str))


@functools.lru_cache(maxsize=8)
def _read(path: Path, changed: int, given: str) -> Variables:
    values = vars(_Loader(path, json.loads(given)).module(path))
    lists: dict[str, list[dict[str, Any]]] = {}
    for name in _LISTS:
        entries = values.get(name)
        if entries is None and name == "definitions":
            entries = []
        if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
            raise ConfigError(f"{_place(path)}: {name} is {_short(entries)}, expected a list of dictionaries.")
        lists[name] = [_entry(entry) for entry in entries]
    return Variables(lists, _mapping(path, values, "constants"), _mapping(path, values, "config"))


def _mapping(path: Path, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    if name == "config" and not isinstance(found, Mapping):
        return {}  # something else of that name
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise ConfigError(f"{_place(path)}: {name} is {_short(found)}, expected a dictionary.")
    return {str(key): plain(value) for key, value in found.items()}


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): listed(plain(value)) for key, value in entry.items()}


def plain(value: Any) -> Any:
    """Numbers of NumPy and tensors as numbers, tuples as lists; an array, and what is not plain, as it is."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return str(value) if isinstance(value, Path) else value


def listed(value: Any) -> Any:
    """Arrays as lists."""
    if isinstance(value, dict):
        return {key: listed(inner) for key, inner in value.items()}
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, str) else value


def is_plain(value: Any) -> bool:
    """Whether a value can stand in a YAML file."""
    if isinstance(value, dict):
        return all(is_plain(inner) for inner in value.values())
    if isinstance(value, list):
        return all(is_plain(inner) for inner in value)
    return value is None or isinstance(value, bool | int | float | str)


class _Loader:
    """Runs files of a model folder, and helpers beside it, before there is a model.

    Args:
        path: Variables.py.
        given: `Parameters.<name>`.
    """

    def __init__(self, path: Path, given: Mapping[str, Any]) -> None:
        self._folders = (path.parent, path.parent.parent)
        self._names = {
            "Parameters": types.SimpleNamespace(**given),
            "Globals": types.SimpleNamespace(POST_PROCESSING=False, DISABLE_SHOCKS=False, DISABLE_SCHOCKS=False),
        }
        self._modules: dict[Path, types.ModuleType] = {}

    def module(self, path: Path) -> types.ModuleType:
        if path in self._modules:
            return self._modules[path]
        module = types.ModuleType(path.stem)
        module.__file__ = str(path)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self._modules[path] = module
        try:
            exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        except ConfigError:
            raise
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{_place(path, error)}: it needs {error.name}, which is not installed: pip install {error.name}"
            ) from error
        except (Exception, SystemExit) as error:
            text = " ".join(str(error).split())
            raise ConfigError(f"{_place(path, error)}: {type(error).__name__}{': ' if text else ''}{text}") from error
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`__import__` of these files."""
        head, _, rest = name.partition(".")
        if head in self._names:
            return self._names[head]
        if head in _TENSORFLOW:
            return _imported(name, fromlist)
        if level or head == self._folders[0].name:
            inner = name if level else rest
            if inner:
                return self._own(inner, self._folders[0]) if fromlist else self._package(inner)
            return types.SimpleNamespace(**{entry: self._own(entry, self._folders[0]) for entry in fromlist or ()})
        place = next((folder for folder in self._folders if (folder / f"{name}.py").is_file()), None)
        if place is not None:
            return self._own(name, place)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _own(self, name: str, folder: Path) -> types.ModuleType:
        return self.module(folder / f"{name}.py")

    def _package(self, inner: str) -> Any:
        return types.SimpleNamespace(**{inner: self._own(inner, self._folders[0])})


def _imported(name: str, fromlist: Sequence[str] | None) -> Any:
    """What `import tensorflow` gives."""
    names = importlib.import_module("deqn.tensorflow.names")  # only for a file that asks
    return names.imported(names.build(), name, fromlist)


def _place(path: Path, error: BaseException | None = None) -> str:
    """'dice/Variables.py:12': the line of an error in one of the user's files."""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(str(path.parent.parent)):
            path, line = Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno
        trace = trace.tb_next
    return f"{path.parent.name}/{path.name}{f':{line}' if line else ''}"


def _short(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
