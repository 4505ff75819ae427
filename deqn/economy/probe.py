"""Tries a model on seven states and reports everything that is wrong with it, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from deqn.economy import transversality
from deqn.economy.check_numerics import first_operation
from deqn.economy.columns import Column, describe_state
from deqn.economy.files import describe, mentioned, where
from deqn.economy.guess import find_guess, guess, not_finite
from deqn.economy.known_answer import closed_form
from deqn.economy.model import Model
from deqn.economy.reach import cut_ranges
from deqn.economy.reactions import inert
from deqn.economy.rehearsal import starting_states
from deqn.economy.shocks import differing_moments, wrong_probabilities
from deqn.economy.try_sharing import may_share
from deqn.errors import ModelError, count, text_constants

_FAILED = object()  # what a function of the model's files gives that raised
BATCH = 7  # a prime that no model has as a number of variables by accident
_MANY = 256  # initial states at which definitions and probabilities are looked at
_PATHS, _PERIODS = 32, 10  # simulated with the untrained network, to see probabilities in other states
_DRAWN_FROM = 2  # states whose next ones are drawn many times
_FILES = (
    ("total_step", "Dynamics"),
    ("shock_probs", "Dynamics"),
    ("equations", "Equations"),
    ("definition", "Definitions"),
)


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
    `stacked_function`), only when this gives the same residuals as one node after the other; and whether definitions are
    shared (`Sharing.on`). Neither the generator nor the network is changed.

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
        self._failures: dict[
            str, tuple[int, list[str]]
        ] = {}  # line and reason -> its problem, and what else fails there
        self.report = Report(notes=list(model.notes))
        self.states: Tensor
        self.policies = torch.empty(0)

    def run(self) -> Report:
        model = self.model
        states = self.states = starting_states(model, BATCH)
        self._finite("the initial states", states, states)
        self._logarithms()
        self._begins_elsewhere(states)
        policies = self._try("the network", lambda: model.policy(states).detach())
        if policies is not _FAILED and self._shape("the network", policies, (BATCH, model.n_policies)):
            self.policies = policies
            self._finite("the network's policies", policies, states)
            self._definitions(states, policies)
            if self._shocks(states, policies) & self._steps(states, policies):
                self._equations(states, policies)
                self._elsewhere(states, policies)
            self.report.notes += cut_ranges(model)
            self._rules(states)
        for i, others in self._failures.values():
            if others:
                self.problems[i] += (
                    f". So {'does' if len(others) == 1 else 'do'} {_several(others)}, which come to this line."
                )
        if self.problems:
            self.problems += text_constants("\n".join(self.problems), mentioned(model.config.constants, model.folder))
            raise ModelError(f"{count(len(self.problems), 'problem')} in {model.folder}", self.problems)
        return self.report

    def _begins_elsewhere(self, states: Tensor) -> None:
        """A note where `post_init` makes states that the YAML file says nothing of, and all episodes but the first begin anew."""
        model = self.model
        if not model.for_tensorflow or model.post_init is None or not model.config.redraw:
            return
        columns = zip(model.state_columns, model.config.variables.states, strict=True)
        names = [column.name for column, v in columns if v.init is None and bool((column.raw(states) != 1).any())]
        if names:
            self.report.notes.append(
                f"initialize_each_episode: the states that post_init makes are those of the first episode. Later ones begin at "
                f"1 for {', '.join(names)}, which have no `init` in the YAML: give them one, or write "
                "initialize_each_episode=false."
            )

    def _logarithms(self) -> None:
        """A problem where the network is to see the logarithm of an initial state that has none."""
        model = self.model
        names = model.config.net.log_inputs
        many = starting_states(model, _MANY) if names else self.states
        for column in model.state_columns:
            lowest = column.bounded(many).min()
            if column.name in names and not lowest > 0:
                self.problems.append(
                    f"net.log_inputs: state {column.name!r} is {float(lowest):.4g} in an initial state, and has no logarithm. "
                    "Leave it out, or give the state bounds.lower above zero."
                )

    def _passed_over(self, remark: str) -> None:
        """A problem; a note in a folder written for the TensorFlow library, which passes over it."""
        (self.report.notes if self.model.lenient else self.problems).append(remark)

    def _try(self, what: str, function: Callable[[], Any]) -> Any:
        """The function's value, or `_FAILED` with a problem noted; a user's `sys.exit()` ends nothing here."""
        given = {
            "states": (self.states, "State.update(state, name, value)"),
            "policies": (self.policies, "x = x + 1, not x += 1"),
        }
        kept = {name: tensor.clone() for name, (tensor, _) in given.items()}
        try:
            value = function()
        except (Exception, SystemExit) as error:
            place, reason = where(error, self.model.folder), describe(error)
            before = self._failures.get(f"{place}: {reason}") if place else None
            if before is not None:
                before[1].append(what.removeprefix("definition "))
            else:
                self._failures[f"{place}: {reason}"] = len(self.problems), []
                self.problems.append(f"{place + ': ' if place else ''}{what} failed: {reason}")
            value = _FAILED
        for name, (tensor, cure) in given.items():
            if not torch.equal(tensor.nan_to_num(), kept[name].nan_to_num()):
                tensor.copy_(kept[name])
                file = next(
                    (f"{self.model.folder.name}/{file}.py: " for start, file in _FILES if what.startswith(start)), ""
                )
                self.problems.append(
                    f"{file}{what} changes the {name} that it is given: use {cure}, which makes new ones."
                )
                value = _FAILED
        return value

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

    def _finite(
        self, what: str, value: Tensor, states: Tensor, again: Callable[[], Any] | None = None, error: bool = True
    ) -> bool:
        """Whether a value is finite at all states; a problem (or a note) is noted where it is not.

        Args:
            again: gives the value once more, to find the operation.
        """
        bad = ~torch.isfinite(value).reshape(value.shape[0], -1).all(-1)
        if bad.any():
            first = int(bad.nonzero()[0])
            share = f" ({100 * float(bad.double().mean()):.0f} %)" if len(bad) > BATCH else ""
            text = (
                f"{what}: not finite for {int(bad.sum())} of {len(bad)} initial states{share}, first at "
                f"{describe_state(self.model.state_columns, states[first])}."
            )
            found = first_operation(again, self.model.folder) if again is not None else ""
            if found:
                text += (
                    f" {found[0].upper()}{found[1:]}. Try: bounds with a penalty on the definition or policy that must stay "
                    "positive, another activation of the policy, or initial states where it is."
                )
            (self.problems if error else self.report.notes).append(text)
        return not bool(bad.any())

    def _definitions(self, states: Tensor, policies: Tensor) -> None:
        shapes = {v.name: tuple(v.shape) for v in self.model.config.variables.definitions}
        for name in self.model.definition_bounds:
            value = self._try(f"definition {name!r}", partial(getattr(self.model.Definitions, name), states, policies))
            if isinstance(value, Tensor) and value.ndim and value.shape[0] != BATCH:
                self.problems.append(
                    f"definition {name!r} has shape {list(value.shape)}, expected [{BATCH}] for {BATCH} states."
                    f"{_mixed(value.shape)}"
                )
            elif value is not _FAILED and not isinstance(value, (Tensor, float, int)):
                hint = " Is its `return` missing?" if value is None else ""
                self.problems.append(
                    f"definition {name!r} is {type(value).__name__}, expected a tensor or a number.{hint}"
                )
            elif isinstance(value, Tensor) and value.shape == (BATCH, 1) and shapes[name] != (1,):
                self.problems.append(
                    f"definition {name!r} has shape [{BATCH}, 1], expected [{BATCH}]: with a column it would become "
                    f"[{BATCH}, {BATCH}]. Index the last dimension: x[..., 0]."
                )

    def _rules(self, states: Tensor) -> None:
        """Closed form and transversality are asked for after training, which may have taken hours; the guess in some runs."""
        try:
            closed_form(self.model, states)
            transversality.terms(self.model, states)
            if find_guess(self.model) is not None:
                wrong = not_finite(self.model, states, guess(self.model, states))
                self.problems += [wrong] if wrong else []
        except ModelError as error:
            self.problems.append(str(error))

    def _elsewhere(self, states: Tensor, policies: Tensor) -> None:
        """What seven states may not show: definitions and probabilities in many, and where shocks lead."""
        if self.problems:
            return
        many = starting_states(self.model, _MANY)
        with torch.no_grad():
            self._finite_definitions(many)
            if not self.model.expectations.drawn:
                self._nodes(many, states[:_DRAWN_FROM], policies[:_DRAWN_FROM])

    def _finite_definitions(self, states: Tensor) -> None:
        """A penalty would make the loss not finite; without one a definition is only shown."""
        policies = self.model.policy(states)
        for name, bound in self.model.definition_bounds.items():
            definition = partial(getattr(self.model.Definitions, f"{name}_RAW"), states, policies)
            value = self._try(f"definition {name!r}", definition)
            if isinstance(value, Tensor) and value.ndim:
                penalty = bool(bound.penalised)
                self._finite(f"definition {name!r}", value, states, definition, error=penalty)

    def _nodes(self, many: Tensor, states: Tensor, policies: Tensor) -> None:
        """Probabilities at many states and after some periods; moments of the nodes and of draws at a few."""
        model = self.model
        dynamics = model.expectations.dynamics
        places = [many]
        if callable(dynamics.shock_probs):
            there = self._try(f"a simulation of {_PERIODS} periods", lambda: self._simulated(many[:_PATHS]))
            places += [there] if there is not _FAILED else []
        for place in places:
            wrong = self._try("shock_probs", partial(wrong_probabilities, model, place, model.policy(place)))
            if isinstance(wrong, str) and wrong:
                self._passed_over(wrong)
        if not model.Globals.DISABLE_SHOCKS and not self.problems:
            what = "total_step_random(prev_state, policy_state)"
            remark = self._try(what, partial(differing_moments, model, states, policies))
            self.report.notes += [remark] if isinstance(remark, str) and remark else []

    def _simulated(self, states: Tensor) -> Tensor:
        """States of a simulation without the first period: `[n, n_states]`."""
        periods = []
        for _ in range(_PERIODS):
            states = self.model.step(states)
            periods.append(states)
        return torch.cat(periods)

    def _shocks(self, states: Tensor, policies: Tensor) -> bool:
        model = self.model
        if model.expectations.drawn:
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
        wrong = wrong_probabilities(model, states, policies)
        if wrong:
            self._passed_over(wrong)
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
        if not self.model.expectations.drawn:
            steps["total_step_spec_shock(prev_state, policy_state, 0)"] = lambda: dynamics.total_step_spec_shock(
                states, policies, 0
            )
        for what, step in steps.items():
            value = self._try(what, step)
            passed &= (
                value is not _FAILED and self._shape(what, value, expected) and self._finite(what, value, states, step)
            )
        if passed:
            self._repeatable(steps)
        return passed

    def _repeatable(self, steps: dict[str, Callable[[], Any]]) -> None:
        """A note where the draws of a function do not follow from the seed."""
        model, torchs = self.model, torch.get_rng_state()
        before = model.rng.get_state()
        for what, step in steps.items():
            values = []
            for _ in range(2):
                model.rng.set_state(before)
                torch.manual_seed(0)
                values.append(step())
            if not torch.allclose(values[0], values[1], equal_nan=True):
                self.report.notes.append(
                    f"{model.folder.name}/Dynamics.py: {what} gives different draws from the same seed (are they NumPy's or "
                    "Python's?), so that no run can be repeated. Draw with Parameters.rng."
                )
        torch.set_rng_state(torchs)

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
        self.policies = joined.detach()
        expectations = model.expectations
        expectations.stacked_step = expectations.stacked_function = False
        model.scalar_equations = []
        residuals = self._try("equations()", lambda: self._residuals(states, joined))
        if residuals is _FAILED:
            return
        if not isinstance(residuals, dict) or not residuals:
            kind = "an empty dictionary" if residuals == {} else type(residuals).__name__
            self.problems.append(f"equations() returns {kind}, expected a dictionary of name -> residual [batch].")
            return
        if model.lenient:
            residuals = self._spread_scalars(residuals)
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
            elif not residual.requires_grad and (not model.lenient or not self._learns(residuals)):
                self.problems.append(
                    f"{what}, which does not depend on any policy: no gradient reaches the network. Is there a .detach(), "
                    "a .item() or torch.no_grad() on the way?"
                )
            elif residual.dtype != model.dtype:
                self.problems.append(f"{what} as {residual.dtype}, expected {model.dtype} (run.keras_precision).")
            elif self._finite(
                f"equation {name!r}", residual.detach(), states, partial(self._residuals, states, joined)
            ):
                median = float(residual.detach().abs().median())
                self.report.equations[name] = (tuple(residual.shape[1:]), median)
        if len(self.problems) > before:
            return
        if not self._choose_evaluation(states, policies):
            return
        fixed = inert(model, partial(self._residuals, states), policies, model.policy_columns)
        for name, largest in fixed.items():
            kind = "zero" if largest < 1e-5 else f"the same (up to {largest:.3g})"
            remark = (
                f"equation {name!r} is {kind}, but for rounding, whatever the policies are: it determines nothing. Is it an "
                "identity of the definitions?"
            )
            if len(fixed) == len(residuals):
                self._passed_over(remark)
            else:
                self.report.notes.append(remark)
        residuals = {name: residual for name, residual in residuals.items() if name not in fixed}
        if residuals:
            self._dependence(residuals, parts)
        n_equations = sum(residual[0].numel() for residual in residuals.values())
        if residuals and n_equations < model.n_policies:
            self.report.notes.append(
                f"{count(n_equations, 'equation')} against {count(model.n_policies, 'policy', 'policies')} (each entry of a "
                "variable with a shape counts): the equations do not determine the policies."
            )

    def _spread_scalars(self, residuals: dict[str, Any]) -> dict[str, Any]:
        """Residuals with one number for the whole batch: each state has it, and the loss counts it once."""
        model = self.model
        tensors = {name: residual for name, residual in residuals.items() if isinstance(residual, Tensor)}
        model.scalar_equations = [name for name, residual in tensors.items() if residual.ndim == 0]
        if model.scalar_equations:
            names = ", ".join(model.scalar_equations)
            self.report.notes.append(
                f"equations {names}: one residual for the whole batch, which counts once in the loss."
            )
        return residuals | {name: residuals[name].expand(BATCH) for name in model.scalar_equations}

    def _learns(self, residuals: dict[str, Any]) -> bool:
        """Whether any equation depends on a policy."""
        return any(isinstance(residual, Tensor) and residual.requires_grad for residual in residuals.values())

    def _dependence(self, residuals: dict[str, Tensor], parts: list[Tensor]) -> None:
        """Every policy must enter some equation, or the network cannot learn it."""
        flat = torch.cat([residual.flatten() for residual in residuals.values()])
        total = (
            torch.arange(1, len(flat) + 1, device=flat.device).cos() * flat
        ).sum()  # weights: no two gradients cancel
        try:
            gradients = torch.autograd.grad(total, parts, allow_unused=True)
        except RuntimeError as error:
            if "inplace" not in str(error):
                raise
            self.problems.append(
                f"{self.model.folder.name}: a number that the gradient needs is changed in place, on the way to a residual. "
                "Write x = x + 1 instead of x += 1, and State.update(state, name, value) instead of state[...] = value."
            )
            return
        for column, gradient in zip(self.model.policy_columns, gradients, strict=True):
            if gradient is None:
                self._passed_over(
                    f"no equation depends on policy {column.name!r}: the network could not learn it. Use it in Equations.py, "
                    "remove a .detach() on the way, or take it out of variables.policies."
                )
            elif not bool(torch.isfinite(gradient).all()):
                self.problems.append(
                    f"the gradient of the equations with respect to policy {column.name!r} is not finite."
                )
            elif not bool(gradient.any()) and self._unused(column, torch.cat(parts, dim=-1).detach()):
                self._passed_over(
                    f"no equation depends on policy {column.name!r}, today or tomorrow: the network could not learn it. Use it "
                    "in Equations.py, or take it out of variables.policies."
                )
            elif not bool(gradient.any()):
                self.report.notes.append(
                    f"the gradient with respect to policy {column.name!r} is zero at all {BATCH} initial states "
                    "(a bound may bind everywhere)."
                )

    def _unused(self, column: Column, policies: Tensor) -> bool:
        """Whether no residual reacts to a policy inside its bounds; a penalty alone determines no policy."""
        residuals = partial(self._residuals, self.states)
        return inert(self.model, residuals, policies, [column]).keys() >= self.report.equations.keys()

    def _choose_evaluation(self, states: Tensor, policies: Tensor) -> bool:
        """Turns on the stacked evaluation of expectations where it gives the same residuals; False where none are the same."""
        expectations = self.model.expectations
        with torch.no_grad():
            reference = self._residuals(states, policies)
            if not _equal(self._residuals(states, policies), reference):
                self.report.notes.append(
                    f"{self.model.folder.name}: the equations give different residuals from the same seed. Draw with "
                    "Parameters.rng."
                )
                return False
            for switch in ("stacked_step", "stacked_function"):
                if switch == "stacked_step" and expectations.drawn:
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
        self.model.sharing.on = may_share(self.model, self._residuals, states, policies)
        return True


def _several(names: list[str], most: int = 6) -> str:
    """'a, b and c'; the number of those beyond `most`."""
    shown = names if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


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
