"""What a file takes from another model's file and defines anew is what the taken functions use."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ModelError
from tests.conftest import own_model, shipped

Y = """
def Y(state, policy_state):
    return 2 * State.K(state) ** Parameters.alpha
"""
IMPORTS = "import torch\nimport Parameters\nimport PolicyState\nimport State\n"


def linked(folder, definitions: str, **files: str) -> deqn.Model:
    models = own_model(folder, Definitions=definitions, **files)
    return deqn.Model(compose(["model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={models}"]).config)


def written_out() -> str:
    """Definitions.py of brock_mirman with another production function, in one file."""
    text = shipped("brock_mirman", "Definitions")
    start = text.index("def Y(")
    return text[:start] + Y + "\n\n" + text[text.index("def I(") :]


def residuals(model: deqn.Model) -> torch.Tensor:
    states = torch.tensor([[0.1, 0.0], [0.3, 0.1]])
    return model.equations(states, torch.full((2, 1), 0.4))["euler"]


def test_functions_of_the_base_use_what_is_defined_anew(tmp_path):
    mine = linked(tmp_path / "a", f"{IMPORTS}from brock_mirman.Definitions import *\n{Y}")
    whole = linked(tmp_path / "b", written_out())
    states, policies = torch.tensor([[0.1, 0.0]]), torch.full((1, 1), 0.4)
    for name in ("Y", "I", "C", "K_next", "R"):
        assert torch.equal(
            getattr(mine.Definitions, name)(states, policies), getattr(whole.Definitions, name)(states, policies)
        )
    assert torch.equal(residuals(mine), residuals(whole))
    assert mine.linker.anew == ["brock_mirman/Definitions.py with Y"]


def test_the_base_itself_and_other_models_stay_as_they_are(tmp_path):
    before = residuals(deqn.load_model("brock_mirman"))
    linked(tmp_path, f"{IMPORTS}from brock_mirman.Definitions import *\n{Y}")
    after = deqn.load_model("brock_mirman")
    assert torch.equal(residuals(after), before)
    assert after.linker.anew == []


def test_a_new_function_may_call_the_old_one(tmp_path):
    old = "from brock_mirman.Definitions import Y as old_Y\n\n\ndef Y(s, p):\n    return 3 * old_Y(s, p)\n"
    mine = linked(tmp_path, f"from brock_mirman.Definitions import *\n{old}")
    base = deqn.load_model("brock_mirman").Definitions
    states, policies = torch.tensor([[0.1, 0.0]]), torch.full((1, 1), 0.4)
    torch.testing.assert_close(mine.Definitions.C(states, policies), 3 * base.C(states, policies))


@pytest.mark.parametrize(
    ("form", "call"),
    [
        ("from brock_mirman import Definitions as base", "base.Y"),
        ("import brock_mirman.Definitions", "brock_mirman.Definitions.Y"),
    ],
)
def test_the_old_function_by_way_of_its_file_would_be_the_new_one(tmp_path, form, call):
    text = f"from brock_mirman.Definitions import *\n{form}\n\n\ndef Y(s, p):\n    return 3 * {call}(s, p)\n"
    with pytest.raises(ModelError, match=r"Write `from brock_mirman\.Definitions import Y as old_Y` and call old_Y"):
        linked(tmp_path, text)


def test_a_model_may_build_on_one_that_builds_on_another(tmp_path):
    models = own_model(tmp_path, Definitions="from brock_mirman.Definitions import *\n")
    (models / "further").mkdir()
    for file in ("Calibration", "Dynamics", "Equations"):
        (models / "further" / f"{file}.py").write_text(f"from mine.{file} import *\n")
    (models / "further" / "Definitions.py").write_text(f"{IMPORTS}from mine.Definitions import *\n{Y}")
    model = deqn.Model(compose(["model=brock_mirman", "MODEL_NAME=further", f"MODELS_DIR={models}"]).config)
    assert torch.equal(residuals(model), residuals(linked(tmp_path / "b", written_out())))


def test_names_of_libraries_and_of_one_function_alone_are_nothing_new(tmp_path):
    base = "from math import exp\n\n\ndef Y(s, p):\n    return exp(0.0) * 2.0\n"
    models = tmp_path / "a"
    own_model(models, Definitions=base + "\n\ndef I(s, p):\n    return 1.0\n")
    (models / "mine").rename(models / "base")
    text = "from torch import exp\nfrom base.Definitions import Y\n\n\ndef I(s, p):\n    return exp(s[..., 0])\n"
    definitions = "def C(s, p):\n    return 1.0\n\n\nK_next = R = C\n"
    assert linked(models, text + definitions).linker.anew == []


DYNAMICS = shipped("brock_mirman", "Dynamics")


def test_values_are_meant_as_functions_are(tmp_path):
    text = "import torch\nfrom brock_mirman.Dynamics import *\n\n\n" + (
        "def next_state(state, policy_state, shock):\n    return State.update(state, 'z', shock)\n"
    )
    mine = linked(tmp_path, shipped("brock_mirman", "Definitions"), Dynamics=f"import State\n{text}")
    states = mine.initial_states(4)
    stepped = mine.expectations.dynamics.total_step_spec_shock(states, mine.policy(states), 0)
    assert torch.equal(stepped[:, 0], states[:, 0])


def test_what_the_base_has_used_while_it_was_run_cannot_be_replaced(tmp_path):
    base = "sigma = 0.1\nnodes = [sigma, -sigma]\n\n\ndef Y(s, p):\n    return sigma + nodes[0]\n"
    own_model(tmp_path, Definitions=base)
    (tmp_path / "mine").rename(tmp_path / "base")
    message = (
        r"mine/Definitions.py defines sigma anew, and base/Definitions.py has used its own sigma already, in line 2"
    )
    with pytest.raises(ModelError, match=message):
        linked(tmp_path, "from base.Definitions import *\n\nsigma = 0.2\n")
