"""A step on a minibatch along the gradient of the loss."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deqn.configuration.schema import Config
from deqn.economy.check_numerics import CheckNumerics, NotFinite
from deqn.economy.model import Model
from deqn.numerics.beyond_gradient import BeyondGradient, Problem
from deqn.numerics.once import asked_once
from deqn.training.clipping import Clip
from deqn.training.gradient import Gradient
from deqn.training.held import Held, refuse_constant
from deqn.training.loss import LossTerms, Terms
from deqn.training.train_state import TrainState

Linearise = Callable[[Tensor], tuple[Tensor, Tensor]]


class BadStep(Exception):
    """A number was not finite.

    Args:
        states: those of the minibatch.
        found: the operation, where it is known.
    """

    def __init__(self, states: Tensor, found: str = "") -> None:
        super().__init__(found)
        self.states, self.found = states, found


class FirstOrder:
    """Adam and its kind, and L-BFGS, which evaluates the loss of a minibatch several times.

    Args:
        config: of the phase.
        terms: the loss, compiled or not.
        linearise: gives residuals whose squares add up to the loss, and their Jacobian, for optimizers that take it.

    Attributes:
        on_device: whether a bad step is skipped on the device, which is asked for it only now and then.
    """

    def __init__(
        self, model: Model, config: Config, state: TrainState, gradient: Gradient, terms: Terms, linearise: Linearise,
    ) -> None:  # fmt: skip
        self.model, self.state, self.gradient, self.terms = model, state, gradient, terms
        self._clip = Clip(config.optimizer, [p.numel() for p in gradient.parameters], model.dtype)
        self._linearise = linearise
        self._held, self._n_held = Held(model), config.optimizer.N_steps_per_expectation
        self._compiled = config.run.compile
        self._check_numerics = config.enable_check_numerics
        # a check on the host would wait for the GPU in every step; there the optimizer itself skips the step
        skips = getattr(state.optimizer, "_step_supports_amp_scaling", False) and not config.enable_check_numerics
        self.on_device = state.starting_state.is_cuda and skips
        self._bad = torch.zeros((), device=model.device, dtype=torch.float32)

    def begin(self, states: Tensor) -> None:
        """An episode begins; `[periods, batch, n_states]`."""

    def end(self, states: Tensor) -> None:
        """An epoch has ended on these states.

        Raises:
            BadStep: where the device has skipped a step.
        """
        if self.on_device and bool(self._bad):
            raise BadStep(states.flatten(0, 1))

    def __call__(self, states: Tensor) -> LossTerms:
        """One step on a minibatch `[batch, n_states]`, or several with its expectations held; the loss before.

        Raises:
            BadStep: where loss or gradient is not finite.
        """
        if isinstance(self.state.optimizer, torch.optim.LBFGS):
            return self._several(self.state.optimizer, states)
        if self._n_held is None:
            return self._one(states)
        with self._held():
            before = self._one(states)
            for _ in range(self._n_held - 1):
                self._held.again()
                self._one(states)
        return before

    def _one(self, states: Tensor) -> LossTerms:
        terms, value, found = self._evaluate(states)
        flat, optimizer = self.gradient.flat, self.state.optimizer
        total = value + flat.sum()
        if self.on_device:
            self._bad = torch.maximum(self._bad, (~torch.isfinite(total)).to(self._bad.dtype))
            optimizer.found_inf = self._bad  # type: ignore[attr-defined]
        elif not math.isfinite(total.item()):
            raise BadStep(states, found)
        self._clip(flat)
        if isinstance(optimizer, BeyondGradient) and optimizer.has_gradients:
            self._clip(optimizer.more)
        optimizer.step()
        assert terms is not None
        return terms

    def _evaluate(self, states: Tensor) -> tuple[LossTerms | None, Tensor, str]:
        """Loss terms, the loss over all processes, whose gradient is in `gradient.flat`, and what was not finite."""
        flat = self.gradient.flat
        flat.zero_()
        terms, found = None, ""
        try:
            with self._numerics():
                with contextlib.nullcontext() if self._compiled else asked_once():
                    terms = self.terms(self.model, states)
                self._differentiate(terms, states)
            value = terms.loss.detach()
        except NotFinite as error:
            found = str(error)
            value = flat.fill_(float("nan")).sum()  # so that the other processes stop too
        value = self.gradient.average(value, self.state.step)
        if isinstance(self.state.optimizer, BeyondGradient) and not found:
            self.gradient.comm.mean_(self.state.optimizer.more)
            value = value + 0 * self.state.optimizer.more.sum()  # not finite where that is not
        return terms, value, found

    def _differentiate(self, terms: LossTerms, states: Tensor) -> None:
        """Fills `gradient.flat`, and what the optimizer takes beyond it."""
        optimizer, parameters = self.state.optimizer, self.gradient.parameters
        if not isinstance(optimizer, BeyondGradient):
            if self._n_held is not None:
                refuse_constant(self.model, terms)
            terms.loss.backward()
            return
        problem = Problem(list(terms.components().values()), parameters, lambda: self._linearise(states))
        flat, optimizer.more = optimizer.differentiate(problem)
        self.gradient.flat.copy_(flat)

    def _several(self, optimizer: torch.optim.LBFGS, states: Tensor) -> LossTerms:
        """L-BFGS on one minibatch; the curvature of another one's loss is forgotten."""
        first: list[LossTerms] = []

        def closure() -> float:
            terms, value, found = self._evaluate(states)
            if not first:
                if terms is None or not torch.isfinite(value + self.gradient.flat.sum()):
                    raise BadStep(states, found)
                first.append(terms)
            return float(value)

        with torch.no_grad():
            before = [parameter.clone() for parameter in self.gradient.parameters]
        optimizer.step(closure)
        optimizer.state.clear()
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.gradient.parameters):
            with torch.no_grad():  # a step without line search has gone too far: the minibatch is left out
                for parameter, value in zip(self.gradient.parameters, before, strict=True):
                    parameter.copy_(value)
        return first[0]

    def _numerics(self) -> contextlib.AbstractContextManager[Any]:
        if not self._check_numerics:
            return contextlib.nullcontext()
        stack = contextlib.ExitStack()
        stack.enter_context(torch.autograd.set_detect_anomaly(True, check_nan=True))
        stack.enter_context(CheckNumerics(self.model.folder))
        return stack
