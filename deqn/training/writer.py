"""`Parameters.summary`: a TensorBoard writer, or what takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deqn.disk.run_folder import EVENT_SUFFIX

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class LazyWriter:
    """A TensorBoard writer made at its first use: importing TensorBoard takes longer than the first episodes."""

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir
        self._writer: SummaryWriter | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._log_dir, filename_suffix=EVENT_SUFFIX)
        return getattr(self._writer, name)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class NoWriter:
    """`Parameters.summary` of the processes that write nothing: takes every call of a TensorBoard writer."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **named: None
