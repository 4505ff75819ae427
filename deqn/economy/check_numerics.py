"""Names the first operation that makes a number not finite, and the line of the model's file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from deqn.economy.files import is_model_file


class NotFinite(Exception):
    """Raised by `CheckNumerics` at the first operation with a result that is not finite."""


class CheckNumerics(TorchDispatchMode):
    """Names the first operation that makes a number not finite out of finite ones, and the line of the model's file.

    Args:
        folder: the model folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func).removeprefix("aten.").split(".")[0]
        quiet = name.startswith(("empty", "new_empty", "isfinite"))  # memory that is filled later, and the check itself
        if (
            not quiet
            and isinstance(result, Tensor)
            and result.is_floating_point()
            and not bool(torch.isfinite(result).all())
        ):
            raise NotFinite(f"the first operation with a result that is not finite is `{name}`{self._line()}")
        return result

    def _line(self) -> str:
        frame = sys._getframe(1)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if is_model_file(path, self.folder):
                return f", called in {path.parent.name}/{path.name}:{frame.f_lineno}"
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def first_operation(function: Callable[[], object], folder: Path) -> str:
    """What `CheckNumerics` finds while a function is called; '' where every result is finite."""
    try:
        with torch.no_grad(), CheckNumerics(folder):
            function()
    except NotFinite as error:
        return str(error)
    return ""
