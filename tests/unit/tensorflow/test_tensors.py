"""Variables share memory and are assigned to; the tape gives derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deqn.tensorflow.gradients import GradientTape
from deqn.tensorflow.names import build
from deqn.tensorflow.tensors import Variable, view


def test_assigning_to_a_view_changes_the_tensor():
    states = torch.zeros(3, 2)
    there = view(states)
    assert there.assign(torch.ones(3, 2)) is there
    there.assign_add(np.ones((3, 2)))
    there.assign_sub(0.5)
    assert states.tolist() == 3 * [[1.5, 1.5]]


def test_what_is_computed_from_a_variable_is_a_plain_tensor():
    there = view(torch.ones(3, 2))
    assert type(there[0]) is type(there * 2) is type(there.value()) is torch.Tensor
    there.value().zero_()
    assert there.numpy().tolist() == np.ones((3, 2)).tolist()


def test_a_counter():
    counter = Variable(1, dtype="int32", trainable=False)
    counter.assign_add(1)
    assert counter < 3
    assert int(counter) == counter.numpy() == 2
    assert f"{counter:d} {counter:.1f}" == "2 2.0"


def test_a_derivative_with_respect_to_what_is_watched():
    x = torch.tensor([1.0, 2.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = x**3
    assert tape.gradient(y, x).tolist() == [3.0, 12.0]
    assert tape.gradient(y, [x])[0].tolist() == [3.0, 12.0]


def test_a_variable_is_watched_by_itself_and_tapes_nest():
    x = Variable(2.0)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = x**4
        slope = inner.gradient(y, x)
    assert (slope.item(), outer.gradient(slope, x).item()) == (32.0, 48.0)


def test_no_derivative_where_nothing_depends():
    x, other = torch.ones(2), torch.ones(2)
    with GradientTape() as tape:
        tape.watch([x, other])
        y = x * 2
    assert tape.gradient(y, other) is None
    assert tape.gradient(torch.ones(2), [x]) == [None]


def test_a_derivative_is_recorded_only_where_its_surroundings_are():
    x = torch.ones(2)
    with torch.no_grad():
        with GradientTape() as tape:
            tape.watch(x)
            y = x**2
        assert not tape.gradient(y, x).requires_grad
    assert tape.gradient(y, x).requires_grad


@pytest.mark.parametrize("method", ["batch_jacobian", "jacobian"])
def test_jacobians(method):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = torch.stack([x[:, 0] * x[:, 1], x[:, 0] ** 2, x[:, 1]], 1)
    found = getattr(tape, method)(y, x)
    own = torch.stack([torch.stack([x[:, 1], x[:, 0]], 1), torch.stack([2 * x[:, 0], 0 * x[:, 0]], 1),
                       torch.stack([0 * x[:, 0], 1 + 0 * x[:, 0]], 1)], 1)  # fmt: skip
    if method == "jacobian":
        found = torch.stack([found[b, :, b] for b in range(2)])
    torch.testing.assert_close(found, own)


@pytest.mark.parametrize("axis", [2, -3])
@pytest.mark.parametrize("name", ["gather", "squeeze", "reduce_prod", "cumsum"])
def test_an_axis_that_a_tensor_lacks_is_refused(name, axis):
    arguments = [torch.ones(4, 1), *([0] if name == "gather" else [])]
    with pytest.raises(IndexError, match=rf"axis = {axis}, and the tensor has 2 dimensions"):
        getattr(build(), name)(*arguments, axis=axis)
