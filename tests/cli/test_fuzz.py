"""Any change of a valid configuration either trains or gives one of our errors, which names what is wrong: never a traceback."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deqn
from deqn.configuration.compose import compose
from deqn.configuration.validate import parse
from deqn.economy.model import Model
from deqn.economy.probe import probe
from deqn.errors import ConfigError, DEQNError
from deqn.training.trainer import Trainer

TINY = ["run.N_episodes=1", "run.N_sim_batch=4", "run.N_minibatch_size=4", "run.N_episode_length=2"]
STARTS = {
    "bm1972": [*TINY],
    "brock_mirman": [*TINY],
}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.sampled_from([-1.5, 0.0, 0.3, 1e-12, 1e300, float("inf"), float("nan")]),
    st.sampled_from(["", " ", "abc", "relu", "Adam", "1e-3", "NEW", "${seed}", "K_t", "a.b.c", "é", "lambda", "__init__"]),
    st.just([]), st.just({}), st.lists(st.integers(0, 3), max_size=3), st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)),
)  # fmt: skip


@functools.cache
def valid(model: str) -> dict[str, Any]:
    return compose([f"model={model}", *STARTS[model]]).config.model_dump()


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all entries, groups included."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in ((*path, key), *places(value, (*path, key)))]


def changed(tree: dict[str, Any], path: tuple[Any, ...], change: str, value: Any) -> dict[str, Any]:
    """A copy with one entry replaced, removed, renamed, or with one more beside it."""
    tree = copy.deepcopy(tree)
    parent = functools.reduce(lambda node, key: node[key], path[:-1], tree)
    key = path[-1]
    if change == "replace":
        parent[key] = value
    elif change == "remove":
        del parent[key]
    elif isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key) if change == "rename" else value
    else:
        parent.append(copy.deepcopy(parent[key]) if change == "rename" else value)
    return tree


def train(tree: dict[str, Any]) -> None:
    config = parse(tree)
    if config.run.N_sim_batch * config.run.N_episode_length * config.run.N_epochs_per_episode > 10_000:
        return  # large, not wrong
    model = Model(config)
    probe(model)
    Trainer(model).fit()


@pytest.mark.parametrize("model", STARTS)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_change_trains_or_is_explained(model, data):
    tree = valid(model)
    path = data.draw(st.sampled_from(places(tree)))
    change = data.draw(st.sampled_from(["replace", "replace", "replace", "remove", "rename", "add"]))
    value = data.draw(VALUES)
    wrong = changed(tree, path, change, value)
    explained = None
    try:
        train(wrong)
    except DEQNError as error:
        explained = error
    if isinstance(explained, ConfigError):
        names = [str(key) for key in path if not isinstance(key, int)]
        assert any(name in str(explained) for name in names), f"{path} {change} {value!r}: {explained}"
        if change == "replace" and isinstance(value, (int, float, str)):
            shown = {str(value), repr(value), f"{value:g}" if isinstance(value, float) else ""} - {""}
            assert any(text in str(explained) for text in shown or {repr(value)}), f"{path} {value!r}: {explained}"


def test_the_valid_configurations_train():
    for model in STARTS:
        train(valid(model))
        assert deqn.load_model(model, STARTS[model])
