"""deqn/economy/calibration.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.calibration import calibrate, keep, load, save
from deqn.economy.linker import Linker
from deqn.errors import CheckpointError, ModelError
from tests.conftest import own_model

COUNTING = """
from pathlib import Path

calls = Path(__file__).with_name("calls.txt")


def calibrate(constants):
    calls.write_text((calls.read_text() if calls.exists() else "") + "x")
    return {"grid": [constants["alpha"], 1.0], "n": 3, "K_low": 0.1, "K_high": 0.4, "sd_z": 0.1}
"""


def load_mine(models, *overrides):
    """One start: the model, with its calibration kept for the next."""
    model = deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", *overrides])
    keep(model.calibrated, model.folder, model.config.constants)
    return model


def calls(models):
    return len((models / "mine" / "calls.txt").read_text())


def test_numbers_and_arrays_are_read_back_bit_for_bit(tmp_path):
    grid = np.random.default_rng(0).normal(size=(3, 4))
    save({"grid": grid, "n": 3}, tmp_path / "calibration.npz")
    stored = load(tmp_path / "calibration.npz")
    assert np.array_equal(stored["grid"], grid)
    assert stored["n"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.npz"]


def test_without_a_file_there_is_none(tmp_path):
    assert load(tmp_path / "calibration.npz") is None


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "calibration.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(CheckpointError, match=r"calibration.npz is damaged"):
        load(tmp_path / "calibration.npz")


def test_the_second_start_takes_what_the_first_computed(tmp_path):
    models = own_model(tmp_path, Calibration=COUNTING)
    first, second = load_mine(models), load_mine(models)
    assert calls(models) == 1
    assert first.Parameters.grid.tolist() == second.Parameters.grid.tolist()
    assert first.Parameters.n == second.Parameters.n == 3


def test_other_constants_are_computed_anew(tmp_path):
    models = own_model(tmp_path, Calibration=COUNTING)
    load_mine(models)
    other = load_mine(models, "constants.alpha=0.5")
    assert calls(models) == 2
    assert other.Parameters.grid.tolist() == [0.5, 1.0]


def test_changed_files_are_computed_anew(tmp_path):
    models = own_model(tmp_path, Calibration=COUNTING)
    load_mine(models)
    file = models / "mine" / "Calibration.py"
    file.write_text(file.read_text().replace('"n": 3', '"n": 4'))
    assert load_mine(models).Parameters.n == 4


def test_a_damaged_result_of_an_earlier_start_is_computed_anew(tmp_path):
    models = own_model(tmp_path, Calibration=COUNTING)
    load_mine(models)
    (kept,) = (models / "mine" / "__pycache__").glob("calibration-*.npz")
    kept.write_bytes(b"damaged")
    assert load_mine(models).Parameters.n == 3
    assert calls(models) == 2


def test_a_model_that_is_only_loaded_keeps_its_calibration_where_it_was_tried(tmp_path):
    models = own_model(tmp_path, Calibration=COUNTING)
    mine = ["MODEL_NAME=mine", f"MODELS_DIR={models}"]
    deqn.load_model("brock_mirman", mine, check=False)
    assert not (models / "mine" / "__pycache__").exists()
    deqn.load_model("brock_mirman", mine)
    assert list((models / "mine" / "__pycache__").glob("calibration-*.npz"))


def test_what_is_no_number_is_refused(tmp_path):
    models = own_model(tmp_path, Calibration="def calibrate(constants):\n    return {'policy': {'a': 1}}\n")
    with pytest.raises(ModelError, match="returns 'policy' as dict, expected a number or an array of numbers"):
        load_mine(models)


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    models = own_model(tmp_path, Calibration="import no_such_package\n\n\ndef calibrate(constants):\n    return {}\n")
    with pytest.raises(ModelError, match="no_such_package"):
        load_mine(models)


def test_an_array_with_any_strides_becomes_a_tensor(tmp_path):
    """NumPy's views backwards, which PyTorch does not know."""
    backwards = COUNTING.replace('[constants["alpha"], 1.0]', "np.arange(4.0)[::-1]").replace(
        "from pathlib", "import numpy as np\nfrom pathlib"
    )
    model = load_mine(own_model(tmp_path / "models", Calibration=backwards))
    assert model.Parameters.grid.tolist() == [3.0, 2.0, 1.0, 0.0]


# -- a constant's name ------------------------------------------------------------------------------------------------


def calibrated(tmp_path, result, *overrides):
    text = f"def calibrate(constants):\n    return {{'K_low': 0.1, 'K_high': 0.4, 'sd_z': 0.1, {result}}}\n"
    return load_mine(own_model(tmp_path, Calibration=text), *overrides)


def test_a_calibration_may_replace_a_constant_and_says_so(tmp_path):
    model = calibrated(tmp_path, "'beta': 2 * constants['alpha']")
    assert model.Parameters.beta == pytest.approx(0.72)
    assert model.notes == ["Calibration.py replaces constants.beta = 0.96: Parameters.beta is 0.72."]
    states = model.initial_states(5)
    with_it = model.equations(states, model.policy(states))["euler"]
    other = deqn.load_model("brock_mirman", ["constants.beta=0.72"])
    assert np.allclose(with_it.detach(), other.equations(states, model.policy(states))["euler"].detach())


def test_the_replaced_constant_is_meant_where_the_yaml_names_it(tmp_path):
    model = calibrated(
        tmp_path, "'beta': 0.5", "+variables.policies.0.around=beta", "net.layers.2.output.init_scale=1e-9"
    )
    assert model.policy(model.initial_states(1)).item() == pytest.approx(0.5, abs=1e-3)


def test_constants_that_are_handed_on_as_they_were_are_no_results(tmp_path):
    model = calibrated(tmp_path, "**constants, 'x': 3", "+constants.kind=high", "+constants.nothing=null")
    assert set(model.calibration) == {"K_low", "K_high", "sd_z", "x"}
    assert (model.Parameters.kind, model.notes) == ("high", [])


def test_a_name_of_the_library_is_refused(tmp_path):
    with pytest.raises(ModelError, match="returns 'rng', a name that is taken"):
        calibrated(tmp_path, "'rng': 1")


def test_it_is_made_on_the_cpu_whatever_the_device_of_the_model(tmp_path):
    on_a_device = COUNTING.replace('"n": 3', '"n": float(torch.zeros(1).is_cpu)').replace(
        "from pathlib", "import torch\nfrom pathlib", 1
    )
    models = own_model(tmp_path, Calibration=on_a_device)
    with torch.device("meta"):
        linker = Linker(models / "mine", {})
        assert calibrate(linker, {"alpha": 0.3}).values["n"] == 1.0
