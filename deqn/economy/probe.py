"""Tries a model on seven states and reports everything that is wrong with it, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from deqn.economy.columns import Column
from deqn.economy.files import describe, where
from deqn.economy.model import Model
from deqn.errors import ModelError, count

_FAILED = object()  # what a function of the model's files gives that raised
BATCH = 7  # a prime that no model has as a number of variables by accident


@dataclass
class Report:
    """What the probe saw of a model that passed.

    Attributes:
        equations: by equation, the shape of one state's residual and the median absolute residual at the start.
        nodes: number of shock nodes.
        notes: remarks that are no errors.
    """

    equations: dict[str, tuple[tuple[int, ...], float]] = field(default_factory=dict)
    nodes: int = 0
    notes: list[str] = field(default_factory=list)


def probe(model: Model) -> Report:
    """Evaluates every file of the model folder on a batch of seven initial states.

    Also finds out whether the expectations may be evaluated on all shock nodes at once (`Expectations.stacked_step`,
    `stacked_function`): only when this gives the same residuals as one node after the other. Neither the generator nor
    the network is changed.

    Raises:
        ModelError: with every problem found.
    """
    rng_state = model.rng.get_state()
    was_training = model.network.training
    model.network.eval()
    try:
        with model.context():
            return _Probe(model).run()
    finally:
        model.network.train(was_training)
        model.rng.set_state(rng_state)


class _Probe:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.problems: list[str] = []
        self.report = Report()
        self.states: Tensor

    def run(self) -> Report:
        model = self.model
        states = self.states = model.initial_states(BATCH)
        self._finite("the initial states", states, states)
        policies = self._try("the network", lambda: model.policy(states).detach())
        if policies is not _FAILED and self._shape("the network", policies, (BATCH, model.n_policies)):
            self._finite("the network's policies", policies, states)
            self._definitions(states, policies)
            if self._shocks(states, policies) & self._steps(states, policies):
                self._equations(states, policies)
        if self.problems:
            texts = {name: value for name, value in model.config.constants.items() if isinstance(value, str)}
            self.problems += [f"constants.{name} = {v!r} is a text; was a number meant?" for name, v in texts.items()]
            raise ModelError(f"{count(len(self.problems), 'problem')} in {model.folder}", self.problems)
        return self.report

    def _try(self, what: str, function: Callable[[], Any]) -> Any:
        """The function's value, or `_FAILED` with a problem noted; a user's `sys.exit()` ends nothing here."""
        try:
            return function()
        except (Exception, SystemExit) as error:
            place = where(error, self.model.folder)
            self.problems.append(f"{place + ': ' if place else ''}{what} failed: {describe(error)}")
            return _FAILED

    def _shape(self, what: str, value: Any, expected: tuple[int, ...]) -> bool:
        if not isinstance(value, Tensor):
            self.problems.append(f"{what} is a {type(value).__name__}, expected a tensor of shape {list(expected)}.")
            return False
        if tuple(value.shape) != expected:
            self.problems.append(
                f"{what} has shape {list(value.shape)}, expected {list(expected)}.{_mixed(value.shape)}"
            )
            return False
        if value.dtype != self.model.dtype:
            self.problems.append(
                f"{what} is {value.dtype}, expected {self.model.dtype} (run.keras_precision): write torch.tensor(x, "
                "dtype=Parameters.dtype)."
            )
            return False
        return True

    def _finite(self, what: str, value: Tensor, states: Tensor) -> bool:
        bad = ~torch.isfinite(value).reshape(value.shape[0], -1).all(-1)
        if bad.any():
            first = int(bad.nonzero()[0])
            self.problems.append(
                f"{what}: not finite for {int(bad.sum())} of {len(bad)} initial states, first at "
                f"{describe_state(self.model, states[first])}."
            )
        return not bool(bad.any())

    def _definitions(self, states: Tensor, policies: Tensor) -> None:
        for name in self.model.definition_bounds:
            value = self._try(f"definition {name!r}", partial(getattr(self.model.Definitions, name), states, policies))
            if isinstance(value, Tensor) and value.ndim and value.shape[0] != BATCH:
                self.problems.append(
                    f"definition {name!r} has shape {list(value.shape)}, expected [{BATCH}] for {BATCH} states."
                    f"{_mixed(value.shape)}"
                )
            elif value is not _FAILED and not isinstance(value, (Tensor, float, int)):
                self.problems.append(f"definition {name!r} is {type(value).__name__}, expected a tensor or a number.")
            elif isinstance(value, Tensor) and value.shape == (BATCH, 1):
                self.problems.append(
                    f"definition {name!r} has shape [{BATCH}, 1], expected [{BATCH}]: with a column it would become "
                    f"[{BATCH}, {BATCH}]. Index the last dimension: x[..., 0]."
                )

    def _shocks(self, states: Tensor, policies: Tensor) -> bool:
        model = self.model
        if model.expectations.kind == "pseudo_random":
            self.report.nodes = model.expectations.draws
            return True
        probs = self._try("shock_probs", lambda: model.expectations.probabilities(states, policies))
        if probs is _FAILED:
            return False
        nodes = self.report.nodes = probs.shape[0]
        file = f"{model.folder.name}/Dynamics.py"
        if callable(model.expectations.dynamics.shock_probs) and tuple(probs.shape[1:]) != (BATCH,):
            self.problems.append(
                f"{file}: shock_probs(state, policy_state) has shape {list(probs.movedim(0, -1).shape)}, expected "
                f"[{BATCH}, nodes] for {BATCH} states."
            )
            return False
        total = probs.sum(0)
        worst = total.flatten()[(total.flatten() - 1).abs().argmax()]
        if not bool(torch.isfinite(probs).all()) or bool((probs < 0).any()):
            self.problems.append(f"{file}: shock_probs has an entry that is negative or not finite.")
        elif abs(float(worst) - 1.0) > 1e-4:
            self.problems.append(
                f"{file}: shock_probs sums to {float(worst):.6g}, not 1. Divide it by its sum, or add the node that is missing."
            )
        values = getattr(model.expectations.dynamics, "shock_values", None)
        if isinstance(values, Tensor) and values.ndim and values.shape[0] != nodes:
            self.problems.append(f"{file}: shock_values has {values.shape[0]} rows, shock_probs has {nodes} entries.")
        return True

    def _steps(self, states: Tensor, policies: Tensor) -> bool:
        dynamics = self.model.expectations.dynamics
        expected = (BATCH, self.model.n_states)
        passed = True
        steps: dict[str, Callable[[], Any]] = {
            "total_step_random(prev_state, policy_state)": lambda: dynamics.total_step_random(states, policies)
        }
        if self.model.expectations.kind != "pseudo_random":
            steps["total_step_spec_shock(prev_state, policy_state, 0)"] = lambda: dynamics.total_step_spec_shock(
                states, policies, 0
            )
        for what, step in steps.items():
            before = len(self.problems)
            value = self._try(what, step)
            if value is not _FAILED and self._shape(what, value, expected):
                self._finite(what, value, states)
            passed &= len(self.problems) == before
        return passed

    def _residuals(self, states: Tensor, policies: Tensor) -> Any:
        """Residuals from the generator's present state, which is put back."""
        state = self.model.rng.get_state()
        try:
            return self.model.equations(states, policies)
        finally:
            self.model.rng.set_state(state)

    def _equations(self, states: Tensor, policies: Tensor) -> None:
        model = self.model
        parts = [c.raw(policies).reshape(BATCH, -1).clone().requires_grad_() for c in model.policy_columns]
        joined = torch.cat(parts, dim=-1)
        expectations = model.expectations
        expectations.stacked_step = expectations.stacked_function = False
        residuals = self._try("equations()", lambda: self._residuals(states, joined))
        if residuals is _FAILED:
            return
        if not isinstance(residuals, dict) or not residuals:
            kind = "an empty dictionary" if residuals == {} else type(residuals).__name__
            self.problems.append(f"equations() returns {kind}, expected a dictionary of name -> residual [batch].")
            return
        shapes = {c.shape for c in (*model.state_columns, *model.policy_columns)}
        before = len(self.problems)
        for name, residual in residuals.items():
            what = f"equations() returned {name!r}"
            if not isinstance(name, str):
                self.problems.append(f"{what}: expected a text as the name of an equation.")
                continue
            if not isinstance(residual, Tensor):
                self.problems.append(f"{what} as {type(residual).__name__}, expected a tensor of shape [{BATCH}].")
            elif residual.ndim == 0 or residual.shape[0] != BATCH or not _plausible(tuple(residual.shape[1:]), shapes):
                self.problems.append(
                    f"{what} with shape {list(residual.shape)}, expected [{BATCH}] for {BATCH} states.{_mixed(residual.shape)}"
                )
            elif not residual.requires_grad:
                self.problems.append(
                    f"{what}, which does not depend on any policy: no gradient reaches the network. Is there a .detach(), "
                    "a .item() or torch.no_grad() on the way?"
                )
            elif residual.dtype != model.dtype:
                self.problems.append(f"{what} as {residual.dtype}, expected {model.dtype} (run.keras_precision).")
            elif self._finite(f"equation {name!r}", residual.detach(), states):
                median = float(residual.detach().abs().median())
                self.report.equations[name] = (tuple(residual.shape[1:]), median)
        if len(self.problems) > before:
            return
        self._dependence(residuals, parts)
        self._choose_evaluation(states, policies)

    def _dependence(self, residuals: dict[str, Tensor], parts: list[Tensor]) -> None:
        """Every policy must enter some equation, or the network cannot learn it."""
        total = torch.stack([residual.sum() for residual in residuals.values()]).sum()
        gradients = torch.autograd.grad(total, parts, allow_unused=True)
        for column, gradient in zip(self.model.policy_columns, gradients, strict=True):
            if gradient is None:
                self.problems.append(
                    f"no equation depends on policy {column.name!r}: the network could not learn it. Use it in Equations.py, "
                    "remove a .detach() on the way, or take it out of variables.policies."
                )
            elif not bool(torch.isfinite(gradient).all()):
                self.problems.append(
                    f"the gradient of the equations with respect to policy {column.name!r} is not finite."
                )
            elif not bool(gradient.any()) and self._unused(column, torch.cat(parts, dim=-1).detach()):
                self.problems.append(
                    f"no equation depends on policy {column.name!r}, today or tomorrow: the network could not learn it. Use it "
                    "in Equations.py, or take it out of variables.policies."
                )
            elif not bool(gradient.any()):
                self.report.notes.append(
                    f"the gradient with respect to policy {column.name!r} is zero at all {BATCH} initial states "
                    "(a bound may bind everywhere)."
                )

    def _unused(self, column: Column, policies: Tensor) -> bool:
        """Whether two values of a policy inside its bounds give the same residuals; a penalty alone determines no policy."""
        model, bound = self.model, column.bound
        low = bound.lower if bound.lower is not None else (0.0 if bound.upper is None else bound.upper - 1.0)
        high = bound.upper if bound.upper is not None else low + 1.0
        results = []
        for share in (0.4, 0.6):
            replace = partial(_replaced, column=column, value=low + share * (high - low))
            hook = model.network.register_forward_hook(lambda _, __, output, replace=replace: replace(output))
            try:
                with torch.no_grad():
                    results.append(self._residuals(self.states, replace(policies)))
            finally:
                hook.remove()
        return all(torch.equal(results[0][name], results[1][name]) for name in results[0])

    def _choose_evaluation(self, states: Tensor, policies: Tensor) -> None:
        """Turns on the stacked evaluation of expectations where it gives the same residuals."""
        expectations = self.model.expectations
        with torch.no_grad():
            reference = self._residuals(states, policies)
            for switch in ("stacked_step", "stacked_function"):
                if switch == "stacked_step" and expectations.kind == "pseudo_random":
                    continue
                setattr(expectations, switch, True)
                try:
                    same = _equal(self._residuals(states, policies), reference)
                except Exception:
                    same = False
                setattr(expectations, switch, same)
                if not same:
                    what = "total_step_spec_shock" if switch == "stacked_step" else "the functions under E_t"
                    self.report.notes.append(f"{what}: evaluated one shock node at a time (slower).")


def _replaced(x: Tensor, column: Column, value: float) -> Tensor:
    """`x` with one variable set to a number."""
    x = x.clone()
    x[..., column.start : column.stop] = value
    return x


def _plausible(extra: tuple[int, ...], shapes: set[tuple[int, ...]]) -> bool:
    """Whether a residual's dimensions after the batch can be those of a variable with a shape."""
    return extra == () or extra in shapes or (1 not in extra and BATCH not in extra and bool(shapes - {()}))


def _equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether residuals agree but for rounding, which is relative to the quantities they are differences of."""
    return left.keys() == right.keys() and all(
        left[k].shape == right[k].shape
        and torch.allclose(left[k], right[k], rtol=1e-4, atol=1e-5 if left[k].dtype == torch.float32 else 1e-11)
        for k in left
    )


def _mixed(shape: torch.Size) -> str:
    """The usual reason for a wrong shape."""
    if (len(shape) == 2 and shape[0] == shape[1] == BATCH) or (len(shape) > 1 and shape[-1] == 1):
        return " A column [batch] and a [batch, 1] tensor were mixed: index the last dimension, x[..., 0]."
    return ""


def describe_state(model: Model, state: Tensor) -> str:
    """'K=0.31, z=-0.2'; of a variable with a shape, its range."""
    parts = []
    for column in model.state_columns[:8]:
        value = column.raw(state)
        if column.shape:
            parts.append(f"{column.name} in [{float(value.min()):.6g}, {float(value.max()):.6g}]")
        else:
            parts.append(f"{column.name}={float(value):.6g}")
    return ", ".join(parts) + (", ..." if len(model.state_columns) > 8 else "")
