"""What keys of `run` that change the loss or the episode need of each other."""

from __future__ import annotations

from deqn.configuration.schema import Optimizer, Run
from deqn.numerics.draws import KINDS


def check_training(run: Run, optimizer: Optimizer | None) -> list[str]:
    """One sentence for each combination that cannot be trained with."""
    sizes = {"run": run.N_minibatch_size}
    if optimizer is not None:
        steps = {
            "optimizer": optimizer,
            **{f"optimizer.phases[{i}]": phase for i, phase in enumerate(optimizer.phases)},
        }
        sizes |= {where: step.N_minibatch_size for where, step in steps.items() if step.N_minibatch_size is not None}
    shares = run.box_share + run.replay_share
    mixed = [] if shares <= 1 else [f"run.box_share and run.replay_share are {shares:g} together: expected at most 1."]
    return [*mixed, *run.loss.problems(), *_loss(run), *_trace(run, sizes), *_curriculum(run, sizes)]


def _loss(run: Run) -> list[str]:
    problems, loss = [], run.loss
    if run.accuracy.patience is not None and run.accuracy.every is None:
        problems.append(
            f"run.accuracy.patience = {run.accuracy.patience} counts measurements, and none are taken: give "
            "run.accuracy.every=10."
        )
    kind, drawn = run.expectation_type, run.expectation_type in KINDS
    if kind in ("antithetic", "quasi_random") and run.compile:
        problems.append(f"run.expectation_type = {kind!r} cannot be compiled: leave out run.compile.")
    if kind == "antithetic" and run.expectation_pseudo_draws % 2:
        problems.append(
            f"run.expectation_pseudo_draws = {run.expectation_pseudo_draws}: expected an even number for antithetic pairs."
        )
    if loss.all_in_one and not drawn:
        problems.append(
            f"run.loss.all_in_one = True multiplies residuals of two draws, and run.expectation_type = {kind!r} draws "
            "nothing: give run.expectation_type=pseudo_random."
        )
    if loss.kind == "sobolev" and run.compile:
        problems.append(
            "run.loss.kind = 'sobolev' takes derivatives of derivatives, which run.compile cannot: leave one out."
        )
    return problems


def _trace(run: Run, sizes: dict[str, int]) -> list[str]:
    if not run.loss.trace_decay:
        return []
    problems, length = [], run.N_episode_length
    if not run.sorted_within_batch:
        problems.append(
            "run.loss.trace_decay follows trajectories, and minibatches hold none: give run.sorted_within_batch=true."
        )
    for where, size in sizes.items():
        if size % length and length % size:
            problems.append(
                f"run.loss.trace_decay: a minibatch must hold whole trajectories or be a piece of one, and "
                f"{where}.N_minibatch_size = {size} is neither a multiple nor a divisor of run.N_episode_length = {length}."
            )
    if run.replay_share:
        problems.append(
            "run.loss.trace_decay follows trajectories, and run.replay_share mixes other states in: leave one out."
        )
    if run.box_share:
        problems.append(
            "run.loss.trace_decay follows trajectories, and run.box_share mixes drawn states in: leave one out."
        )
    if run.N_states_held is not None:
        problems.append("run.loss.trace_decay needs whole trajectories: leave out run.N_states_held.")
    return problems


def _curriculum(run: Run, sizes: dict[str, int]) -> list[str]:
    problems, shortest = [], run.N_episode_length_min
    points, steps = run.curriculum_breakpoints, run.curriculum_steps
    if run.N_episodes_of_small_shocks is not None and run.compile:
        problems.append("run.N_episodes_of_small_shocks changes shocks that run.compile has compiled: leave one out.")
    if shortest is None:
        if run.N_increment_steps or points or steps:
            problems.append(
                "run.N_increment_steps and run.curriculum_... let episodes grow from N_episode_length_min: give that."
            )
        return problems
    if shortest > run.N_episode_length:
        problems.append(
            f"run.N_episode_length_min = {shortest}: expected at most N_episode_length = {run.N_episode_length}."
        )
    if len(points) != len(steps) or sorted(points) != points:
        problems.append(
            f"run.curriculum_breakpoints = {points} and curriculum_steps = {steps}: expected as many steps as breakpoints, and "
            "breakpoints in their order."
        )
    if not points and not run.N_increment_steps and shortest < run.N_episode_length:
        problems.append(
            "run.N_episode_length_min: give N_increment_steps, or curriculum_breakpoints; else no episode grows."
        )
    for where, size in sizes.items():
        if size > shortest * run.N_sim_batch:
            problems.append(
                f"{where}.N_minibatch_size = {size} exceeds the first episode (N_sim_batch {run.N_sim_batch} x "
                f"N_episode_length_min {shortest}): no step would be taken."
            )
    if run.loss.trace_decay:
        problems.append("run.loss.trace_decay needs episodes of one length: leave out run.N_episode_length_min.")
    return problems
