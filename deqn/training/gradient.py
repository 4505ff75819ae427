"""The gradients of all parameters in one tensor, and what the processes of a run share in a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from deqn.processes.comm import Comm


class Gradient:
    """All gradients in one tensor: one operation to clear, check, clip or average them, and memory that never moves.

    Args:
        parameters: the trainable ones.
        comm: the processes that train together.
        signalled: whether a signal has come to this process.

    Attributes:
        flat: `[n]`, the gradients.
        shared: `[n + 2]`, the same memory and behind it the loss and whether to stop: what processes average.
        agreed: of several processes, whether all know that one of them has had a signal.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], comm: Comm, signalled: Callable[[], bool]) -> None:
        self.parameters, self.comm, self._signalled = parameters, comm, signalled
        n, first = sum(p.numel() for p in self.parameters), self.parameters[0]
        self.shared = torch.zeros(n + 2, dtype=first.dtype, device=first.device)
        self.flat = self.shared[:n]
        self.agreed = False
        self.attach()

    def attach(self) -> None:
        """Makes the gradients views of the flat tensor, also where a model's own optimizer has set them to None."""
        start = 0
        for parameter in self.parameters:
            parameter.grad = self.flat[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()

    def average(self, loss: Tensor, step: int) -> Tensor:
        """Averages gradients and loss over the processes, and lets them agree whether to stop; the average loss."""
        if self.comm.size == 1:
            return loss
        shared = self.shared
        shared[-2], shared[-1] = loss, float(self._signalled())
        self.comm.mean_(shared)
        # a GPU is not waited for in every step
        if not shared.is_cuda or step % 16 == 0:
            self.agreed = self.agreed or bool(shared[-1] > 0)
        return shared[-2]

    def average_of_episode(self, rows: Tensor, network: torch.nn.Module) -> None:
        """Averages over the processes what was summed up in an episode, `[epochs, n]`, and statistics of batch normalisation."""
        if self.comm.size == 1:
            return
        statistics = [
            buffer
            for module in network.modules()
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            for buffer in (module.running_mean, module.running_var)
            if buffer is not None
        ]
        stop = rows.new_full((1,), float(self._signalled()))
        together = torch.cat([stop, *(x.flatten().to(rows) for x in (rows, *statistics))])
        self.comm.mean_(together)
        self.agreed = self.agreed or bool(together[0] > 0)
        start = 1
        for x in (rows, *statistics):
            x.copy_(together[start : start + x.numel()].view_as(x))
            start += x.numel()
