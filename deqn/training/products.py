"""In which ways the network takes its matrix products: timed once on a machine, then kept."""

from __future__ import annotations

import json
from typing import Any

import torch

from deqn.disk.cache import keep, kept_file
from deqn.economy.dense import Dense
from deqn.economy.model import Model
from deqn.numerics.products import Ways
from deqn.training import loss

Choice = list[dict[int, list[list[str]]]]  # of each Dense of the network: number of rows -> ways of each layer


def choose(model: Model) -> Choice:
    """The fastest ways for the numbers of rows that a gradient step and a simulated period have; [] where all are plain."""
    config, layers = model.config, _dense(model)
    if config.run.products == "plain" or model.device.type != "cpu" or config.enable_check_numerics:
        return []
    if config.optimizer.optimizer == "LevenbergMarquardt":  # differentiates state by state
        return []
    choice: Choice = []
    for layer, seen in zip(layers, _rows(model, layers), strict=True):
        ways = {rows: _fastest(layer, rows, gradient) for rows, gradient in seen.items()}
        choice.append({rows: found for rows, found in ways.items() if found})
    return choice if any(choice) else []


def use(model: Model, choice: Choice) -> None:
    """Tells the network of chosen ways."""
    for layer, ways in zip(_dense(model), choice, strict=False):
        layer.ways = {rows: [Ways(*way) for way in each] for rows, each in ways.items()}


def _dense(model: Model) -> list[Dense]:
    return [module for module in model.network.modules() if isinstance(module, Dense)]


def _rows(model: Model, layers: list[Dense]) -> list[dict[int, int]]:
    """For each Dense its `seen` of a gradient step and a simulated period; draws are put back."""
    run, draws, training = model.config.run, (model.rng.get_state(), torch.get_rng_state()), model.network.training
    for layer in layers:
        layer.seen = {}
    model.network.eval()
    try:
        loss.terms(model, model.initial_states(run.N_minibatch_size))
        model.step(model.initial_states(run.N_sim_batch))
        return [layer.seen or {} for layer in layers]
    finally:
        for layer in layers:
            layer.seen = None
        model.network.train(training)
        model.rng.set_state(draws[0])
        torch.set_rng_state(draws[1])


def _fastest(dense: Dense, rows: int, gradient: int) -> list[list[str]]:
    """From the user's cache, so that a seeded run is repeated to the bit, or timed now."""
    first = next(dense.parameters())
    path = kept_file(
        "products", f"{dense.description} {first.dtype} {rows} {gradient} {torch.get_num_threads()}", ".json"
    )
    found = _read(path)
    if found is None:
        timed = [[way.value, way.inputs, way.weights] for way in dense.fastest(rows, gradient)]
        keep(path, json.dumps(timed).encode())
        found = _read(path)  # of another process, which was first
        return timed if found is None else found
    return found


def _read(path: Any) -> list[list[str]] | None:
    try:
        ways: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return ways if all(Ways(*way).known for way in ways) else None
    except (OSError, ValueError, TypeError):
        return None  # not there, or damaged
