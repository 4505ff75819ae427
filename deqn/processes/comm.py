"""The few operations that the processes of one run share; an engine of `distributed.py` carries them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.errors import DEQNError, ElsewhereError


class Comm:
    """The processes of one run. All of them call the same operations in the same order.

    This class is that of one process alone; an engine overrides `sum_`, `broadcast_`, `gather_bytes` and `close`.

    Attributes:
        rank, size: which process of how many.
        local_rank: which of those on this machine.
        engine: name for the user.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0, engine: str = "one process") -> None:
        self.rank, self.size, self.local_rank, self.engine = rank, size, local_rank, engine

    def sum_(self, tensor: Tensor) -> None:
        """Adds a tensor up over the processes, in place."""

    def broadcast_(self, tensor: Tensor) -> None:
        """Replaces a tensor by that of rank 0, in place."""

    def gather_bytes(self, content: Tensor) -> list[Tensor]:
        """The byte tensors `[n]`, n of any size, of all processes; on other ranks than 0 an empty list."""
        return [content]

    def close(self, together: bool = True) -> None:
        """Leaves the other processes: once all are here, or at once where they may never come."""

    # -- made of these --------------------------------------------------------------------------------------------

    def mean_(self, tensor: Tensor) -> None:
        """Averages a tensor over the processes, in place."""
        if self.size > 1:
            self.sum_(tensor)
            tensor.div_(self.size)

    def gather(self, value: Any) -> list[Any]:
        """Values of all processes (tensors, plain values, nested) in the order of ranks; on other ranks than 0 an empty list."""
        if self.size == 1:
            return [value]
        return [_unpacked(content) for content in self.gather_bytes(_packed(value))]

    def first(self, function: Callable[[], Any]) -> Any:
        """What a function gives on rank 0, where alone it is called: tensors and plain values, nested.

        Where it fails on rank 0 by one of our errors, the other processes raise one too, which is not shown; where it fails
        otherwise, they end with status 1.

        Raises:
            ElsewhereError: on other ranks than 0.
        """
        if self.size == 1:
            return function()
        if self.rank == 0:
            try:
                value = function()
            except DEQNError as error:
                error.shared = True
                self._send({"error": error.exit_code})
                raise
            except BaseException:
                self._send({"crash": 1})
                raise
            self._send({"value": value})
            return value
        answer = self._receive()
        if "error" in answer:
            raise ElsewhereError(answer["error"])
        if "crash" in answer:
            sys.exit(1)
        return answer["value"]

    def _send(self, value: Any) -> None:
        content = _packed(value)
        self.broadcast_(torch.tensor([len(content)], device="cpu"))
        self.broadcast_(content)

    def _receive(self) -> Any:
        length = torch.zeros(1, dtype=torch.int64, device="cpu")
        self.broadcast_(length)
        content = torch.empty(int(length), dtype=torch.uint8, device="cpu")
        self.broadcast_(content)
        return _unpacked(content)


def _packed(value: Any) -> Tensor:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def _unpacked(content: Tensor) -> Any:
    return torch.load(io.BytesIO(content.numpy().tobytes()), map_location="cpu", weights_only=True)
