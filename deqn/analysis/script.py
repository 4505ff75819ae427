"""Scripts of the TensorFlow library's users: `import Parameters`, `State`, `Graphs` and the like give those of a run.

They find these names in `sys.modules` while they run, so that modules of their own, `importlib` and `from Parameters import *` do
too. What a script sets, `Globals.X = True` or `Parameters.x = 1`, holds for the model's files.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from deqn.analysis.run import Run
from deqn.economy.columns import Namespace
from deqn.economy.files import describe, source
from deqn.economy.for_tensorflow import graphs
from deqn.errors import DEQNError, ModelError
from deqn.tensorflow.methods import compiled

_FILES = ("Definitions", "Dynamics", "Equations", "Hooks", "Variables")
_NAMES = ("Parameters", "State", "PolicyState", "Definitions", "Globals", "Graphs", "Equations", "Dynamics", "Hooks")
_TENSORFLOW = ("tensorflow", "keras")


class Script:
    """A script and the run that it is about.

    Args:
        path: the file.
        arguments: `sys.argv[1:]` of the script.
        load: gives the run; asked when the script first imports one of the names, so that it may say itself which run.
    """

    def __init__(self, path: Path, arguments: Sequence[str], load: Callable[[], Run]) -> None:
        self.path, self.arguments, self._load = path.resolve(), list(arguments), load
        self.run: Run | None = None
        self._inside = contextlib.ExitStack()

    def start(self) -> Run:
        """The run; its names can be imported from here on."""
        if self.run is None:
            self.run = self._load()
            self._inside.enter_context(self.run.model.context())
            self._inside.enter_context(torch.no_grad())
            self._inside.enter_context(_importable(_modules(self.run)))
            self._inside.enter_context(_on_path(self.run.model.folder.parent, 1))
        return self.run

    def __call__(self) -> None:
        """Runs the script as `python <script>` would.

        Raises:
            ModelError: where it fails, with file and line.
        """
        module = types.ModuleType("__main__")
        module.__file__ = str(self.path)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        argv, main = sys.argv, sys.modules["__main__"]
        with self._inside, _on_path(self.path.parent):
            sys.argv, sys.modules["__main__"] = [str(self.path), *self.arguments], module
            try:
                exec(compiled(source(self.path), self.path), module.__dict__)
            except SystemExit as ended:
                if ended.code not in (None, 0):
                    raise ModelError(f"{self.path.name} ended with status {ended.code}.") from ended
            except DEQNError:
                raise
            except Exception as error:
                raise ModelError(
                    f"{self.path.name}{self._line(error)}: {describe(error)}\n  HYDRA_FULL_ERROR=1 shows the whole traceback."
                ) from error
            finally:
                sys.argv, sys.modules["__main__"] = argv, main

    def _line(self, error: BaseException) -> str:
        trace, line = error.__traceback__, getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(self.path):
                line = trace.tb_lineno
            trace = trace.tb_next
        return f":{line}" if line else ""

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`__import__` of the script."""
        head = name.partition(".")[0]
        if head in _NAMES:
            self.start()
        elif head in _TENSORFLOW:
            return self._tensorflow(name, fromlist)
        elif head == "numpy" and not level and (name == head or not fromlist):
            builtins.__import__(name)
            return importlib.import_module("deqn.tensorflow.names").old_numpy()
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _tensorflow(self, name: str, fromlist: Sequence[str] | None) -> Any:
        """What `import tensorflow` gives; modules of the script's own that ask for it find the same."""
        names = importlib.import_module("deqn.tensorflow.names")  # only for who asks
        root = sys.modules.get("tensorflow")
        if not isinstance(root, names.Names):
            root = names.build(None if self.run is None else self.run.model.Parameters)
            self._inside.enter_context(
                _importable({"tensorflow": root, "tensorflow.keras": root.keras, "keras": root.keras})
            )
        return names.imported(root, name, fromlist)


def _modules(run: Run) -> dict[str, Any]:
    """Name -> what an import of it gives."""
    model = run.model
    parameters = Namespace("Parameters")  # of the model, and not read-only: what a script sets is its own
    parameters.__dict__ = model.Parameters.__dict__
    for name, value in _more_parameters(run).items():
        parameters.__dict__.setdefault(name, value)
    files = {name: model.linker.link(name) for name in _FILES if name != "Variables" and model.linker.has(name)}
    files.setdefault("Hooks", types.ModuleType("Hooks"))
    return {
        **files,
        **{f"{model.name}.{name}": module for name, module in files.items()},
        model.name: Namespace(model.name, {"__path__": [], **files}),
        **model.linker.names,  # Definitions: with bounds
        "Parameters": parameters,
        "Graphs": graphs(run.model.step),
    }


def _more_parameters(run: Run) -> dict[str, Any]:
    """Attributes of Parameters that only scripts read."""
    config = run.config
    return {
        "N_simulated_batch_size": config.N_simulated_batch_size,
        "N_simulated_episode_length": config.N_simulated_episode_length,
        "error_filename": config.error_filename,
        "horovod": False,
        "horovod_worker": False,
    }


@contextlib.contextmanager
def _importable(modules: Mapping[str, Any]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


@contextlib.contextmanager
def _on_path(folder: Path, place: int = 0) -> Iterator[None]:
    sys.path.insert(place, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the script may have taken it out
            sys.path.remove(str(folder))
