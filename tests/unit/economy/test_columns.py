"""Named columns: bounds, raw values, shapes, updates."""

from __future__ import annotations

import pytest
import torch

from deqn.economy.bounds import Bound
from deqn.economy.columns import Columns, Namespace, ReadOnly, lay_out

STATE = Columns("State", lay_out([("K", (), Bound(1.0, 3.0)), ("mass", (2, 3), Bound()), ("z", (), Bound(upper=0.5))]))
X = torch.tensor([[0.5, 1, 2, 3, 4, 5, 6, 0.9], [2.0, 7, 8, 9, 10, 11, 12, 0.1]])


def test_an_accessor_cuts_to_the_bounds():
    assert STATE.K(X).tolist() == [1.0, 2.0]
    assert STATE.z(X).tolist() == pytest.approx([0.5, 0.1])


def test_the_raw_accessor_does_not():
    assert STATE.K_RAW(X).tolist() == [0.5, 2.0]


def test_a_variable_with_a_shape_comes_in_its_shape_row_by_row():
    assert STATE.mass(X).tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]


def test_the_last_dimension_is_the_variable_whatever_comes_before():
    stacked = torch.stack([X, 2 * X, 3 * X])
    assert STATE.mass(stacked).shape == (3, 2, 2, 3)
    assert torch.equal(STATE.K(stacked)[1], STATE.K(2 * X))
    assert STATE.K(X[0]).shape == ()


def test_update_replaces_one_variable_and_leaves_the_others_and_the_original():
    before = X.clone()
    new = STATE.update(X, "z", torch.tensor([7.0, 8.0]))
    assert new[:, -1].tolist() == [7.0, 8.0]
    assert torch.equal(new[:, :-1], X[:, :-1])
    assert torch.equal(X, before)


def test_update_dict_writes_each_value_into_its_own_column():
    """The TensorFlow library writes the last column whatever it is asked."""
    new = STATE.update_dict(X, {"z": torch.tensor([7.0, 8.0]), "K": torch.tensor([1.5, 1.6])})
    assert STATE.K_RAW(new).tolist() == pytest.approx([1.5, 1.6])
    assert STATE.z_RAW(new).tolist() == [7.0, 8.0]
    assert torch.equal(STATE.mass(new), STATE.mass(X))


def test_update_dict_of_all_columns_copies_none_and_lets_gradients_through():
    both = Columns("State", lay_out([("K", (), Bound()), ("z", (), Bound())]))
    old = torch.zeros(2, 2, requires_grad=True)
    z = torch.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    new = both.update_dict(old, {"z": z, "K": 4})
    assert new.tolist() == [[[4.0, i], [4.0, i]] for i in (1.0, 2.0, 3.0)]
    assert new.is_contiguous()
    new.sum().backward()
    assert z.grad.tolist() == [[2.0], [2.0], [2.0]]
    assert old.grad is None


def test_update_takes_a_value_in_the_shape_of_the_variable():
    value = torch.arange(12.0).reshape(2, 2, 3)
    assert torch.equal(STATE.mass(STATE.update(X, "mass", value)), value)


def test_update_takes_a_number():
    assert STATE.z_RAW(STATE.update(X, "z", 4)).tolist() == [4.0, 4.0]


def test_update_takes_a_value_with_more_dimensions_than_the_state():
    """A stack of nodes: `[nodes, 1]` shocks on a `[batch]` of states."""
    new = STATE.update(X, "z", torch.tensor([[1.0], [2.0], [3.0]]))
    assert new.shape == (3, 2, 8)
    assert STATE.z_RAW(new)[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert torch.equal(new[2, :, :-1], X[:, :-1])


def test_update_lets_gradients_through():
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    STATE.update(X, "K", value)[:, 0].sum().backward()
    assert value.grad.tolist() == [1.0, 1.0]


def test_update_keeps_the_type_of_the_state():
    assert STATE.update(X.double(), "K", torch.tensor([1.0, 2.0])).dtype == torch.float64


def test_an_unknown_variable_suggests_the_nearest():
    with pytest.raises(AttributeError, match=r"State has no 'mas'\. Did you mean mass\?"):
        _ = STATE.mas
    with pytest.raises(AttributeError, match=r"State.update: no variable 'k'\. Did you mean K\?"):
        STATE.update(X, "k", 1.0)


def test_a_model_file_cannot_set_an_attribute():
    with pytest.raises(AttributeError, match=r"Parameters is read-only: Parameters.beta"):
        ReadOnly("Parameters", {"beta": 1}).beta = 2


def test_globals_can_be_set():
    names = Namespace("Globals", {"POST_PROCESSING": False})
    names.POST_PROCESSING = True
    assert names.POST_PROCESSING


def test_a_namespace_lists_its_names():
    assert list(Namespace("x", {"a": 1, "b": 2})) == ["a", "b"]


def test_labels_name_each_entry_of_a_shape():
    column = lay_out([("mass", (2, 2), Bound())])[0]
    assert column.labels == ["mass[0,0]", "mass[0,1]", "mass[1,0]", "mass[1,1]"]


def test_columns_lie_one_after_the_other():
    assert [(c.start, c.stop) for c in lay_out([("a", (), Bound()), ("b", (2, 3), Bound()), ("c", (), Bound())])] == [
        (0, 1), (1, 7), (7, 8),
    ]  # fmt: skip
