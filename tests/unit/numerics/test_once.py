"""deqn/numerics/once.py."""

from __future__ import annotations

import math
import threading

import torch

from deqn.economy.bounds import Bound
from deqn.economy.columns import Columns, lay_out
from deqn.numerics.once import asked_once, known_range, once

State = Columns("State", lay_out([("K", (), Bound(lower=0.5, upper=2.0)), ("z", (), Bound())]))


def states() -> torch.Tensor:
    return torch.tensor([[1.0, 0.1], [1.5, -0.2]], requires_grad=True)


def test_a_column_is_taken_once_inside_and_anew_outside():
    x = states()
    with asked_once():
        assert State.K(x) is State.K(x)
        assert State.K(x) is not State.z(x)
    assert State.K(x) is not State.K(x)


def test_what_was_changed_in_place_is_asked_for_anew():
    x = states().detach()
    with asked_once():
        K = State.K(x)
        K.add_(1.0)
        torch.testing.assert_close(State.K(x), torch.tensor([1.0, 1.5]))
        x[:, 0] = 0.75
        torch.testing.assert_close(State.K(x), torch.tensor([0.75, 0.75]))


def test_an_answer_without_a_gradient_is_not_given_where_one_is_wanted():
    x = states()
    with asked_once():
        with torch.no_grad():
            assert not State.K(x).requires_grad
        assert State.K(x).requires_grad


def test_the_gradient_of_a_column_that_is_used_often_is_that_of_each_use():
    found = []
    for remembered in (True, False):
        x = states()
        if remembered:
            with asked_once():
                value = (State.K(x) * State.z(x) + State.K(x).exp() / State.K(x)).sum()
        else:
            value = (State.K(x) * State.z(x) + State.K(x).exp() / State.K(x)).sum()
        found.append(torch.autograd.grad(value, x)[0])
    assert torch.equal(found[0], found[1])


def test_answers_are_those_of_one_tensor_each():
    """Tensors that are gone leave their place in memory, and their `id`, to others."""
    with asked_once():
        found = [once(torch.full((3,), float(i)), "sum", lambda x: float(x.sum())) for i in range(100)]
    assert found == [3.0 * i for i in range(100)]


def test_a_bound_that_does_not_bind_gives_a_copy_with_the_gradient_of_a_cut():
    x = torch.tensor([0.6, 1.9], requires_grad=True)
    bound = Bound(lower=0.5, upper=2.0)
    inside = bound.apply(x)
    assert inside.data_ptr() != x.data_ptr()
    assert torch.equal(inside, x)
    assert torch.equal(torch.autograd.grad(inside.sum(), x)[0], torch.ones(2))


def test_a_bound_that_binds_cuts_and_has_no_gradient_there():
    for below in (0.4, math.nan):
        x = torch.tensor([below, 1.9, 2.1], requires_grad=True)
        cut = Bound(lower=0.5, upper=2.0).apply(x)
        torch.testing.assert_close(cut, torch.tensor([0.5 if below == 0.4 else math.nan, 1.9, 2.0]), equal_nan=True)
        assert torch.autograd.grad(cut.sum(), x)[0].tolist()[1:] == [1.0, 0.0]


def test_a_range_is_not_asked_for_in_a_transform_of_torch_func():
    assert known_range(torch.tensor([1.0, 3.0])) == (1.0, 3.0)
    seen = []
    torch.func.vmap(lambda x: seen.append(known_range(x)) or x)(torch.ones(2))
    assert seen == [(-math.inf, math.inf)]


def test_two_threads_that_overlap_leave_nothing_behind():
    """One begins, the other begins, the first ends, the second ends: afterwards everything is computed anew."""
    began, may_end = threading.Event(), threading.Event()

    def other():
        with asked_once():
            began.set()
            may_end.wait(10)

    thread = threading.Thread(target=other)
    with asked_once():
        thread.start()
        began.wait(10)
    may_end.set()
    thread.join()
    x, calls = torch.ones(2), []
    for _ in range(2):
        once(x, "what", calls.append)
    assert len(calls) == 2
