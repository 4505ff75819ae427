"""Ftrl: follow the regularised leader, with a learning rate of its own for each parameter.

Source: McMahan and others (2013), Ad click prediction: a view from the trenches, KDD 2013, 1222-1230, algorithm 1; the arguments
are those of Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class Ftrl(torch.optim.Optimizer):
    """n' = n + g², z' = z + g - (n'^q - n^q) theta / lr; theta = (clip(z', l1) - z') / (n'^q / lr + 2 l2 + beta / lr), q = 1/2.

    The first steps draw the parameters towards zero, from wherever the network begins.

    Args:
        params: parameters of the network.
        lr: learning rate.
        learning_rate_power: -q.
        initial_accumulator_value: n at the start.
        l1, l2: strengths of regularisation.
        l2_shrinkage: 2 l2_shrinkage theta is added to g in z.
        beta: see the paper.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        l2_shrinkage: float = 0.0,
        beta: float = 0.0,
    ) -> None:
        if learning_rate_power > 0 or min(initial_accumulator_value, l1, l2, l2_shrinkage, beta) < 0:
            raise ValueError("expected learning_rate_power <= 0, and no other argument below 0")
        super().__init__(
            params,
            {
                "lr": lr, "learning_rate_power": learning_rate_power, "l1": l1, "l2": l2, "l2_shrinkage": l2_shrinkage,
                "beta": beta, "initial_accumulator_value": initial_accumulator_value,
            },
        )  # fmt: skip

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            lr, power = group["lr"], -group["learning_rate_power"]
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["accumulator"] = torch.full_like(parameter, group["initial_accumulator_value"])
                    state["linear"] = torch.zeros_like(parameter)
                accumulator, linear, slope = state["accumulator"], state["linear"], parameter.grad
                before = accumulator**power
                accumulator.addcmul_(slope, slope)
                after = accumulator**power
                linear.add_(slope + 2 * group["l2_shrinkage"] * parameter - (after - before) / lr * parameter)
                curvature = after / lr + 2 * group["l2"] + group["beta"] / lr
                parameter.copy_((linear.clamp(-group["l1"], group["l1"]) - linear) / curvature)
