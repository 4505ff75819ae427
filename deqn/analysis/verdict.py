"""Whether a finished training has solved its model, as far as that shows on states simulated afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from deqn.analysis.correction import policy_correction, relative_sizes
from deqn.analysis.ergodic import beyond_range, scalar
from deqn.analysis.trained import Trained
from deqn.economy import transversality
from deqn.economy.rehearsal import starting_states
from deqn.economy.steady_state import SteadyState, steady_state
from deqn.training import simulate

PERIODS = 1_000
_ENTRIES = 100_000  # of states and policies in one simulated period: bounds the number of trajectories
_ZERO = 1e-6  # a steady state nearer to zero is no unit to measure in
_STATES = 4_000  # on which residuals are evaluated

# a finding is what exceeds these
LARGE_RESIDUAL = 0.01  # mean |residual|: an equation is off by 1 %
SMALL_RESIDUAL = 0.001  # below it, a loss that still falls, a policy that is constant or at a bound are no findings
FACTOR = 2.0  # mean of a state, in units of its steady state or of the nearer end of its initial range
OUTSIDE = 0.05  # share of the states beyond the range of those of the training, widened by a tenth on either side
DRIFT = (
    0.25  # change of a mean between the first and the last quarter of the periods, relative to the larger of the two
)
AT_BOUND = 0.95  # share of states where a policy sits at a bound, or at the end of what its activation can give
CORRECTION = 0.01  # mean change of a policy that the linearised equations ask for, relative to its mean size
STILL_FALLING = 0.7  # mean loss of the last tenth of the epochs over that of the tenth before


@dataclass(frozen=True)
class Finding:
    """One reason to doubt a solution.

    Attributes:
        kind: a short name for run.json.
        text: what was found, with its number.
        advice: what to try.
    """

    kind: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.text} Try: {self.advice}"


@dataclass
class Verdict:
    """What was found, and the figures that it was judged by."""

    findings: list[Finding] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def summary(self) -> str:
        """One line for a run without findings."""
        residuals = self.numbers["mean_residual"]
        worst = max(residuals, key=residuals.__getitem__)
        before = self.numbers.get("rms_residual_at_start")
        moves = "drift, nor leave " if self.numbers.get("stationary", True) else "leave "
        at_start = "" if before is None else f" (root mean square at the start of training: {before:.1e})"
        return (
            f"verdict: nothing speaks against this solution. Over {self.numbers['periods']:,} periods simulated after training, "
            f"|residual| of {worst!r} is {residuals[worst]:.1e} on average{at_start}; states do not {moves}those of the training."
        )

    @property
    def levels(self) -> list[str]:
        """Mean and range of what has a positive steady state, in units of it: one line, or none."""
        steady, means, ranges = (self.numbers.get(key, {}) for key in ("steady_state", "mean", "range"))
        shown = [
            f"{name} {means[name] / level:.3g} ({ranges[name][0] / level:.3g} to {ranges[name][1] / level:.3g})"
            for name, level in steady.items()
            if level > 0 and name in means
        ]
        return [f"mean and range in units of the steady state: {', '.join(shown)}"] if shown else []

    def record(self) -> dict[str, Any]:
        """For run.json: plain values."""
        kinds = [{"kind": f.kind, "text": f.text, "advice": f.advice} for f in self.findings]
        return {"ok": self.ok, "findings": kinds, **self.numbers}


def judge(run: Trained) -> Verdict:
    """Simulates the trained economy for `PERIODS` and holds its states, policies and residuals against what a solution has.

    An economy in transition (`stationary: false`) is simulated for the periods of an episode, and held to no steady state.
    A run without findings is not proven to be right: see docs/explanation/limits.md. Neither generator nor network is changed.
    """
    model, verdict = run.model, Verdict()
    generator = model.rng.get_state()
    try:
        with model.context(), torch.no_grad():
            training = _training_states(run)
            states = _simulated(run)
            finite = simulate.finite(states).all(-1)
            verdict.numbers |= {
                "periods": len(states), "trajectories": states.shape[1], "stationary": run.config.stationary,
            }  # fmt: skip
            if not bool(finite.all()):
                period = int((~finite).nonzero()[0])
                verdict.findings.append(
                    Finding(
                        "not finite",
                        f"The economy is not finite after {period} periods.",
                        "bounds on what must stay positive, or a longer training.",
                    )
                )
                return verdict
            initial = starting_states(model, 1024)
        cloud = _thinned(states[len(states) // 2 :] if run.config.stationary else states)
        verdict.findings += _residuals(run, cloud, verdict.numbers)
        verdict.findings += _correction(run, cloud, verdict.numbers)
        verdict.findings += _loss(run, verdict.numbers)
        if run.config.stationary:
            steady = _steady_states(run, steady_state(model, cloud))
            if steady:
                verdict.numbers["steady_state"] = steady
            verdict.findings += _levels(run, states, cloud, initial, steady, verdict.numbers)
            verdict.findings += _at_infinity(run, states, verdict.numbers)
        verdict.findings += _range(run, states, training, verdict.numbers)
        verdict.findings += _policies(run, cloud, verdict.numbers)
    finally:
        model.rng.set_state(generator)
    return verdict


# -- states -----------------------------------------------------------------------------------------------------------


def _training_states(run: Trained) -> Tensor:
    """States like those of the last episode: `[n, n_states]`."""
    start = _start(run, run.config.run.N_sim_batch)
    length = min(run.config.run.N_episode_length, PERIODS)
    if start.numel() * length > 20 * _ENTRIES:
        start = start[: max(1, 20 * _ENTRIES // (start.shape[-1] * length))]
    return simulate.episode(run.model.step, start, length)[0].flatten(0, 1)


def _simulated(run: Trained) -> Tensor:
    """`[periods, trajectories, n_states]`, from where a training episode begins."""
    model = run.model
    periods = PERIODS if run.config.stationary else min(PERIODS, run.config.run.N_episode_length)
    n = max(1, min(16, run.config.run.N_sim_batch, _ENTRIES // (10 * (model.n_states + model.n_policies))))
    return simulate.episode(model.step, _start(run, n), periods)[0]


def _start(run: Trained, n: int) -> Tensor:
    if run.config.redraw:
        return run.model.initial_states(n)
    return run.starting_state[torch.arange(n, device=run.starting_state.device) % len(run.starting_state)]


def _thinned(states: Tensor) -> Tensor:
    """Evenly chosen states of a simulation: `[n, n_states]`, n at most `_STATES`."""
    flat = states.flatten(0, 1)
    n = max(1, min(len(flat), _STATES, 20 * _ENTRIES // flat.shape[-1]))
    return flat[torch.linspace(0, len(flat) - 1, n, device=flat.device).long()]


# -- what is looked at ------------------------------------------------------------------------------------------------


def _residuals(run: Trained, cloud: Tensor, numbers: dict[str, Any]) -> Iterator[Finding]:
    means = {name: float(values.abs().mean()) for name, values in run.residuals(cloud).items()}
    numbers["mean_residual"] = means
    large = {name: mean for name, mean in means.items() if not mean <= LARGE_RESIDUAL}
    if large:
        listed = ", ".join(f"{name} {mean:.2g}" for name, mean in large.items())
        yield Finding(
            "residuals",
            f"The equations do not hold: mean |residual| on simulated states is {listed}.",
            "another learning rate, a longer training, optimizer.clipvalue=1, or an activation and bounds that the solution lies "
            "within.",
        )


def _correction(run: Trained, cloud: Tensor, numbers: dict[str, Any]) -> Iterator[Finding]:
    """Policies may be far from a solution where residuals are small."""
    correction = policy_correction(run.model, cloud)
    if correction is None:
        return
    sizes = numbers["policy_correction"] = relative_sizes(run.model, cloud, correction)
    far = {name: size for name, size in sizes.items() if not size <= CORRECTION}
    if far and max(numbers["mean_residual"].values()) <= LARGE_RESIDUAL:
        listed = ", ".join(f"{name} {100 * size:.2g} %" for name, size in far.items())
        yield Finding(
            "policies still off",
            f"Residuals are small, and yet the linearised equations ask for another policy, relative to its mean size: {listed}.",
            "a longer training; with least squares, +optimizer.optimizer_kwargs.foresight=1, since an error that all periods "
            "share shrinks only by 1 - beta a step where a step takes tomorrow's policy as given.",
        )


def _loss(run: Trained, numbers: dict[str, Any]) -> Iterator[Finding]:
    """From the error file, which has a line an epoch."""
    file = run.path / run.config.error_filename
    if not file.is_file():
        return
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("MSE:")]
    losses = [float(row[5]) for row in rows]
    if not losses:
        return
    numbers["rms_residual_at_start"], numbers["rms_residual_at_end"] = math.sqrt(losses[0]), math.sqrt(losses[-1])
    tenth = len(losses) // 10
    if tenth < 2 or max(numbers["mean_residual"].values()) < SMALL_RESIDUAL:
        return
    before, last = sum(losses[-2 * tenth : -tenth]), sum(losses[-tenth:])
    if last < STILL_FALLING * before:
        yield Finding(
            "still falling",
            f"The loss was still falling, by {100 * (1 - last / before):.0f} % between the last two tenths of the epochs.",
            f"go on: hydra.run.dir=<this run folder> STARTING_POINT=LATEST run.N_episodes={2 * run.config.run.N_episodes}.",
        )


def _levels(
    run: Trained, states: Tensor, cloud: Tensor, initial: Tensor, steady: dict[str, float], numbers: dict[str, Any]
) -> Iterator[Finding]:
    """Means against the steady state and the initial range; drift between the first and the last quarter."""
    means, ranges, drifting = numbers.setdefault("mean", {}), numbers.setdefault("range", {}), []
    quarter = len(states) // 4
    for column in scalar(run.model.state_columns):
        values, first = column.raw(cloud), column.raw(initial)
        mean, low, high = float(values.mean()), float(first.min()), float(first.max())
        means[column.name], ranges[column.name] = mean, (float(values.min()), float(values.max()))
        if column.name not in steady:
            ratio = 1.0 if low <= 0 else mean / high if mean > high else mean / low if mean < low else 1.0
            beyond = max(mean - high, low - mean, 0.0) > FACTOR * (high - low)
            if (low > 0 and high > low and not 1 / FACTOR <= ratio <= FACTOR) or (low <= 0 and high > low and beyond):
                yield Finding(
                    "left the initial range",
                    f"State {column.name} is {mean:.4g} on average, far from its initial range, {low:.4g} to {high:.4g}.",
                    "initial states near the steady state: training may have found another path than the stationary one.",
                )
        path = column.raw(states).double()
        if _drifts(path[:quarter], path[-quarter:]):
            early, late = float(path[:quarter].mean()), float(path[-quarter:].mean())
            drifting.append(f"{column.name} from {early:.4g} to {late:.4g}")
    for name, value in run.definitions(cloud).items():
        if value.ndim == 1:
            means[name], ranges[name] = float(value.mean()), (float(value.min()), float(value.max()))
    for name, level in steady.items():
        mean = means.get(name, level)
        if level > 0 and not 1 / FACTOR <= mean / level <= FACTOR:
            yield Finding(
                "far from the steady state",
                f"{name} is {mean:.4g} on average, {mean / level:.2g} times its steady state {level:.4g}.",
                "initial states near the steady state, or a policy that starts near its own (net.warm_start=steady_state).",
            )
    if drifting:
        yield Finding(
            "drift",
            f"The economy still drifts between the first and the last quarter of {PERIODS:,} periods: {', '.join(drifting)}.",
            "a longer training, or longer episodes without a redraw (initialize_each_episode=false).",
        )


def _at_infinity(run: Trained, states: Tensor, numbers: dict[str, Any]) -> Iterator[Finding]:
    """What transversality asks to vanish, where the model's Hooks.py says what that is."""
    rates = transversality.rates(run.model, states)
    if rates:
        numbers["transversality"] = rates
    growing = {name: rate for name, rate in rates.items() if not rate < 0}
    if growing:
        listed = ", ".join(f"{name} grows by {100 * math.expm1(rate):.2g} % a period" for name, rate in growing.items())
        yield Finding(
            "transversality",
            f"What must vanish in the end does not: the discounted value of {listed}.",
            "initial states near the steady state, or a policy that starts near its own: this is another path than the "
            "stationary one.",
        )


def _drifts(early: Tensor, late: Tensor) -> bool:
    """Whether a mean changes by more than chance between two quarters, `[periods, trajectories]` each.

    The change must be large beside the mean and beside what the state varies by, and four standard errors over trajectories.
    """
    changes = late.mean(0) - early.mean(0)
    change, level = float(changes.mean().abs()), float(torch.maximum(early.mean().abs(), late.mean().abs()))
    error = float(changes.std()) / len(changes) ** 0.5 if len(changes) > 1 else 0.0
    return change > DRIFT * level and change > 0.5 * float(late.std()) and change > 4 * error


def _steady_states(run: Trained, found: SteadyState | None) -> dict[str, float]:
    """By name: of the states where the library has found it, and `<name>_ss` of the constants or of Calibration.py."""
    steady: dict[str, float] = {}
    if found is not None:
        steady = {column.name: float(column.raw(found.state)) for column in scalar(run.model.state_columns)}
        steady = {name: level for name, level in steady.items() if abs(level) > _ZERO}
    parameters = run.model.Parameters
    for name in [*(column.name for column in run.model.state_columns), *run.model.definition_bounds]:
        value = getattr(parameters, f"{name}_ss") if f"{name}_ss" in parameters else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            steady[name] = float(value)
    return steady


def _range(run: Trained, states: Tensor, training: Tensor, numbers: dict[str, Any]) -> Iterator[Finding]:
    outside = torch.zeros(states.shape[:2], dtype=torch.bool, device=states.device)
    beyond = []
    for column in scalar(run.model.state_columns):
        out = beyond_range(column, training, states)
        outside |= out
        if float(out.double().mean()) > OUTSIDE:
            beyond.append(column.name)
    share = numbers["share_outside_training"] = float(outside.double().mean())
    if share > OUTSIDE and beyond:
        yield Finding(
            "outside the training",
            f"{100 * share:.0f} % of the simulated states lie outside those of the training ({', '.join(beyond)}).",
            "longer episodes (run.N_episode_length), or initialize_each_episode=false, so that the network sees them.",
        )


def _policies(run: Trained, cloud: Tensor, numbers: dict[str, Any]) -> Iterator[Finding]:
    shares = numbers["share_at_bound"] = {}
    policies = run.policies(cloud)
    solved = max(numbers["mean_residual"].values()) < SMALL_RESIDUAL
    varies = bool((cloud.max(0).values > cloud.min(0).values).any())
    constant = []
    for column, variable in zip(run.model.policy_columns, run.config.variables.policies, strict=True):
        raw, bound = column.raw(policies), column.bound
        low, high = bound.lower, bound.upper
        margin = (
            1e-3 * (high - low) if variable.activation == "implied" and low is not None and high is not None else 0.0
        )
        for side, there in (
            ("lower", None if low is None else raw <= low + margin),
            ("upper", None if high is None else raw >= high - margin),
        ):
            share = 0.0 if there is None else float(there.double().mean())
            if share:
                shares[f"{column.name} {side}"] = share
            if share >= AT_BOUND and not solved:
                yield Finding(
                    "at a bound",
                    f"Policy {column.name} sits at its {side} bound in {100 * share:.0f} % of the simulated states.",
                    "a wider bound, or another start of the network (net.warm_start, init_scale, seed).",
                )
        if varies and bool((raw.amax(0) == raw.amin(0)).all()):
            constant.append(column.name)
    if constant and not solved:
        yield Finding(
            "no reaction",
            f"Policy {', '.join(constant)} is the same in every simulated state: it reacts to no state and to no shock.",
            "a smaller optimizer.learning_rate, optimizer.clipvalue=1, another activation than relu.",
        )
