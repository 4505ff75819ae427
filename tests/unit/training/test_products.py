"""run.products: the choice of the processor, what a resumed run takes, and misuse."""

from __future__ import annotations

import pytest
import torch

from deqn.economy.dense import Dense
from deqn.errors import ConfigError
from deqn.numerics import products
from tests.conftest import TINY, assert_same, train

WIDE = ["run.N_sim_batch=500", "run.N_minibatch_size=500", "run.N_epochs_per_episode=1",
        "net.layers.0.hidden.units=64", "net.layers.1.hidden.units=64"]  # fmt: skip
CPU = torch.device("cpu")


def machine(monkeypatch, family: int | None, capability: str = "AVX512") -> None:
    monkeypatch.setattr(products, "amd_family", lambda: family)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("family", "capability", "dtype", "expected"),
    [(26, "AVX512", torch.float32, "onednn"), (26, "AVX512", torch.float64, "turned"), (26, "AVX2", torch.float32, "turned"),
     (25, "AVX512", torch.float32, "turned"), (None, "AVX512", torch.float32, "plain")],
)  # fmt: skip
def test_the_processor_decides(family, capability, dtype, expected, monkeypatch):
    machine(monkeypatch, family, capability)
    assert products.chosen("auto", dtype, CPU) == expected


def test_on_a_gpu_products_are_plain(monkeypatch):
    machine(monkeypatch, 26)
    assert products.chosen("auto", torch.float32, torch.device("cuda")) == "plain"


@pytest.mark.parametrize(
    ("vendor", "expected"), [("AMD64 Family 25 Model 17, AuthenticAMD", 25), ("Intel64 Family 6, GenuineIntel", None)]
)
def test_the_family_of_a_processor(vendor, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(products.platform, "processor", lambda: vendor)
    monkeypatch.setattr(products, "Path", lambda path: tmp_path / "nothing")
    assert products.amd_family() == expected


def test_onednn_in_float64_is_refused():
    with pytest.raises(ConfigError, match=r"run\.products=onednn: expected .*float32.*has cpu and float64"):
        train(None, *TINY, "run.products=onednn", "run.keras_precision=float64")


def test_products_that_are_not_known_are_refused():
    with pytest.raises(ConfigError, match=r"run\.products"):
        train(None, *TINY, "run.products=fastest")


def test_a_resumed_run_takes_the_products_of_its_checkpoint(monkeypatch, tmp_path):
    machine(monkeypatch, 26)
    whole = train(tmp_path / "whole", *WIDE, "run.N_episodes=4")
    train(tmp_path / "halves", *WIDE, "run.N_episodes=2")
    machine(monkeypatch, None)
    halves = train(tmp_path / "halves", *WIDE, "run.N_episodes=4", starting_point="LATEST")
    assert halves.saver.header["products"] == whole.saver.header["products"] == "onednn"
    assert_same(halves.state.payload(), whole.state.payload())


def test_a_resumed_run_without_onednn_says_so(monkeypatch, tmp_path):
    machine(monkeypatch, 26)
    trainer = train(tmp_path, *WIDE, "run.N_episodes=1")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert any("run.products=onednn, which this run cannot have" in line for line in trainer.restore("LATEST"))
    assert trainer.saver.header["products"] == "plain"


@pytest.mark.parametrize("key", ["turned", "onednn"])
def test_they_train_to_the_same_but_for_rounding(key):
    other, plain = (train(None, *WIDE, "run.N_episodes=2", f"run.products={each}") for each in (key, "plain"))
    for trainer, expected in ((other, key), (plain, "plain")):
        layers = [module for module in trainer.model.network.modules() if isinstance(module, Dense)]
        assert {module.products for module in layers} == {expected}
    for a, b in zip(_of(other), _of(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def _of(trainer) -> list[torch.Tensor]:
    return [*trainer.model.network.parameters()]
