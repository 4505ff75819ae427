"""`deqn port`: the new folder means the same, keeps comments and layout, and says what it left."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch

import deqn
from deqn.commands.port import port
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.errors import ConfigError
from deqn.training import loss
from tests.conftest import with_tensorflow_weights
from tests.unit.tensorflow import test_parity
from tests.unit.tensorflow.folders import MODEL, write

STATES = torch.tensor([[0.2, -0.1], [0.2, 0.1], [0.15, 0.02]])


def library(folder: Path, **files: str) -> Path:
    """A library of the TensorFlow kind with the model `tiny`; its model folder."""
    write(folder, **files)
    (folder / "config" / "config.yaml").write_text(
        "defaults: [{constants: tiny}, {net: tiny}, {optimizer: tiny}, {run: tiny}, {variables: tiny}]\n"
        "MODEL_NAME: tiny\nseed: 3\ninitialize_each_episode: true\nSTARTING_POINT: LATEST\n"
    )
    return folder / "tiny"


def there(folder: Path) -> deqn.Model:
    """The model as it is, on the names of deqn/tensorflow."""
    return deqn.Model(compose(["model=tiny"], library=folder.parent).config)


def here(out: Path) -> deqn.Model:
    """The model of the ported folder."""
    return deqn.Model(compose(["model=tiny"], config_dir=out / "config").config)


def same_residuals(folder: Path, out: Path) -> None:
    before, after = there(folder), here(out)
    assert (before.for_tensorflow, after.for_tensorflow) == (True, False)
    after.network.load_state_dict(before.network.state_dict())
    for model in (before, after):
        model.expectations.stacked_step = False
    expected = before.equations(STATES, before.policy(STATES))
    found = after.equations(STATES, after.policy(STATES))
    assert [*found] == [*expected]
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-5)


def test_the_ported_folder_has_the_residuals_of_the_folder_as_it_is(tmp_path):
    folder = library(tmp_path / "library")
    port(folder, tmp_path / "new")
    same_residuals(folder, tmp_path / "new")


def test_the_ported_folder_trains_as_the_folder_as_it_is(tmp_path):
    folder = library(tmp_path / "library")
    port(folder, tmp_path / "new")
    before, after = there(folder), here(tmp_path / "new")
    results = [deqn.Trainer(model).fit(quiet=True) for model in (before, after)]
    assert len(results) == 2
    for old, new in zip(before.network.parameters(), after.network.parameters(), strict=True):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-5)


def test_residuals_and_loss_equal_tensorflows(tmp_path):
    folder = library(tmp_path / "library", **test_parity.FILES)
    for group, text in test_parity.CONFIG.items():
        (tmp_path / "library" / "config" / group / "tiny.yaml").write_text(text)
    port(folder, tmp_path / "new")
    model = here(tmp_path / "new")
    stored = with_tensorflow_weights(model)
    states = torch.tensor(stored["x"])
    found = model.equations(states, model.policy(states))["REE"].detach()
    torch.testing.assert_close(found, torch.tensor(stored["eq_REE"]), atol=1e-5, rtol=0)
    assert loss.terms(model, states).net_loss.item() == pytest.approx(float(stored["loss"][1]), abs=1e-5)


def test_shocks_are_evaluated_on_all_nodes_at_once(tmp_path):
    port(library(tmp_path / "library"), tmp_path / "new")
    model = here(tmp_path / "new")
    one_by_one = model.equations(STATES, model.policy(STATES))["euler"]
    probe(model)
    assert (model.expectations.stacked_step, model.expectations.stacked_function) == (True, True)
    torch.testing.assert_close(model.equations(STATES, model.policy(STATES))["euler"], one_by_one)


def test_without_libcst_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"deqn port needs libcst, which is not installed: pip install 'deqn\[port\]'"
    ):
        port(library(tmp_path / "library"), tmp_path / "new")


def test_a_folder_without_equations_is_none_of_a_model(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no Equations\.py\. Give a model folder"):
        port(tmp_path, tmp_path / "new")


# -- a folder -------------------------------------------------------------------------------------------------------


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_the_original_is_not_touched(tmp_path, capsys):
    folder = library(tmp_path / "library", Old="import tensorflow", beside__helper="X = 1\n")
    before = fingerprint(tmp_path / "library")
    port(folder, tmp_path / "new")
    assert fingerprint(tmp_path / "library") == before
    assert "1. tiny/Old.py is left out: no file of the model imports it." in capsys.readouterr().out


def test_a_folder_on_torch_is_left_alone(tmp_path, capsys):
    folder = library(tmp_path / "library")
    port(folder, tmp_path / "new")
    capsys.readouterr()
    port(tmp_path / "new" / "models" / "tiny", tmp_path / "again")
    assert capsys.readouterr().out.startswith("nothing to do: no file of ")
    assert not (tmp_path / "again").exists()


def test_an_existing_folder_is_never_written_into(tmp_path):
    folder = library(tmp_path / "library")
    (tmp_path / "new").mkdir()
    with pytest.raises(ConfigError, match=r"new exists\. Give the name of a new folder: --out .*new_2"):
        port(folder, tmp_path / "new")


def test_a_file_that_is_no_python_is_named(tmp_path):
    folder = library(tmp_path / "library", Hooks="import tensorflow as tf\ndef cycle_hook(state, i)\n    pass\n")
    with pytest.raises(ConfigError, match=r"Hooks\.py:2: this is no Python"):
        port(folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_definitions_that_had_no_bounds_have_none(tmp_path):
    dynamics = MODEL["Dynamics"].replace("import Definitions, Parameters", "import Parameters").replace(
        "shocks =", "import importlib\nDefinitions = importlib.import_module(Parameters.MODEL_NAME + '.Definitions')\nshocks =", 1
    ).replace("Definitions.Y(", "Definitions.C(")  # fmt: skip
    folder = library(tmp_path / "library", Dynamics=dynamics)
    file = tmp_path / "library" / "config" / "variables" / "tiny.yaml"
    file.write_text(file.read_text().replace("{lower: 0.001}", "{lower: 5.0}"))  # it binds
    port(folder, tmp_path / "new")
    assert "Definitions.C_RAW(" in (tmp_path / "new" / "models" / "tiny" / "Dynamics.py").read_text()
    same_residuals(folder, tmp_path / "new")


def test_a_helper_from_beside_the_folder_comes_along(tmp_path):
    definitions = MODEL["Definitions"].replace("import Parameters", "import Parameters\nimport helper", 1)
    definitions = definitions.replace("tf.math.exp(State.z(state))", "helper.productivity(State.z(state))")
    helper = "import tensorflow as tf\n\ndef productivity(z):\n    return tf.exp(z)\n"
    folder = library(tmp_path / "library", Definitions=definitions, beside__helper=helper)
    port(folder, tmp_path / "new")
    assert "return torch.exp(z)" in (tmp_path / "new" / "models" / "tiny" / "helper.py").read_text()
    same_residuals(folder, tmp_path / "new")


VARIABLES = """
    import tensorflow as tf
    import numpy as np
    states = [{"name": name} for name in ("K", "z")]
    states[0]["init"] = {"distribution": "uniform", "kwargs": {"minval": 0.1, "maxval": 0.3}}
    policies = [{"name": "s", "activation": tf.nn.sigmoid}]
    definitions = [{"name": name} for name in ("Y", "C")]
    constants = {"sigma": float(np.sqrt(0.01)), "kappa": 2}
    """


def test_yaml_files_hold_what_variables_py_made(tmp_path):
    folder = library(tmp_path / "library", Variables=VARIABLES)
    (tmp_path / "library" / "config" / "constants" / "tiny.yaml").write_text(
        "alpha: 0.36 # capital\nbeta: 0.96\nrho: 0.9\n"
    )
    port(folder, tmp_path / "new")
    assert not (tmp_path / "new" / "models" / "tiny" / "Variables.py").exists()
    constants = (tmp_path / "new" / "config" / "constants" / "tiny.yaml").read_text()
    assert constants.startswith("alpha: 0.36 # capital\n")
    assert "sigma: 0.1\nkappa: 2\n" in constants
    same_residuals(folder, tmp_path / "new")


def test_variables_py_stays_where_yaml_cannot_hold_it(tmp_path, capsys):
    text = VARIABLES.replace('"kappa": 2', '"kappa": tf.constant(np.array([1.0, 2.0]))').replace(
        "tf.nn.sigmoid", "lambda x: tf.nn.sigmoid(2 * x)"
    )
    folder = library(tmp_path / "library", Variables=text)
    port(folder, tmp_path / "new")
    assert "tiny/Variables.py stays" in capsys.readouterr().out
    assert here(tmp_path / "new").Parameters.kappa.tolist() == [1.0, 2.0]
    assert (
        "torch.sigmoid(torch.as_tensor(2 * x))" in (tmp_path / "new" / "models" / "tiny" / "Variables.py").read_text()
    )


def test_settings_of_the_library_come_along(tmp_path):
    folder = library(tmp_path / "library")
    port(folder, tmp_path / "new")
    config = here(tmp_path / "new").config
    run = config.run
    assert (config.seed, config.initialize_each_episode, config.STARTING_POINT, config.written_for) == (
        3,
        True,
        "NEW",
        "deqn",
    )
    assert (run.episodes_overlap, run.hook_counts_from, run.N_sim_batch) == (True, 0, 16)


def test_without_a_configuration_only_the_files_are_rewritten(tmp_path, capsys):
    write(tmp_path / "library")
    port(tmp_path / "library" / "tiny", tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["models"]
    assert "no configuration was found: give the library's config/ with --config" in capsys.readouterr().out


def test_a_configuration_that_lies_elsewhere_can_be_given(tmp_path):
    folder = library(tmp_path / "library")
    (tmp_path / "library" / "config").rename(tmp_path / "elsewhere")
    port(folder, tmp_path / "new", tmp_path / "elsewhere")
    assert here(tmp_path / "new").config.seed == 3
