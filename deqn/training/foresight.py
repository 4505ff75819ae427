"""How much of tomorrow's change of policy a least-squares step reckons with.

An Euler equation ties today's policy to tomorrow's, and both are the network. A step that moves both at once (Newton's
method, share 1) goes to whichever solution is near: the one on the stable path, or one that runs away from it, whose
residuals in the cloud are as small. A step that takes tomorrow's policy as given (share 0) is time iteration, the limit of
economies that end ever later: it goes to the stable path from nearly anywhere, but slowly.

In between, let rho be the rate at which time iteration goes to a solution, or away from it where rho > 1. A step with share
eta multiplies the distance by (1 - eta) rho / (1 - eta rho). With eta = 0.9 and rho = 0.96 this is 0.7 instead of 0.96, and
solutions with rho between 1 and 1 / (2 eta - 1) = 1.25 still repel. Such steps are as fast as Newton's where both end at the
same solution (docs/explanation/training.md).

Sources: Coleman (1990), Solving the stochastic growth model by policy-function iteration, Journal of Business and Economic
Statistics 8, 27-29, and Coleman (1991), Econometrica 59, 1091-1104, on time iteration; Judd (1998), Numerical Methods in
Economics, chapter 16.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from deqn.economy.model import Model
from deqn.numerics.normal_equations import Values


class Foresight:
    """Tomorrow's policy under the expectations of one model.

    Args:
        model: the one whose residuals are linearised.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._given = copy.deepcopy(model.network).requires_grad_(False).eval()
        self._share = torch.zeros((), dtype=model.dtype, device=model.device)

    def policy(self, states: Tensor) -> Tensor:
        """Value of the network that is given; of its derivative by the parameters, the share: `[..., n_states]`."""
        given = self._given(states)
        return given + self._share * (self._model.policy(states) - given)

    @contextlib.contextmanager
    def __call__(self, values: Values, share: float) -> Iterator[None]:
        """Inside, expectations take tomorrow's policy as that of these parameters, and reckon with `share` of its change.

        Args:
            values: the trainable parameters by name, with or without the prefix `network.`.
        """
        expectations = self._model.expectations
        before = expectations.policy
        if share < 1:
            self._given.load_state_dict(self._model.network.state_dict())
            own = dict(self._given.named_parameters())
            with torch.no_grad():
                for name, value in values.items():
                    own[name.removeprefix("network.")].copy_(value)
                self._share.fill_(share)
            expectations.policy = self.policy
        try:
            yield
        finally:
            expectations.policy = before
