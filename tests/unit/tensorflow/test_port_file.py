"""One file rewritten by `deqn port`: every expression keeps its value; comments and layout stay; what is left is said."""

from __future__ import annotations

import textwrap

import pytest
import torch

from deqn.tensorflow import names
from deqn.tensorflow.port_file import Known, rewritten
from deqn.tensorflow.port_imports import read
from deqn.tensorflow.port_kinds import NUMBER, Kinds


def one_file(text: str, **constants: float) -> tuple[str, list[str]]:
    """A single file rewritten, and what is said of it."""
    files = {"Equations": read(textwrap.dedent(text), "tiny")}
    kinds = Kinds(files, dict.fromkeys(constants, NUMBER))
    new, remarks = rewritten(files["Equations"], "Equations", kinds, Known("tiny", constants))
    return new, [f"{line}: {said}" for line, said in remarks]


X = "x = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])\nn = 2\n"
EXPRESSIONS = [
    *(f"tf.{name}(x / 10)" for name in ("exp", "math.log", "math.sqrt", "abs", "sin", "tanh", "math.erf", "nn.softplus",
      "nn.relu", "nn.sigmoid", "square", "math.reciprocal", "round", "sign", "math.log1p", "math.expm1", "nn.elu", "nn.swish")),
    *(f"tf.{name}(2.0)" for name in ("exp", "math.log", "sqrt", "abs", "tanh", "nn.relu", "square", "sigmoid")),
    *(f"tf.{name}(x, {y})" for name in ("maximum", "minimum", "add", "subtract", "multiply", "divide", "pow")
      for y in ("2.0", "x / 3")),
    *(f"tf.reduce_{name}(x{more})" for name in ("sum", "mean", "max", "min", "std", "variance")
      for more in ("", ", axis=1", ", 0, True", ", axis=-1, keepdims=True", ", name='s'")),
    "tf.reduce_prod(x, axis=1)", "tf.reduce_any(x > 6, axis=0)", "tf.reduce_all(x > 0)", "tf.reduce_logsumexp(x, axis=1)",
    "tf.maximum(0.5, x)", "tf.maximum(1.0, 2.0)", "tf.clip_by_value(x, 2.0, 5.0)", "tf.clip_by_value(x, x * 0 + 2, 5.0)",
    "tf.clip_by_value(x, clip_value_min=2.0, clip_value_max=5.0)", "2 * tf.add(x, 1.0)", "tf.negative(x) + 1",
    "tf.zeros_like(x)", "tf.ones_like(x, dtype=tf.float32)", "tf.zeros([2, 3])", "tf.ones(3)", "tf.ones((n, 3), tf.float32)",
    "tf.fill([2, 3], 1.5)", "tf.fill([2], x[0, 1])", "tf.eye(3)", "tf.linspace(0.0, 1.0, 5)", "tf.range(3)",
    "tf.constant(2.0)", "tf.constant([n * 1.0, math.sqrt(2.0)])", "tf.constant(0.5, shape=(n,))",
    "tf.constant(0.5, shape=[2, 3])",
    "tf.constant([1.0, 2.0, 3.0, 4.0], shape=(2, 2))", "tf.constant(np.array([1.0, 2.0]))", "tf.constant([np.float64(1.0)])",
    "tf.constant([x[0, 0], x[1, 1]])", "tf.convert_to_tensor([1.0, 2.0])", "tf.constant(math.pi)",
    "tf.concat([x, x], axis=1)", "tf.concat([x, x], 0)", "tf.stack([x[0], x[1]], axis=1)", "tf.stack([x[0, 0], 1.0])",
    "tf.expand_dims(x, axis=0)", "tf.expand_dims(x, -1)", "tf.squeeze(tf.expand_dims(x, 0), axis=0)", "tf.tile(x, [2, 1])",
    "tf.reshape(x, [-1])", "tf.reshape(x, (3, 2))", "tf.reshape(x, shape=[6, 1])", "tf.reshape(x, -1)", "tf.transpose(x)",
    "tf.transpose(x, perm=[1, 0])", "tf.repeat(x[0, 1], 3)", "tf.repeat(x, 2, axis=0)", "tf.repeat(x, repeats=2)",
    "tf.broadcast_to(x[0], [4, 3])", "tf.cast(x > 2, tf.float32)", "tf.cast(x, tf.int32)", "tf.cast(3, tf.float32)",
    "tf.where(x > 2, x, 0.0)", "tf.where(x > 2, x, tf.zeros_like(x))", "tf.where(tf.greater(x, 2.0), 1.0, 0.0)",
    "tf.less_equal(x, 2.0)", "tf.logical_and(x > 1, x < 5)", "tf.equal(x, 2.0)", "tf.gather(x, [1, 0])",
    "tf.gather(x, tf.constant([2, 0]), axis=1)", "tf.gather(x, 1)", "tf.gather(x, [0], axis=-1)", "tf.cumsum(x)",
    "tf.cumsum(x, axis=1)", "tf.argmax(x, axis=1)", "tf.argmin(x)", "tf.nn.softmax(x)", "tf.nn.softmax(x, axis=0)",
    "tf.matmul(x, tf.transpose(x))", "tf.linalg.matmul(x, x, transpose_b=True)", "tf.identity(x)", "tf.stop_gradient(x)",
    "tf.matmul(x, x, transpose_a=True) + 1", "tf.sort(-x)", "tf.sort(-x, axis=0)", "tf.add_n([x, 2 * x])",
    "tf.add_n([i * x for i in range(3)])", "tf.norm(x)", "tf.norm(tf.stack([x, -x], axis=-1), axis=-1)",
    "tf.cond(n > 1, lambda: x + 1, lambda: x)", "tf.einsum('ij,ij->i', x, x)", "tf.math.log([2.0, 3.0])",
    "tf.exp(np.array([0.5, 1.0]))", "tf.exp(unknown)", "tf.math.log(unknown) + x", "tf.reduce_sum([x[0], x[1]], axis=0)",
    "tf.reduce_mean([1.0, 2.0])", "tf.shape(x)[0] * 1.0", "tf.zeros(tf.shape(x))",
    "tf.reduce_sum(\n    x,  # of all\n    axis=0,\n)",
    "tf.unstack(x, axis=1)[2]", "tf.reverse(x, axis=[1])", "tf.roll(x, shift=1, axis=0)", "x[:, tf.newaxis]",
    "tf.function(lambda: x)()", "float(tf.reduce_sum(x).numpy())", "tf.math.log(2.0).numpy()", "list(map(tf.exp, [x]))[0]",
    "tf.math.divide_no_nan(x, x - 1)", "tf.slice(x, [0, 0], [1, 2])", "tf.pow(2.0, 3.0)", "np.float_(2.0) if False else x",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_has_the_same_value(expression):
    head = "import math\nimport numpy as np\nimport tensorflow as tf\n"
    new, _ = one_file(f"{head}{X}def f(unknown):\n    return unknown\nvalue = {expression}\n")
    root = names.build()
    values: list[torch.Tensor] = []
    for text in (f"{head}{X}value = {expression}\n", new):
        text = "\n".join(
            line for line in text.splitlines() if line not in ("import tensorflow as tf", "import Parameters")
        )
        given = {"tf": root, "unknown": 0.7, "Parameters": type("Parameters", (), {"dtype": torch.get_default_dtype()})}
        exec(text, given)
        values.append(torch.as_tensor(given["value"]))
    assert values[0].dtype.is_floating_point == values[1].dtype.is_floating_point
    torch.testing.assert_close(values[1], values[0], check_dtype=False)


# -- a file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = tf.math.exp(State.z(s))", "a = torch.exp(State.z(s))"),
        ("a = tf.math.log(2.) # two", "a = math.log(2.) # two"),
        ("a = tf.exp(Parameters.k)", "a = math.exp(Parameters.k)"),
        ("a = tf.exp(unseen)", "a = torch.exp(torch.as_tensor(unseen))"),
        ("a = tf.maximum(State.z(s), 1e-5)", "a = torch.clamp(State.z(s), min=1e-5)"),
        ("a = tf.reduce_mean(State.z(s), axis=0, keepdims=True)", "a = torch.mean(State.z(s), dim=0, keepdim=True)"),
        ("a = tf.concat([s, s], axis = 1)", "a = torch.cat([s, s], dim = 1)"),
        ("a = 2 * tf.add(State.z(s), 1)", "a = 2 * (State.z(s) + 1)"),
        ("a = tf.constant([[1., 2.],\n                 [3., 4.]])  # nodes",
         "a = torch.tensor([[1., 2.],\n                 [3., 4.]])  # nodes"),
        ("a = tf.random.normal([4], stddev=2.0)", "a = Parameters.rng.normal([4], stddev=2.0)"),
        ("Parameters.starting_state.assign(State.update(s, 'z', 0.))",
         "Parameters.starting_state.copy_(State.update(s, 'z', 0.))"),
        ("setattr(sys.modules[__name__], 'one', 1.0)", "one = 1.0"),
        ("tf.summary.scalar('m', State.z(s).mean(), step=3)", "Parameters.summary.add_scalar('m', State.z(s).mean(), 3)"),
        ("a, b = s.get_shape(), s.shape.as_list()", "a, b = s.shape, list(s.shape)"),
        ("a = np.int(3) + np.Inf", "a = int(3) + np.inf"),
        ("E = State.E_t_gen(s, s, training=training)", "E = State.E_t_gen(s, s)"),
        ("D = importlib.import_module(Parameters.MODEL_NAME + '.Definitions')", "import Definitions as D"),
        ("from Parameters import a, global_default_dtype", "from Parameters import a, dtype as global_default_dtype"),
        ("a = tf.math.log([unseen])", "a = torch.log(torch.stack([torch.as_tensor(unseen)]))"),
        ("tf.print('a', s, summarize=-1)", "print('a', s)\n"),
        ("if Globals.DISABLE_SCHOCKS: a = 1", "if Globals.DISABLE_SHOCKS: a = 1"),
        ("a = State.update(s, 'z', tf.repeat(v[k, 0], s.shape[0]))", "a = State.update(s, 'z', v[k, 0])"),
        ("a = tf.stack([tf.repeat(v[k, 0], 3)])", "a = torch.stack([torch.repeat_interleave(torch.as_tensor(v[k, 0]), 3)])"),
    ],
)  # fmt: skip
def test_a_line_becomes(before, after):
    head = "import importlib, sys\nimport numpy as np\nimport tensorflow as tf\nimport Globals, Parameters, State\n"
    new, remarks = one_file(f"{head}s = State.update(0, 'z', 0)\n{before}\n", k=1.0)
    assert (after in new, "tf." in new, remarks) == (True, False, []), new


def test_comments_and_layout_stay():
    text = '''
        """What the economy produces.

        Source: a paper."""
        # first of all
        import tensorflow as tf   # the tensors
        import State


        def Y( state,policy_state ):   # odd spaces
            """Output."""
            # of capital
            return ( tf.math.exp( State.z(state) )   # productivity
                     * State.K(state)**0.36 )        # capital
        '''
    new, remarks = one_file(text)
    expected = (
        textwrap.dedent(text).replace("import tensorflow as tf", "import torch").replace("tf.math.exp", "torch.exp")
    )
    assert (new, remarks) == (expected, [])


def test_kinds_follow_calls_through_functions():
    new, _ = one_file("""
        import tensorflow as tf
        import State
        def u(c, gamma):
            return tf.exp(c) + tf.exp(gamma)
        def total(state):
            return u(State.c(state), 2.0)
        """)
    assert "return torch.exp(c) + math.exp(gamma)" in new


def test_what_has_no_simple_form_is_left_with_its_line_and_advice():
    new, remarks = one_file("import tensorflow as tf\nx = tf.zeros(3)\n\ny = tf.GradientTape()\nz = tf.nothing(x)\n")
    assert "import tensorflow as tf\n" in new
    assert "y = tf.GradientTape()" in new
    assert remarks == [
        "4: tf.GradientTape is left as it is. Here: torch.func.grad, or torch.autograd.grad.",
        "5: tf.nothing is left as it is.",
    ]


def test_names_that_are_only_there_for_such_folders_are_reported():
    _, remarks = one_file(
        "import Globals, Parameters\nx = Globals.PROD_SHOCK\ny = Parameters.ckpt\nz = Globals.DISABLE_SHOCKS\n"
    )
    there = "is only there for folders of the TensorFlow library."
    assert remarks == [f"2: Globals.PROD_SHOCK {there}", f"3: Parameters.ckpt {there}"]


def test_histograms_that_the_run_draws_are_taken_out():
    new, remarks = one_file("""
        import tensorflow as tf
        from Parameters import states
        def cycle_hook(state, i):
            for s in states:
                tf.summary.histogram("hist_" + s, 1.0, step=i)
            tf.summary.histogram("other", state, step=i)
        """)
    assert "for s in states" not in new
    assert 'Parameters.summary.add_histogram("other", state, i)' in new
    assert remarks == []


def test_a_decorator_and_settings_of_the_machine_go():
    new, remarks = one_file(
        "import tensorflow as tf\ntf.keras.backend.set_floatx('float64')\n\n@tf.function\ndef f(x):\n    return x\n"
    )
    assert new == "\ndef f(x):\n    return x\n"
    assert remarks == ["2: removed: tf.keras.backend.set_floatx('float64'). It is set in the configuration here."]


def test_other_ways_to_import_it():
    new, _ = one_file(
        "from tensorflow import math as tfm, exp\nimport State\na = tfm.log(State.z(0)) + exp(State.z(0))\n"
    )
    assert new == "import torch\nimport State\na = torch.log(State.z(0)) + torch.exp(State.z(0))\n"
