"""`tf.GradientTape`: derivatives with respect to tensors that are watched.

PyTorch records by itself; the tape turns recording on, marks what is watched, and asks for the derivatives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deqn.tensorflow.tensors import variables


class GradientTape:
    """Records while it is open.

    Args:
        persistent: whether `gradient` may be called several times.
        watch_accessed_variables: whether each trainable `tf.Variable` is watched.

    Example:
        >>> x = torch.tensor([1.0, 2.0])
        >>> with GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x**2
        >>> tape.gradient(y, x).tolist()
        [2.0, 4.0]
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._watches_variables = watch_accessed_variables
        self._marked: list[Tensor] = []
        self._before: list[bool] = []

    def __enter__(self) -> GradientTape:
        self._before.append(torch.is_grad_enabled())
        torch.set_grad_enabled(True)
        if self._watches_variables:
            self.watch(list(variables))
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_grad_enabled(self._before.pop())

    def watch(self, tensor: Any) -> None:
        for entry in tensor if isinstance(tensor, list | tuple) else [tensor]:
            if entry.is_floating_point() and not entry.requires_grad:
                entry.requires_grad_()
                self._marked.append(entry)

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None, **_: Any) -> Any:
        """Derivative of the sum of a target (or of several) by each source: of its shape; None where it does not depend on it."""
        targets = [t for t in _flat(target) if t.requires_grad]
        if not targets:
            return [None for _ in sources] if isinstance(sources, list | tuple) else None
        weights = [torch.ones_like(t) for t in targets] if output_gradients is None else _flat(output_gradients)
        with torch.enable_grad():
            found = torch.autograd.grad(
                targets, _flat(sources), weights, create_graph=True, retain_graph=True, allow_unused=True
            )
        gradients = [self._outside(gradient) for gradient in found]
        return gradients if isinstance(sources, list | tuple) else gradients[0]

    def jacobian(self, target: Tensor, sources: Tensor, **_: Any) -> Any:
        """Derivative of each entry of the target: `[*target, *source]`."""
        rows = []
        for entry in target.reshape(-1):
            gradient = self.gradient(entry, sources)
            rows.append(torch.zeros_like(sources) if gradient is None else gradient)
        return torch.stack(rows).reshape(*target.shape, *sources.shape)

    def batch_jacobian(self, target: Tensor, source: Tensor, **_: Any) -> Tensor:
        """Derivative of each state's entries by the same state's source: `[batch, *target, *source]`."""
        columns = []
        for entry in target.reshape(target.shape[0], -1).unbind(1):
            gradient = self.gradient(entry, source)
            columns.append(torch.zeros_like(source) if gradient is None else gradient)
        return torch.stack(columns, 1).reshape(*target.shape, *source.shape[1:])

    def stop_recording(self) -> Any:
        return torch.no_grad()

    def _outside(self, gradient: Tensor | None) -> Tensor | None:
        """Where nothing was recorded around the tape, nothing is recorded of its results."""
        return gradient if gradient is None or torch.is_grad_enabled() else gradient.detach()


def _flat(value: Any) -> list[Tensor]:
    return list(value) if isinstance(value, list | tuple) else [value]
