"""Ways of the network's matrix products: chosen once, kept for the machine, taken from the checkpoint by a resumed run."""

from __future__ import annotations

import json

import pytest
import torch

from deqn.economy.dense import Dense
from deqn.numerics.products import Ways
from deqn.training import products
from tests.conftest import TINY, assert_same, train

WIDE = ["run.N_sim_batch=500", "run.N_minibatch_size=500", "run.N_epochs_per_episode=1",
        "net.layers.0.hidden.units=64", "net.layers.1.hidden.units=64"]  # fmt: skip
ONEDNN = Ways("onednn", "onednn", "plain")


@pytest.fixture
def onednn_everywhere(monkeypatch):
    """As on a processor where oneDNN is faster; counts how often that was timed."""
    calls = []

    def fastest(self, rows, gradient):
        calls.append((rows, gradient))
        return [ONEDNN] * len(self.layers())

    monkeypatch.setattr(Dense, "fastest", fastest)
    return calls


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path / "cache"))


def test_rows_are_those_of_a_step_of_its_nodes_and_of_a_period(onednn_everywhere):
    train(None, *WIDE, "run.N_sim_batch=300", "run.N_minibatch_size=200", "run.N_episodes=1")
    assert onednn_everywhere == [(200, 1), (1000, 2), (300, 0)]


def test_what_was_found_is_kept_for_the_next_run(onednn_everywhere):
    first = train(None, *WIDE, "run.N_episodes=1")
    n = len(onednn_everywhere)
    second = train(None, *WIDE, "run.N_episodes=1")
    assert len(onednn_everywhere) == n
    assert first.saver.header["products"] == second.saver.header["products"] != []


def test_a_damaged_file_is_timed_anew(onednn_everywhere, tmp_path):
    train(None, *WIDE, "run.N_episodes=1")
    n = len(onednn_everywhere)
    for path in (tmp_path / "cache").rglob("products-*.json"):
        path.write_text(json.dumps([["onednn", "onednn", "fast"]]))
    train(None, *WIDE, "run.N_episodes=1")
    assert len(onednn_everywhere) == 2 * n


def test_a_resumed_run_takes_the_ways_of_its_checkpoint(onednn_everywhere, monkeypatch, tmp_path):
    whole = train(tmp_path / "whole", *WIDE, "run.N_episodes=4")
    train(tmp_path / "halves", *WIDE, "run.N_episodes=2")
    monkeypatch.setattr(Dense, "fastest", lambda self, rows, gradient: [])  # another machine
    monkeypatch.setenv("DEQN_CACHE_DIR", str(tmp_path / "elsewhere"))
    halves = train(tmp_path / "halves", *WIDE, "run.N_episodes=4", starting_point="LATEST")
    assert_same(halves.state.payload(), whole.state.payload())
    assert halves.saver.header["products"] == whole.saver.header["products"]


def test_the_ways_of_onednn_train_to_the_same_but_for_rounding(onednn_everywhere):
    auto, plain = (train(None, *WIDE, "run.N_episodes=2", f"run.products={key}") for key in ("auto", "plain"))
    for a, b in zip(auto.state.policy.parameters(), plain.state.policy.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "setting", ["run.products=plain", "enable_check_numerics=true", "optimizer=levenberg_marquardt"]
)
def test_nothing_is_chosen(setting, onednn_everywhere):
    overrides = [*TINY, "run.N_episodes=1", setting]
    assert train(None, *overrides).saver.header["products"] == []
    assert onednn_everywhere == []


def test_choosing_changes_no_generator(onednn_everywhere):
    trainer = train(None, *WIDE, "run.N_episodes=1")
    before = trainer.state.generators()
    with trainer.model.context():
        assert products.choose(trainer.model)
    assert_same(trainer.state.generators(), before)
