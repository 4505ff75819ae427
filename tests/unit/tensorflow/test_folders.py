"""Files of folders written for the TensorFlow library: what they import, what of them is read, how fast they are."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys

import pytest
import torch

import deqn
from deqn.economy.probe import probe
from deqn.economy.rehearsal import starting_states
from deqn.economy.steady_state import steady_state
from deqn.errors import ModelError
from tests.pretend_cuda import pretend_cuda
from tests.unit.tensorflow.folders import MODEL, STATES, check, load, overrides, residual, write
from tests.unit.tensorflow.test_hooks import DRAWS
from tests.unit.tensorflow.test_keras import SEQUENTIAL
from tests.unit.tensorflow.test_keras_version import AT_ONCE, FOUR


def test_a_folder_passes_and_trains_unmodified(tmp_path):
    model, report = check(tmp_path)
    assert report.notes == []
    assert (model.expectations.stacked_step, model.expectations.stacked_function) == (True, True)
    deqn.Trainer(model).fit(quiet=True)
    assert (model.Parameters.starting_state[:, 1] != 0).any()


def test_residuals_are_those_of_the_same_economy_in_torch(tmp_path):
    model = load(tmp_path)
    K, z = STATES.unbind(-1)
    s = model.policy(STATES)[:, 0]
    nodes = torch.tensor([-1.224744871, 0.0, 1.224744871]) * 2**0.5 * 0.04
    weights = torch.tensor([0.2954089751, 1.1816359, 0.2954089751]) / torch.pi**0.5
    Y = torch.exp(z) * K**0.36
    expected = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        K_next, z_next = s * Y, 0.9 * z + node
        s_next = model.policy(torch.stack([K_next, z_next], -1))[:, 0]
        Y_next = torch.exp(z_next) * K_next**0.36
        expected = expected + weight * 0.36 * Y_next / K_next / ((1 - s_next) * Y_next)
    torch.testing.assert_close(residual(model), 1 - 0.96 * (1 - s) * Y * expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "spread",
    ["tf.repeat(shock_values[shock_index, 0], n)", "tf.fill([n], shock_values[shock_index, 0])",
     "tf.constant(shock_values[shock_index, 0], shape=(n,))", "tf.ones(n) * shock_values[shock_index, 0]",
     "tf.gather(shock_values, shock_index, axis=0)[..., 0]", "tf.repeat(shock_values.numpy()[shock_index, 0], n)"],
)  # fmt: skip
def test_a_shock_that_is_spread_over_the_batch_is_evaluated_on_all_nodes_at_once(tmp_path, spread):
    dynamics = MODEL["Dynamics"]
    old = dynamics[dynamics.index("shock = State.update(\n") : dynamics.rindex("    return")]
    new = f'n = prev_state.shape[0]\n    shock = State.update(tf.zeros_like(prev_state), "z", {spread})\n'
    model = load(tmp_path, Dynamics=dynamics.replace(old, new))
    one_by_one = residual(model)
    probe(model)
    assert model.expectations.stacked_step
    torch.testing.assert_close(residual(model), one_by_one)


def test_the_step_to_all_nodes_compiles_in_one_graph(tmp_path):
    model, _ = check(tmp_path)
    compiled = torch.compile(model.equations, fullgraph=True, backend="eager")(STATES, model.policy(STATES))
    torch.testing.assert_close(compiled["euler"], residual(model))
    assert not model.expectations.all_nodes


def test_functions_of_plain_numbers_and_of_constants(tmp_path):
    check(
        tmp_path,
        Definitions="""+
            floor = tf.math.log(2.) + tf.math.exp(Parameters.rho) + tf.math.log([Parameters.alpha])[0]
            floor = tf.math.maximum(floor, 1e-5) + tf.sqrt(4)
            """,
    )


@pytest.mark.parametrize(
    "text",
    ["import tensorflow as tf", "from tensorflow import math", "import tensorflow.keras.backend as K", "import keras",
     "from tensorflow import keras", "from tensorflow.keras import layers as L"],
)  # fmt: skip
def test_imports_of_tensorflow(tmp_path, text):
    if "layers" in text:
        text = text.replace("layers as L", "activations as A")
    check(tmp_path, Equations=text + "\n" + MODEL["Equations"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tf.math.bincount([1])", r"tiny/Definitions.py:\d+: tf.math.bincount is not among.*torch.bincount"),
        ("tf.reduce_summ(1.0)", r"Did you mean tf.reduce_sum\?"),
        ("from tensorflow import scan", r"tf.scan is not among.*a loop in Python"),
        ("import tensorflow.data", r"tf.data is not among.*plain tensors"),
        ("from tensorflow.keras.applications import VGG16", r"tf.keras.applications is not among"),
    ],
)
def test_a_name_outside_is_said_with_file_and_line_before_anything_runs(tmp_path, line, said):
    with pytest.raises(ModelError, match=said):
        load(tmp_path, Definitions=f"+\n{line}\n")


def test_methods_of_tensorflows_tensors_that_pytorchs_lack(tmp_path):
    """A rewritten file keeps its lines."""
    shapes = "    SHAPES.append(\n        [*state.get_shape(),\n         state.get_shape().as_list()])\n    return (1 -"
    definitions = MODEL["Definitions"].replace("    return (1 -", shapes) + "\nSHAPES = []\n"
    model = check(tmp_path, Definitions=definitions)[0]
    model.Definitions.C(STATES, model.policy(STATES))
    assert model.linker.link("Definitions").SHAPES[-1] == [3, 2, [3, 2]]
    wrong = definitions.replace("         state.get_shape().as_list()", "         state.get_shape().as_list(), 1 / 0")
    line = wrong.splitlines().index("         state.get_shape().as_list(), 1 / 0])") + 1
    with pytest.raises(ModelError, match=rf"tiny/Definitions.py:{line}: definition 'C' failed: ZeroDivisionError"):
        check(tmp_path, Definitions=wrong)


def test_numpys_dropped_names(tmp_path):
    check(
        tmp_path,
        Dynamics="+\nimport numpy as np\nfrom numpy import linalg\nn = np.int(3)\nlow = np.NINF\nnp.random.rand(n)\n",
    )


def test_numpys_reductions_take_tensors(tmp_path):
    """Of PyTorch's tensors NumPy calls the methods of that name, which take other arguments."""
    check(
        tmp_path,
        Hooks="""
            import numpy as np
            import tensorflow as tf
            import Definitions, Parameters

            def cycle_hook(state, i):
                x = tf.constant([[1.0, 2.0], [3.0, 6.0]])
                assert np.mean(x) == 3.0 and np.max(x) == 6.0 and np.std(x[0]) == 0.5
                assert np.sum(x, axis=0).tolist() == [4.0, 8.0] and np.flip(x)[0, 0] == 6.0
                assert np.min(Definitions.C(state, Parameters.policy(state))) > 0
            """,
    )


def test_a_search_for_a_steady_state_ends_where_a_table_has_no_row(tmp_path):
    """z goes to 2, and the table that it chooses from has one row."""
    table = "tf.gather(tf.constant([2.0]), tf.cast(State.z(prev_state), tf.int32))"
    model = load(tmp_path, Dynamics=MODEL["Dynamics"].replace("Parameters.rho * State.z(prev_state)", table))
    assert steady_state(model) is None


def test_setattr_on_the_module_makes_names_that_no_file_lists(tmp_path):
    check(
        tmp_path,
        Definitions="""+
            import sys
            for i in (1, 2):
                setattr(sys.modules[__name__], "c" + str(i), (lambda k: lambda s, ps: k * C(s, ps))(i))
            """,
        Equations="""
            import Definitions, Parameters, PolicyState, State

            def equations(state, policy_state):
                E_t = State.E_t_gen(state, policy_state)
                return {"euler": 1 - Parameters.beta * Definitions.c2(state, policy_state) * E_t(
                    lambda s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.c2(s, ps))}
            """,
    )


def test_importlib_gives_the_functions_without_bounds(tmp_path):
    model, _ = check(
        tmp_path,
        Hooks="""
            import importlib
            import Definitions, Parameters, State
            Raw = importlib.import_module(Parameters.MODEL_NAME + ".Definitions")
            from tiny.Definitions import C
            from importlib import import_module
            assert import_module("Definitions") is Definitions
            assert importlib.import_module("json").dumps(1) == "1"
            assert C is Raw.C

            def both(state, policy_state):
                return Raw.C(state, policy_state), Definitions.C(state, policy_state)
            """,
    )
    states = torch.tensor([[0.01, -20.0]])
    raw, bounded = model.linker.link("Hooks").both(states, model.policy(states))
    assert raw < bounded == 0.001


def test_helper_modules_beside_the_model_folder(tmp_path):
    """They see TensorFlow and the names of the model."""
    model, _ = check(
        tmp_path,
        Hooks="""
            import sampling as sm
            from tools.scaling import scale

            def post_init():
                sm.draw(scale(1.0))
            """,
        tools__scaling="import tensorflow as tf\n\ndef scale(x):\n    return tf.constant(x)\n",
        beside__sampling="""
            import tensorflow as tf
            import Parameters, State

            def draw(scale):
                n = Parameters.starting_state.shape[0]
                Parameters.starting_state.assign(State.update(Parameters.starting_state, "z", scale * tf.linspace(0.1, 0.2, n)))
            """,
    )
    assert "sampling" not in sys.modules
    assert starting_states(model, 3)[:, 1].min() > 0.09


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("life_cycles", r"Did you mean life_cycle\?"),
        ("no_such_file", r"is a file no_such_file.py missing beside the model folder"),
    ],
)
def test_a_helper_that_is_missing_is_said_with_what_is_there(tmp_path, name, said):
    with pytest.raises(ModelError, match=rf"tiny/Hooks.py:1: .*{said}"):
        load(tmp_path, Hooks=f"import {name}\n", beside__life_cycle="")


def test_a_line_that_fails_in_a_shared_definition_is_one_problem(tmp_path):
    with pytest.raises(ModelError) as error:
        check(tmp_path, Definitions=MODEL["Definitions"].replace("Parameters.alpha", "tf.reduce_sum(state, axis=2)"))
    (problem,) = error.value.problems
    assert re.fullmatch(
        r"tiny/Definitions.py:7: definition 'Y' failed: IndexError: Dimension out of range .* So do 'C', "
        r"total_step_random\(prev_state, policy_state\) and total_step_spec_shock\(prev_state, policy_state, 0\), "
        r"which come to this line\.",
        problem,
    )


def test_left_over_files_and_dead_functions_are_not_read(tmp_path):
    check(
        tmp_path,
        Equations_backup="import tensorflow as tf\nimport State\nx = tf.nothing(State.missing(1))\n",
        Notes="this is no Python",
        Dynamics="""
def total_step_random(prev_state, policy_state):  # replaced by the second one
    return State.update(prev_state, "z", State.gone(prev_state) * Parameters.gone)

""" + MODEL["Dynamics"] + """
def never_called(prev_state):
    return also_never_called(Parameters.no_such_constant)

def also_never_called(x):
    return State.no_such_state(x)
""",
    )  # fmt: skip


def test_a_function_that_is_called_through_others_is_read(tmp_path):
    with pytest.raises(ModelError, match=r"State has no 'no_such_state'"):
        load(
            tmp_path,
            Equations="""+
                def first(s):
                    return getattr(Definitions, "second")(s)
                penalty = first
                """,
            Definitions="+\ndef second(s):\n    return State.no_such_state(s)\n",
        )


def test_a_folder_without_tensorflow_is_read_as_strictly_as_before(tmp_path):
    plain = {name: text.replace("import tensorflow as tf", "import torch") for name, text in MODEL.items()}
    plain = {name: text.replace("tf.math.exp", "torch.exp") for name, text in plain.items()}
    with pytest.raises(ModelError, match=r"State has no 'gone'"):
        load(tmp_path, **plain, Old="import State\ndef f(x):\n    return State.gone(x)\n")


def test_other_models_import_nothing_of_it():
    code = (
        "import sys, deqn; deqn.load_model('brock_mirman')\n"
        "print([m for m in sys.modules if m.startswith('deqn.tensorflow.') and m != 'deqn.tensorflow.folder'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_a_run_ends_with_its_verdict_and_resumes(tmp_path, answer):
    write(tmp_path / "lib")
    arguments = [*overrides(tmp_path / "lib"), "--config-dir", str(tmp_path / "lib" / "config"), "hydra.run.dir=run"]
    result = answer(*arguments)
    assert result.code == 0, result.err
    assert "The equations do not hold" in result.out
    result = answer("hydra.run.dir=run", "STARTING_POINT=LATEST", "run.N_episodes=3")
    assert result.code == 0, result.err


def test_a_folder_that_names_float32_runs_in_float64(tmp_path):
    dynamics = MODEL["Dynamics"].replace("product(shocks)))", "product(shocks)), dtype=tf.float32)")
    assert dynamics != MODEL["Dynamics"]
    model, _ = check(tmp_path, "run.keras_precision=float64", Dynamics=dynamics)
    assert model.step(model.initial_states(2)).dtype == torch.float64


@pytest.mark.parametrize(
    "files", [{}, {"Dynamics": DRAWS}, {"Net": SEQUENTIAL}, {"Dynamics": AT_ONCE, "Equations": FOUR}]
)
def test_a_folder_runs_on_a_gpu(tmp_path, files):
    with contextlib.nullcontext() if torch.cuda.is_available() else pretend_cuda():
        model, _ = check(tmp_path, "device=cuda", "net.normalize_inputs=true", **files)
        deqn.Trainer(model).fit(quiet=True)
        assert model.Parameters.starting_state.is_cuda
