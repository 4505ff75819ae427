"""Tables and figures of a Krusell-Smith run: a long path of capital, moments, Euler errors, impulse responses."""

import importlib.util

import pandas as pd
import torch

import Definitions
import Hooks
import ImpulseResponses
import Linear
import Parameters
import State

from deqn import figures, histogram

PERIODS, SHOWN = 10_000, 200  # quarters of the long path, and those of it whose cycle is drawn


def post_process(run):
    save_tables(run)
    save_impulse_responses(run, Linear.solve(run.config.constants, calibration=run.model.calibration))
    report_accuracy(run)


def save_tables(run):
    """The long path with its moments, and figures of the economy."""
    path = simulate_aggregates(run)
    path.to_csv(run.output / "aggregates.csv", index_label="quarter", float_format="%.9g")
    moments(path).to_csv(run.output / "moments.csv", header=["value"], index_label="moment")
    print(
        f"one economy over {PERIODS:,} quarters from where training ended (aggregates.csv, moments.csv, capital.png): mean K "
        f"{path['K'].mean():.3f}"
    )
    figures.save(draw_path(path), run.output / "capital.png")
    figures.save(Hooks.draw_economy(run.starting_state), run.output / "economy.png")
    figures.save(draw_errors_by_wealth(run), run.output / "euler_errors_by_wealth.png")


def save_impulse_responses(run, linear=None):
    responses = ImpulseResponses.table(run, linear)
    responses.to_csv(run.output / "impulse_responses.csv", index=False, float_format="%.7g")
    figures.save(ImpulseResponses.draw(responses), run.output / "impulse_responses.png")


def report_accuracy(run):
    """The report of Report.py, where JAX is there to solve the references; a line of it on the terminal."""
    if importlib.util.find_spec("jax") is None:
        print("no accuracy report: the classical solution needs JAX (pip install 'deqn[reference]')")
        return
    import Report

    report = Report.accuracy_report(run)
    path = report["path of K"]["network against reference, both on the run's grid"]
    policy = report["policy error |a' - a'_ref| / c"]["ergodic cloud"]
    grid = report["path of K"]["grid alone: reference on the run's grid against the fine one"]
    print(
        f"against the classical solution on the same {Report.PERIODS:,} shocks: mean K "
        f"{report['moments']['network, own grid']['mean K']:.3f}, bias "
        f"{path['bias of mean K [%]']:+.4f} %, max |d log K| {path['max |d log K| [%]']:.4f} %, std of log K x "
        f"{path['std of log K, ratio']:.4f}, policy error / c {100 * policy['mean']:.4f} %; the grid alone: "
        f"{grid['bias of mean K [%]']:+.4f} %. All of it: accuracy.md"
    )


def references(run):
    """By name, the policy of the classical solution on the run's grid, where JAX is there to solve for it."""
    if importlib.util.find_spec("jax") is None:
        return {}
    import Report

    own, _ = Report.references(run)
    return {"reference": Report.policy(own)}


def simulate_aggregates(run, periods=PERIODS):
    """One economy, from a state where training ended: a row a quarter."""
    names = ["Z", "K", "Y", "C", "I", "r", "w", "at_limit", "mass", "mass_at_top", "gini", "top_10"]
    rows = torch.empty(periods, len(names), dtype=run.model.dtype, device=run.model.device)
    state, a = run.starting_state[:1], Parameters.a_grid
    for t in range(periods):
        policy = run.model.policy(state)
        distribution = State.distribution(state)
        values = [State.Z(state), *(getattr(Definitions, name)(state, policy) for name in names[1:10])]
        values += [histogram.gini(distribution, a), histogram.top_share(distribution, a, 0.1)]
        rows[t] = torch.cat(values)
        state = run.model.step(state)
    return pd.DataFrame(rows.cpu().numpy(), columns=names)


def moments(path):
    """Moments of the aggregates, as they are reported for this economy."""
    log_K = torch.tensor(path["K"].to_numpy()).double().log()
    centred = log_K - log_K.mean()
    values = {f"mean {name}": path[name].mean() for name in ("K", "C", "Y", "I", "r")}
    values["std log K"] = float(centred.std())
    values["autocorrelation log K"] = float((centred[1:] * centred[:-1]).mean() / centred.square().mean())
    for name in ("K", "C", "I"):
        values[f"correlation of {name} with Y"] = path[name].corr(path["Y"])
    values["share at the borrowing limit"] = path["at_limit"].mean()
    values["Gini of wealth"] = path["gini"].mean()
    values["share of the top 10 %"] = path["top_10"].mean()
    values["largest mass at the last node"] = path["mass_at_top"].max()
    values["largest distance of the total mass from 1"] = (path["mass"] - 1).abs().max()
    return pd.Series(values)


def draw_path(path):
    """Capital over the whole path; and the cycle in its last quarters, in per cent of the means over the whole."""
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.8)
    top.plot(path["K"], linewidth=0.8, label="K")
    top.axhline(Parameters.K_ss, color="black", linewidth=0.8, linestyle="--", label="stationary economy")
    top.set_title(f"Capital of one economy over {len(path):,} quarters: mean {path['K'].mean():.3f}")
    top.set(xlabel="quarter", ylabel="K [goods]")
    top.legend(loc="upper right")
    last = path.iloc[-SHOWN:]
    for name in ("I", "Y", "C", "K"):
        bottom.plot(100 * (last[name] / path[name].mean() - 1), linewidth=1.0, label=name)
    bottom.set(title=f"The last {len(last)} of them", xlabel="quarter", ylabel="distance from the mean [%]")
    bottom.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_errors_by_wealth(run):
    """Mean and largest Euler error over the simulated states, at each node; nothing where it is zero."""
    errors = run.residuals(run.cloud())["euler"].abs()
    a = Parameters.a_grid.cpu()
    figure, axes = figures.new(columns=errors.shape[1])
    figure.suptitle(f"Euler errors, {run.sample.name}: {run.sample}")
    for e, axis in enumerate(axes):
        for label, values, width in (("mean", errors[:, e].mean(0), 1.5), ("largest", errors[:, e].amax(0), 0.8)):
            axis.semilogy(a, torch.where(values > 0, values, torch.nan).cpu(), linewidth=width, label=label)
        axis.set(title=f"e = {Parameters.e_grid[e]:.2f}", xlabel="assets a [goods]", ylabel="|residual|, share of c")
        axis.legend()
    return figure


def wider_box(run, states):
    """Z on any of its nodes; wealth of all households stretched by a factor between 0.95 and 1.05."""
    states = stretch_wealth(run, states)
    return State.update(states, "Z", run.model.rng.choice([len(states)], Parameters.tfp_grid))


def stretch_wealth(run, states):
    """States [n, n_states] in random order, wealth of all households stretched by a factor between 0.95 and 1.05."""
    n, rng, a = len(states), run.model.rng, Parameters.a_grid
    states = states[rng.permutation(n)]
    stretched = rng.uniform([n, 1, 1], 0.95, 1.05) * a.expand(1, len(Parameters.e_grid), -1)
    return State.update(states, "distribution", histogram.move_assets(State.distribution(states), stretched, a))
