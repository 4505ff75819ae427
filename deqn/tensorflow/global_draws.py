"""Generators of NumPy and Python in the files of a model: those that everybody shares, kept with that of the run.

SciPy and pandas draw from NumPy's. A generator that a file makes for itself (`np.random.default_rng`) is not kept: it is named.
"""

from __future__ import annotations

import ast
import random
import struct
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from deqn.tensorflow.folder import Trees

_DRAWING = ("random", "scipy", "pandas")  # modules besides NumPy that draw from the shared generators
_MAKERS = ("default_rng", "RandomState", "Random")
_NUMPY, _PYTHON = "<624LB3xId", "<625LBd"  # words, whether a normal draw is left over, (place,) that draw
_NUMPY_BYTES, _PYTHON_BYTES = struct.calcsize(_NUMPY), struct.calcsize(_PYTHON)


class GlobalDraws:
    """The shared generators of NumPy and Python, started anew.

    Args:
        seed: of both.
    """

    def __init__(self, seed: int) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        np.random.seed(seed % 2**32)
        random.seed(seed)

    def get_state(self) -> Tensor:
        """Where they are: `[bytes]`, uint8, always as many."""
        _, words, place, left, normal = np.random.get_state(legacy=True)
        _, python, gauss = random.getstate()
        packed = struct.pack(_NUMPY, *words, left, place, normal)
        packed += struct.pack(_PYTHON, *python, gauss is not None, gauss or 0.0)
        return torch.frombuffer(bytearray(packed), dtype=torch.uint8)

    def set_state(self, state: Tensor) -> None:
        """Puts them there."""
        packed = state.cpu().numpy().tobytes()
        *words, left, place, normal = struct.unpack(_NUMPY, packed[:_NUMPY_BYTES])
        np.random.set_state(("MT19937", np.array(words, dtype=np.uint32), place, left, normal))
        *python, some, gauss = struct.unpack(_PYTHON, packed[_NUMPY_BYTES:])
        random.setstate((3, tuple(python), gauss if some else None))


def draws_globally(trees: Trees) -> bool:
    """Whether files may draw from the shared generators: they import `random` or SciPy, or name `np.random`."""
    return any(_draws(tree) for tree in trees.values())


def _draws(tree: ast.Module) -> bool:
    numpy: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in _DRAWING or alias.name == "numpy.random":
                    return True
                if alias.name == "numpy":
                    numpy.add(alias.asname or "numpy")
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            taken = [alias.name for alias in node.names]
            if (
                module.split(".")[0] in _DRAWING
                or module == "numpy.random"
                or (module == "numpy" and "random" in taken)
            ):
                return True
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "random"
        and isinstance(node.value, ast.Name)
        and node.value.id in numpy
        for node in ast.walk(tree)
    )


def own_generators(trees: Trees) -> Iterator[str]:
    """Generators that files keep for themselves, each with file and line."""
    for path, tree in trees.items():
        for statement in tree.body:
            made = statement.value if isinstance(statement, ast.Assign) else None
            called = _name(made.func) if isinstance(made, ast.Call) else ""
            if called in _MAKERS:
                yield (
                    f"{path.parent.name}/{path.name}:{statement.lineno}: {called}() makes a generator that no checkpoint holds: "
                    "a run that is resumed goes on with other numbers. Draw from np.random, tf.random or Parameters.rng."
                )


def _name(function: ast.expr) -> str:
    """`f` of `f` and of `a.b.f`."""
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
