"""What keys of `net` need of each other."""

from __future__ import annotations

from functools import partial

from deqn.configuration.activations import activation
from deqn.configuration.net_schema import Net
from deqn.errors import problems_of


def check_net(net: Net) -> list[str]:
    """One sentence for each problem."""
    problems = []
    if net.refit_inputs_at and not net.normalize_inputs:
        problems.append("net.refit_inputs_at refits what net.normalize_inputs fits: give net.normalize_inputs=true.")
    problems += _seen(net)
    if (net.warm_start == "run") != bool(net.warm_start_from):
        problems.append(
            f"net.warm_start={net.warm_start}, net.warm_start_from={net.warm_start_from or 'nothing'}: give both "
            "net.warm_start=run and net.warm_start_from=<run folder>, or neither."
        )
    for i, layer in enumerate(net.layers):
        expected = "output" if i == len(net.layers) - 1 else "hidden"
        part = getattr(layer, expected)
        if part is None or (layer.hidden is not None and layer.output is not None):
            problems.append(f"net.layers[{i}]: expected one `{expected}:` entry (hidden layers first, `output` last).")
        else:
            problems += problems_of(partial(activation, part.activation, f"net.layers[{i}].{expected}.activation"))
    return problems


def _seen(net: Net) -> list[str]:
    """Problems of what a network of `net.type` sees."""
    if net.type == "dense":
        given = [key for key in ("aggregates", "distribution") if getattr(net, key)]
        return [f"net.{key} is for net.type anchored and individual; a dense network sees all states." for key in given]
    problems = [
        f"net.{key} is for net.type dense; say in net.aggregates what this network sees."
        for key in ("normalize_inputs", "log_inputs", "inputs", "unit_variance")
        if getattr(net, key)
    ]
    if net.type == "individual" and net.distribution is None:
        problems.append(
            "net.type = 'individual' evaluates policies at the nodes of net.distribution, which is missing."
        )
    elif not net.aggregates and (net.distribution is None or net.distribution.sees == "nothing"):
        problems.append(f"net.type = {net.type!r} sees nothing: give net.aggregates, or net.distribution.sees.")
    return problems
