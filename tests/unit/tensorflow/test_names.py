"""Each name of TensorFlow against NumPy's function of the same meaning, with numbers, lists, arrays and tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import torch

from deqn.numerics.rng import Rng
from deqn.tensorflow.draws import Generator
from deqn.tensorflow.names import Names, build, imported, old_numpy

tf = build()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
P = RNG.uniform(0.1, 0.9, size=(3, 4))  # between 0 and 1
I = np.array([[2, 0, 1], [1, 1, 0]])


def close(value, expected):
    """A tensor, or several, are these numbers in float32."""
    if isinstance(expected, list | tuple):
        assert len(value) == len(expected)
        for one, other in zip(value, expected, strict=True):
            close(one, other)
        return
    np.testing.assert_allclose(np.asarray(value.numpy(), dtype=float), expected, rtol=2e-6, atol=1e-6)
    assert value.shape == np.shape(expected)


ELEMENTWISE = {
    "abs": np.abs, "exp": np.exp, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "sinh": np.sinh, "cosh": np.cosh, "atan": np.arctan, "asinh": np.arcsinh, "floor": np.floor, "ceil": np.ceil,
    "round": np.round, "sign": np.sign, "square": np.square, "negative": np.negative, "reciprocal": np.reciprocal,
    "erf": scipy.special.erf, "erfc": scipy.special.erfc, "sigmoid": scipy.special.expit, "is_nan": np.isnan,
    "is_finite": np.isfinite, "is_inf": np.isinf, "softplus": lambda x: np.logaddexp(0, x),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x), "softsign": lambda x: x / (1 + np.abs(x)), "rint": np.rint,
}  # fmt: skip
POSITIVE = {
    "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "acos": np.arccos,
    "asin": np.arcsin, "atanh": np.arctanh, "lgamma": scipy.special.gammaln, "digamma": scipy.special.digamma,
    "erfinv": scipy.special.erfinv, "ndtri": scipy.special.ndtri,
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_function_of_any_number(name):
    close(getattr(tf.math, name)(X), ELEMENTWISE[name](X))


@pytest.mark.parametrize("name", POSITIVE)
def test_a_function_of_numbers_between_0_and_1(name):
    close(getattr(tf.math, name)(P), POSITIVE[name](P))


def test_acosh():
    close(tf.math.acosh(1 + P), np.arccosh(1 + P))


BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "truediv": np.divide,
    "floordiv": np.floor_divide, "mod": np.mod, "floormod": np.mod, "maximum": np.maximum, "minimum": np.minimum,
    "atan2": np.arctan2, "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater, "less": np.less,
    "greater_equal": np.greater_equal, "less_equal": np.less_equal, "squared_difference": lambda x, y: (x - y) ** 2,
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("y", [0.5, P, P[0], P.tolist(), torch.tensor(P)])
def test_a_function_of_two(name, y):
    x = torch.tensor(X, dtype=torch.float32)
    other = np.asarray(y, dtype=np.float32)
    close(getattr(tf.math, name)(x, y), BINARY[name](x.numpy(), other))


def test_pow_and_xlogy():
    close(tf.math.pow(P, 2.0), P**2.0)
    close(tf.pow(2.0, P), 2.0**P)
    close(tf.math.xlogy(P, P), P * np.log(P))
    close(tf.math.xlogy([0.0], [0.0]), [0.0])


def test_logical_functions():
    a, b = X > 0, P > 0.5
    close(tf.logical_and(a, b), a & b)
    close(tf.logical_or(a, b), a | b)
    close(tf.logical_not(a), ~a)
    close(tf.math.logical_xor(a, b), a ^ b)


def test_division_that_gives_zero_for_zero_has_a_finite_gradient():
    x, y = torch.ones(2, requires_grad=True), torch.tensor([0.0, 2.0], requires_grad=True)
    result = tf.math.divide_no_nan(x, y)
    close(result.detach(), [0.0, 0.5])
    result.sum().backward()
    assert x.grad.tolist() == [0.0, 0.5]
    assert y.grad.tolist() == [0.0, -0.25]
    close(tf.math.multiply_no_nan([math.inf, 2.0], [0.0, 3.0]), [0.0, 6.0])


@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.5, 0.5), (P - 1, P), (torch.tensor(-0.2), 3), (-math.inf, 0.1), (np.float64(-1), np.float64(1))],
)
def test_clip_by_value(low, high):
    close(tf.clip_by_value(X, low, high), np.clip(X, np.asarray(low), np.asarray(high)))
    close(tf.clip_by_value(X, clip_value_min=low, clip_value_max=high), np.clip(X, np.asarray(low), np.asarray(high)))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, [0, 1], (1,), torch.tensor(1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "variance", "std"])
def test_reductions(name, axis, keepdims):
    function = {"max": np.max, "min": np.min, "variance": np.var}.get(name) or getattr(np, name)
    plain = tuple(axis) if isinstance(axis, list) else int(axis) if isinstance(axis, torch.Tensor) else axis
    close(getattr(tf, f"reduce_{name}")(X, axis=axis, keepdims=keepdims), function(X, axis=plain, keepdims=keepdims))
    close(getattr(tf.math, f"reduce_{name}")(X, axis), function(X, axis=plain))


def test_more_reductions():
    close(tf.reduce_any(X > 1, axis=0), (X > 1).any(0))
    close(tf.reduce_all(X > -1), (X > -1).all())
    close(tf.reduce_logsumexp(X, axis=1), scipy.special.logsumexp(X, axis=1))
    close(tf.math.reduce_euclidean_norm(X, axis=1), np.linalg.norm(X, axis=1))
    assert tf.reduce_sum([1, 2, 3]).dtype == torch.int32
    assert tf.reduce_mean([1, 2]).item() == 1  # of integers an integer, as there
    assert tf.reduce_sum(2.0).item() == 2.0


def test_cumulative_sums():
    close(tf.cumsum(X), np.cumsum(X, 0))
    close(tf.math.cumsum(X, axis=1), np.cumsum(X, 1))
    close(tf.cumsum([1.0, 2.0, 3.0], exclusive=True), [0.0, 1.0, 3.0])
    close(tf.cumsum([1.0, 2.0, 3.0], reverse=True), [6.0, 5.0, 3.0])
    close(tf.cumsum([1.0, 2.0, 3.0], exclusive=True, reverse=True), [5.0, 3.0, 0.0])
    close(tf.math.cumprod([2.0, 3.0, 4.0]), [2.0, 6.0, 24.0])
    close(tf.math.cumprod([2.0, 3.0, 4.0], exclusive=True), [1.0, 2.0, 6.0])


def test_sorting():
    close(tf.argmax(X), X.argmax(0))  # along the first axis by default
    close(tf.argmin(X, axis=1), X.argmin(1))
    close(tf.sort(X), np.sort(X))
    close(tf.sort(X, axis=0, direction="DESCENDING"), -np.sort(-X, 0))
    close(tf.argsort(X), np.argsort(X))
    values, places = tf.math.top_k(X, 2)
    close(values, -np.sort(-X, 1)[:, :2])
    close(places, np.argsort(-X, 1)[:, :2])
    close(tf.searchsorted([1.0, 2.0, 3.0], [0.5, 2.0, 9.0]), np.searchsorted([1.0, 2.0, 3.0], [0.5, 2.0, 9.0]))
    close(tf.searchsorted([1.0, 2.0], [2.0], side="right"), [2])


# -- tensors and their types --------------------------------------------------------------------------------------


def test_numbers_lists_and_arrays_have_the_type_of_the_run():
    assert [tf.constant(x).dtype for x in (1.0, [1.0, 2], np.float64(1), np.ones(2, np.float64))] == 4 * [torch.float32]
    assert [tf.constant(x).dtype for x in (1, [1, 2], True, np.arange(2))] == [
        torch.int32,
        torch.int32,
        torch.bool,
        torch.int64,
    ]
    torch.set_default_dtype(torch.float64)
    try:
        there = build()
        assert there.constant(1.0).dtype == there.float32 == there.math.exp(np.float32(1)).dtype == torch.float64
        assert there.cast([1], tf.float32).dtype == there.zeros([1], dtype="float32").dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("int32", torch.int32), (int, torch.int32), (np.int64, torch.int64), (float, torch.float32), (bool, torch.bool),
     (np.float32, torch.float32), ("float64", torch.float64), (tf.float64, torch.float64), (tf.dtypes.int64, torch.int64)],
)  # fmt: skip
def test_types_by_any_name(dtype, expected):
    assert tf.cast(1.7, dtype).dtype == tf.dtypes.as_dtype(dtype) == expected


def test_constant_with_a_shape():
    close(tf.constant(3.0, shape=(2,)), [3.0, 3.0])
    close(tf.constant(3.0, shape=(2, 2)), np.full((2, 2), 3.0))
    close(tf.constant([1, 2, 3, 4], shape=[2, 2]), [[1, 2], [3, 4]])
    close(tf.constant([1.0, torch.tensor(2.0)]), [1.0, 2.0])
    close(tf.constant([[1.0, torch.tensor(2.0)], [3.0, 4.0]]), [[1.0, 2.0], [3.0, 4.0]])
    close(tf.constant(list(zip([1.0, 2.0], [3.0, 4.0], strict=True))), [[1.0, 3.0], [2.0, 4.0]])
    assert tf.cast([1.9, -1.9], tf.int32).tolist() == [1, -1]


def test_makers():
    close(tf.zeros([2, 3]), np.zeros((2, 3)))
    close(tf.ones(3), np.ones(3))
    close(tf.ones((torch.tensor(2), 1), dtype=tf.int32), np.ones((2, 1)))
    close(tf.zeros_like(X), np.zeros((3, 4)))
    close(tf.ones_like([1, 2], dtype=tf.float32), [1.0, 1.0])
    close(tf.fill([2, 2], 5.0), np.full((2, 2), 5.0))
    close(tf.eye(2, 3), np.eye(2, 3))
    close(tf.range(3), [0, 1, 2])
    close(tf.range(1.0, 2.0, 0.25), np.arange(1.0, 2.0, 0.25))
    close(tf.range(2, 8, 3), [2, 5])
    close(tf.linspace(0.1, 0.7, 7), np.linspace(0.1, 0.7, 7))
    close(tf.linspace([0.0, 1.0], [1.0, 3.0], 3), np.linspace([0.0, 1.0], [1.0, 3.0], 3))
    close(tf.one_hot([0, 2], 3), np.eye(3)[[0, 2]])
    close(tf.one_hot([0, 2], 3, axis=0), np.eye(3)[[0, 2]].T)


def test_shapes():
    close(tf.shape(X), [3, 4])
    assert (tf.size(X).item(), tf.rank(X).item()) == (12, 2)
    close(tf.reshape(X, [4, -1]), X.reshape(4, -1))
    close(tf.reshape(X, shape=[tf.shape(X)[1], 3]), X.reshape(4, 3))
    close(tf.expand_dims(X, axis=0), X[None])
    close(tf.expand_dims(X, -1), X[..., None])
    close(tf.squeeze(X[None]), X)
    close(tf.squeeze(X[None, ..., None], axis=[0]), X[..., None])
    with pytest.raises(ValueError, match="dimension 0 has 3 entries"):
        tf.squeeze(X, axis=0)
    close(tf.transpose(X), X.T)
    close(tf.transpose(X[None], perm=[2, 0, 1]), X[None].transpose(2, 0, 1))
    close(tf.concat([X, P], axis=0), np.concatenate([X, P]))
    close(tf.concat([X, P], 1), np.concatenate([X, P], 1))
    close(tf.stack([X, P]), np.stack([X, P]))
    close(tf.stack([1.0, torch.tensor(2.0)], axis=0), [1.0, 2.0])
    close(tf.unstack(X, axis=1), list(X.T))
    close(tf.split(X, 2, axis=1), np.split(X, 2, 1))
    close(tf.split(X, [1, -1], axis=1), [X[:, :1], X[:, 1:]])
    close(tf.tile(X, [2, 3]), np.tile(X, (2, 3)))
    close(tf.tile(tf.expand_dims(X, 0), [2, 1, 1]), np.tile(X[None], (2, 1, 1)))
    close(tf.broadcast_to(X[0], [3, 4]), np.broadcast_to(X[0], (3, 4)))
    close(tf.reverse(X, axis=[1]), X[:, ::-1])
    close(tf.roll(X, 1, axis=1), np.roll(X, 1, 1))
    close(tf.pad(X, [[1, 0], [0, 2]]), np.pad(X, [(1, 0), (0, 2)]))
    close(tf.slice(X, [1, 0], [-1, 2]), X[1:, :2])
    close(tf.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0]), np.meshgrid([1.0, 2.0], [3.0, 4.0, 5.0]))
    close(tf.meshgrid([1.0, 2.0], [3.0], indexing="ij"), np.meshgrid([1.0, 2.0], [3.0], indexing="ij"))


def test_repeat():
    close(tf.repeat(3.0, 2), [3.0, 3.0])
    close(tf.repeat(X, 2), np.repeat(X, 2))
    close(tf.repeat(X, 2, axis=0), np.repeat(X, 2, 0))
    close(tf.repeat(X, repeats=[1, 0, 2], axis=0), np.repeat(X, [1, 0, 2], 0))
    close(tf.repeat(torch.tensor(2.0), torch.tensor(3)), [2.0] * 3)


def test_picking():
    close(tf.gather(X, [2, 0]), X[[2, 0]])
    close(tf.gather(X, [2, 0], axis=1), X[:, [2, 0]])
    close(tf.gather(X, I), X[I])
    close(tf.gather(X, 1, axis=-1), X[:, 1])
    close(tf.gather(X[:2], I, batch_dims=1), np.take_along_axis(X[:2], I, 1))
    close(tf.gather_nd(X, [[0, 1], [2, 3]]), X[[0, 2], [1, 3]])
    close(tf.gather_nd(X, [[2]]), X[[2]])
    close(tf.boolean_mask(X, [True, False, True]), X[[0, 2]])
    close(tf.boolean_mask(X, [True, False, True, False], axis=1), X[:, [0, 2]])
    close(tf.where(X > 0, X, 0.0), np.where(X > 0, X, 0.0))
    close(tf.where(X > 0, 1e-9, X), np.where(X > 0, 1e-9, X))
    close(tf.where(X > 0), np.argwhere(X > 0))
    values, places = tf.unique([3, 1, 3, 2])
    assert (values.tolist(), places.tolist()) == ([3, 1, 2], [0, 1, 0, 2])


def test_filling_gives_a_new_tensor():
    x = torch.zeros(3, 2)
    expected = np.zeros((3, 2))
    expected[:, 1] = [1.0, 2.0, 3.0]
    close(tf.tensor_scatter_nd_update(x, [[j, 1] for j in range(3)], [1.0, 2.0, 3.0]), expected)
    row = tf.tensor_scatter_nd_update(x, tf.constant([[2]]), tf.expand_dims(tf.constant([7.0, 8.0]), axis=0))
    close(row, [[0.0, 0.0], [0.0, 0.0], [7.0, 8.0]])
    close(tf.tensor_scatter_nd_add(x, [[0], [0]], [[1.0, 2.0], [3.0, 4.0]]), [[4.0, 6.0], [0.0, 0.0], [0.0, 0.0]])
    close(tf.tensor_scatter_nd_sub(x, [[0]], [[1.0, 2.0]]), [[-1.0, -2.0], [0.0, 0.0], [0.0, 0.0]])
    close(tf.scatter_nd([[1], [1]], [1.0, 2.0], [3]), [0.0, 3.0, 0.0])
    assert not x.any()


def test_linear_algebra():
    A, b = X[:, :3] + 3 * np.eye(3), P[:, :1]
    close(tf.matmul(X, P, transpose_b=True), X @ P.T)
    close(tf.linalg.matmul(X, P, transpose_a=True), X.T @ P)
    close(tf.linalg.matvec(A, P[:, 0]), A @ P[:, 0])
    close(tf.tensordot(X, P, axes=[[0], [0]]), np.tensordot(X, P, axes=[[0], [0]]))
    close(tf.tensordot(X, P.T, axes=1), X @ P.T)
    close(tf.einsum("ij,kj->ik", X, P), X @ P.T)
    np.testing.assert_allclose(tf.linalg.inv(A).numpy(), np.linalg.inv(A), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tf.linalg.solve(A, b).numpy(), np.linalg.solve(A, b), rtol=1e-4, atol=1e-5)
    close(tf.linalg.cholesky(A @ A.T) @ tf.linalg.cholesky(A @ A.T).T, A @ A.T)
    close(tf.linalg.diag([1.0, 2.0]), np.diag([1.0, 2.0]))
    close(tf.linalg.diag_part(A), np.diag(A))
    close(tf.linalg.trace(A), np.trace(A))
    close(tf.norm(X), np.linalg.norm(X))
    close(tf.linalg.norm(X, axis=1), np.linalg.norm(X, axis=1))
    close(tf.math.l2_normalize(X, axis=1), X / np.linalg.norm(X, axis=1, keepdims=True))


def test_activations():
    close(tf.nn.relu(X), np.maximum(X, 0))
    close(tf.nn.leaky_relu(X), np.where(X > 0, X, 0.2 * X))
    close(tf.nn.leaky_relu(X, alpha=0.1), np.where(X > 0, X, 0.1 * X))
    close(tf.nn.elu(X), np.where(X > 0, X, np.expm1(X)))
    close(tf.nn.selu(X), 1.05070098 * np.where(X > 0, X, 1.67326324 * np.expm1(X)))
    close(tf.nn.silu(X), X * scipy.special.expit(X))
    close(tf.nn.gelu(X), X * scipy.special.ndtr(X))
    close(tf.nn.softmax(X), scipy.special.softmax(X, axis=-1))
    close(tf.nn.log_softmax(X, axis=0), scipy.special.log_softmax(X, axis=0))
    close(tf.nn.softplus([100.0, -100.0]), [100.0, 0.0])
    close(tf.keras.activations.swish(X), X * scipy.special.expit(X))


# -- around a computation -----------------------------------------------------------------------------------------


def test_branches_and_loops():
    assert tf.cond(tf.constant(True, dtype=tf.bool), lambda: 50, lambda: 0) == 50
    assert tf.cond(tf.constant(1.0) > 2.0, lambda: 50, lambda: 0) == 0
    assert tf.case([(False, lambda: 1), (True, lambda: 2)], default=lambda: 3) == 2
    assert tf.switch_case(tf.constant(1), [lambda: "a", lambda: "b"]) == "b"
    i, total = tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + i), [tf.constant(0), tf.constant(0)])
    assert (int(i), int(total)) == (4, 6)
    close(tf.map_fn(lambda row: row * 2, X), X * 2)


def test_a_decorated_function_is_the_function():
    @tf.function
    def one(x):
        return x + 1

    @tf.function(reduce_retracing=True, input_signature=[tf.TensorSpec(shape=[None], dtype=tf.float32)])
    def two(x):
        return x + 2

    assert (one(1), two(1), tf.function(abs)(-1)) == (2, 3, 1)


def test_print_shows_numbers(capsys):
    tf.print("x:", tf.constant([1.0, 2.0]))
    assert capsys.readouterr().out == "x: [1. 2.]\n"


def test_settings_are_taken():
    tf.get_logger().setLevel("CRITICAL")
    tf.keras.backend.set_floatx("float64")
    assert tf.keras.backend.floatx() == "float32"
    assert tf.config.list_physical_devices("GPU") == []
    with tf.device("/CPU:0"), tf.name_scope("x"):
        assert tf.executing_eagerly()


def test_assertions():
    tf.debugging.assert_less([1.0], [2.0])
    with pytest.raises(AssertionError, match="too large"):
        tf.debugging.assert_less([1.0], [1.0], message="too large")
    with pytest.raises(AssertionError, match="capital"):
        tf.debugging.check_numerics([math.nan], "capital")


@pytest.mark.parametrize(
    ("path", "advice"),
    [("math.bincount", "In PyTorch: torch.bincount."), ("reduce_summ", "Did you mean tf.reduce_sum?"),
     ("linalg.expm_", ""), ("data", "Use plain tensors."), ("scan", "Use a loop in Python.")],
)  # fmt: skip
def test_a_name_outside_says_what_to_write(path, advice):
    *inner, name = path.split(".")
    place = getattr(tf, inner[0]) if inner else tf
    with pytest.raises(AttributeError, match=r"docs/reference/tensorflow_model_files.md") as error:
        getattr(place, name)
    assert advice in str(error.value)


def test_imports_bind_what_python_binds():
    assert imported(tf, "tensorflow") is tf
    assert imported(tf, "tensorflow.keras.backend") is tf
    assert imported(tf, "tensorflow.keras", ("backend",)) is tf.keras
    assert imported(tf, "keras") is tf.keras
    with pytest.raises(AttributeError, match=r"tf.keras.applications is not among"):
        imported(tf, "keras.applications")


def test_numpy_has_its_old_names():
    np_there = old_numpy()
    assert (np_there.int, np_there.float, np_there.NINF, np_there.Inf) == (int, float, -np.inf, np.inf)
    assert np_there.linalg is np.linalg
    assert np_there.ndarray is np.ndarray
    with pytest.raises(AttributeError):
        _ = np_there.no_such_name


def test_every_name_is_in_the_documentation():
    from tests.conftest import ROOT

    page = (ROOT / "docs" / "reference" / "tensorflow_model_files.md").read_text(encoding="utf-8")
    missing = [
        f"{path}{name}" for path, place in _namespaces("", tf) for name in place if f"`{name}`" not in page
    ]  # fmt: skip
    assert missing == []


def _namespaces(path, place):
    yield path, [name for name in place if not isinstance(vars(place)[name], Names)]
    for name in place:
        if isinstance(vars(place)[name], Names):
            yield from _namespaces(f"{path}{name}.", vars(place)[name])


# -- draws --------------------------------------------------------------------------------------------------------


@pytest.fixture
def random():
    class Parameters:
        rng, summary, states, policy_states, definitions = Rng(1), None, (), (), ()

    return build(Parameters).random


def test_moments_of_draws(random):
    normal = random.normal([20000, 2], mean=1.0, stddev=tf.constant([[0.5, 2.0]]))
    assert (normal.mean(0) - 1).abs().max() < 0.06
    assert torch.allclose(normal.std(0), torch.tensor([0.5, 2.0]), rtol=0.03)
    uniform = random.uniform((20000,), minval=2.0, maxval=4.0)
    assert 2 <= uniform.min() <= uniform.max() < 4
    assert abs(uniform.mean() - 3) < 0.03
    assert random.truncated_normal([20000]).abs().max() <= 2


def test_whole_numbers(random):
    drawn = random.uniform([3000], 1, 4, dtype=tf.int32)
    assert drawn.dtype == torch.int32
    assert sorted(set(drawn.tolist())) == [1, 2, 3]
    with pytest.raises(ValueError, match="maxval"):
        random.uniform([3], dtype=tf.int32)


def test_classes_follow_their_logits(random):
    probabilities = [[0.1, 0.6, 0.3], [1.0, 0.0, 0.0]]
    drawn = random.categorical(tf.math.log(probabilities), 20000)
    assert drawn.shape == (2, 20000)
    assert drawn.dtype == torch.int64
    shares = [[float((row == k).float().mean()) for k in range(3)] for row in drawn]
    np.testing.assert_allclose(shares, probabilities, atol=0.015)


def test_a_rewritten_line_draws_classes_from_probabilities_beside_files_that_are_not_rewritten():
    """`Parameters.rng` of such a folder: `deqn port` writes it as for other folders."""
    drawn = Generator(Rng(0)).categorical(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert drawn.tolist() == [1, 0]


def test_a_shuffle_keeps_the_rows(random):
    assert sorted(random.shuffle(tf.range(10)).tolist()) == list(range(10))


def test_a_seed_starts_the_draws_anew(random):
    random.set_seed(3)
    first = random.normal([3])
    random.set_seed(3)
    assert torch.equal(first, random.normal([3]))
    generator = random.Generator.from_seed(5)
    assert torch.equal(generator.normal([2]), random.Generator.from_seed(5).normal([2]))
    assert not torch.equal(generator.normal([2]), random.Generator.from_seed(5).normal([2]))
    assert random.Generator.from_state([1, 2, 5], alg="philox").uniform([2]).shape == (2,)
