"""Tables and figures of a Krusell-Smith run: a long path of capital, moments, Euler errors, impulse responses."""

import importlib.util

import numpy as np
import pandas as pd
import torch

import Definitions
import Dynamics
import Hooks
import Linear
import Parameters
import State

from deqn import figures, histogram

PERIODS = 10_000


def post_process(run):
    path = simulate_aggregates(run)
    path.to_csv(run.output / "aggregates.csv", index_label="quarter", float_format="%.9g")
    moments(path).to_csv(run.output / "moments.csv", header=["value"], index_label="moment")
    figures.save(draw_path(path), run.output / "capital.png")
    figures.save(Hooks.draw_economy(run.starting_state), run.output / "economy.png")
    figures.save(draw_errors_by_wealth(run), run.output / "euler_errors_by_wealth.png")
    responses = impulse_responses(run)
    responses.to_csv(run.output / "impulse_responses.csv", index=False, float_format="%.7g")
    figures.save(draw_impulse_responses(responses), run.output / "impulse_responses.png")
    report_accuracy(run)


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
        f"against the classical solution on the same {Report.PERIODS:,} shocks: bias of mean K "
        f"{path['bias of mean K [%]']:+.4f} %, max |d log K| {path['max |d log K| [%]']:.4f} %, std of log K x "
        f"{path['std of log K, ratio']:.4f}, policy error / c {100 * policy['mean']:.4f} %; the grid alone: "
        f"{grid['bias of mean K [%]']:+.4f} %. All of it: accuracy.md"
    )


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
    figure, (top, bottom) = figures.new(rows=2, width=8.0, height=2.4)
    top.plot(path["K"], linewidth=0.8)
    top.set(title=f"Capital over {len(path):,} quarters: mean {path['K'].mean():.3f}", ylabel="K")
    bottom.plot(path["C"], linewidth=0.8, label="C")
    bottom.plot(path["I"], linewidth=0.8, label="I")
    bottom.set(xlabel="quarter", ylabel="C, I")
    bottom.legend()
    return figure


def draw_errors_by_wealth(run):
    """Mean and largest Euler error over economies, at each node."""
    errors = run.residuals(run.cloud())["euler"].abs()
    a = Parameters.a_grid.cpu()
    figure, axes = figures.new(columns=errors.shape[1])
    for e, axis in enumerate(axes):
        axis.semilogy(a, errors[:, e].mean(0).clamp(min=1e-9).cpu(), label="mean")
        axis.semilogy(a, errors[:, e].amax(0).clamp(min=1e-9).cpu(), linewidth=0.8, label="max")
        axis.set(title=f"Euler errors, e = {Parameters.e_grid[e]:.2f}", xlabel="assets a", ylabel="|residual|")
        axis.legend()
    return figure


def impulse_responses(run, economies=100, quarters=100):
    """Generalised impulse responses of the network beside the linear ones of Linear.py: of log K, log C and log Y, and
    of r [1/quarter].

    Histograms are drawn from the simulation; each is the start of one economy at every node of Z_0, and all of them see
    the same uniform draws afterwards. The response at a node is the mean of the economies that start one node up, less
    the mean of those that start at it. (The response to one node down is that of the node below, with the other sign.)

    The linear solution is put through the same productivities; what is averaged is the network's difference less the
    linear one, to which the linear expectation is then added (a control variate). The mean is that of the plain average
    whatever the linear solution is, and the sampling error far smaller: with 100 economies below 0.1 % of the peak of
    K, instead of 8 %.

    Args:
        economies: number of histograms; `economies * nZ` economies are simulated.
        quarters: last quarter shown.

    Returns:
        A table, one row for each node but the last, variable and quarter: `Z` and `Z_shocked`, the two nodes of Z_0;
        `variable`; `quarter`; `network`; `error`, its standard error over draws; `plain` and `plain_error`, the average
        without the control variate; `linear`.
    """
    solution = Linear.solve(run.config.constants, periods=max(400, 2 * quarters), calibration=run.model.calibration)
    starts = run.simulate(batch=economies, length=50)[-1]
    nodes = draw_nodes(economies, quarters + 1)
    network = simulate_nodes(run, starts, nodes)
    linear = Linear.path(solution, np.moveaxis(nodes, 0, -1))
    Z = run.model.calibration["tfp_grid"]
    tables = []
    for i in range(len(Z) - 1):
        expected = Linear.node_responses(solution, i, i + 1)
        for name, values in network.items():
            unit = 1.0 if name == "r" else solution["stationary"][name]  # to first order, d log X = d X / X
            values = values if name == "r" else np.log(values)
            plain = values[:, i + 1] - values[:, i]  # [quarters + 1, economies]
            gap = plain - (linear[name][i + 1] - linear[name][i]).T / unit
            response = expected[name][: quarters + 1] / unit
            columns = {"Z": Z[i], "Z_shocked": Z[i + 1], "variable": name, "quarter": range(quarters + 1)}
            columns |= {"network": response + gap.mean(-1), "error": gap.std(-1, ddof=1) / economies**0.5}
            columns |= {"plain": plain.mean(-1), "plain_error": plain.std(-1, ddof=1) / economies**0.5}
            tables.append(pd.DataFrame(columns | {"linear": response}))
    return pd.concat(tables, ignore_index=True)


def draw_nodes(economies, periods):
    """Nodes of Z from every node of Z_0 on, with common draws: [periods, nZ, economies], int.

    One uniform number picks next period's node from the cumulated probabilities, so that economies that have met at a
    node stay together.
    """
    cumulated = np.asarray(Parameters.Pi_tfp.double().cpu()).cumsum(-1)[:, :-1]
    draws = Parameters.rng.uniform([periods, 1, economies, 1]).double().cpu().numpy()
    nZ = len(cumulated)
    nodes = np.empty((periods, nZ, economies), dtype=int)
    nodes[0] = np.arange(nZ)[:, None]
    for t in range(1, periods):
        nodes[t] = (draws[t] >= cumulated[nodes[t - 1]]).sum(-1)
    return nodes


def simulate_nodes(run, starts, nodes):
    """K, C, Y and r under the network with given productivities: {name: [periods, nZ, economies]}, float64.

    Args:
        starts: [economies, n_states], whose histograms are the first ones.
        nodes: [periods, nZ, economies], int.
    """
    states = starts.repeat(nodes.shape[1], 1)
    Z = Parameters.tfp_grid[torch.as_tensor(nodes.reshape(len(nodes), -1), device=states.device)]
    rows = []
    for t in range(len(nodes)):
        states = State.update(states, "Z", Z[t])
        policy = run.model.policy(states)
        rows.append(torch.stack([getattr(Definitions, name)(states, policy) for name in Linear.VARIABLES]))
        states = State.update_dict(states, {"distribution": Dynamics.next_distribution(states, policy)})
    values = torch.stack(rows, 1).double().cpu().numpy()
    return dict(zip(Linear.VARIABLES, values.reshape(len(values), *nodes.shape), strict=True))


def draw_impulse_responses(responses):
    """Responses to one node up at each node of Z, per 1 % of Z, in percent: the network's solid with two standard
    errors on either side, the linear ones dashed. Those differ by node because the chain's persistence does."""
    figure, axes = figures.new(rows=2, columns=2)
    for axis, (name, table) in zip(axes, responses.groupby("variable", sort=False), strict=True):
        for (Z, shocked), rows in table.groupby(["Z", "Z_shocked"]):
            scale = 1 / np.log(shocked / Z)  # 100 times the response, to 100 times the shock
            quarter, network, error = rows["quarter"], scale * rows["network"], scale * rows["error"]
            (line,) = axis.plot(quarter, network, label=f"network, Z = {Z:.3f} to {shocked:.3f}")
            axis.fill_between(quarter, network - 2 * error, network + 2 * error, color=line.get_color(), alpha=0.2)
            axis.plot(quarter, scale * rows["linear"], "k--", linewidth=0.8, label="_")
        axis.plot([], [], "k--", linewidth=0.8, label="linear")
        axis.set(title=f"{name} after a shock of 1 % to Z", xlabel="quarter")
        axis.set_ylabel("percentage points a quarter" if name == "r" else "percent")
    axes[-1].legend(fontsize="small")
    return figure


def wider_box(run, states):
    """Z on any of its nodes; wealth of all households stretched by a factor between 0.95 and 1.05."""
    n = len(states)
    rng = run.model.rng
    states = states[rng.permutation(n)]
    factor = rng.uniform([n, 1, 1], 0.95, 1.05)
    nobody_moves = torch.eye(len(Parameters.e_grid)).to(states)
    a = Parameters.a_grid
    stretched_wealth = factor * a.expand(1, len(Parameters.e_grid), -1)
    stretched = histogram.transport(State.distribution(states), stretched_wealth, a, nobody_moves)
    Z = rng.choice([n], Parameters.tfp_grid)
    return State.update_dict(states, {"Z": Z, "distribution": stretched})
