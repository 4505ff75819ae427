"""A Net.py in Keras layers gives the network that the YAML file of the same layers gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import deqn
from deqn.economy.probe import probe
from deqn.errors import ModelError
from deqn.tensorflow.names import build
from tests.unit.tensorflow.folders import load

keras = build().keras

SEQUENTIAL = """
    import tensorflow as tf
    from tensorflow import keras

    def define_net(cfg, states, policy_states):
        layers = []
        for layer in cfg.net.layers[:-1]:
            if 'dropout_rate' in layer['hidden']:
                layers.append(keras.layers.Dropout(rate=layer['hidden']['dropout_rate']))
            layers.append(keras.layers.Dense(
                units=layer['hidden']['units'], activation=layer['hidden']['activation'],
                kernel_initializer=keras.initializers.VarianceScaling(
                    scale=layer['hidden'].get('init_scale', 1.0), mode=cfg.net.get('net_initializer_mode', 'fan_in'))))
        layers.append(keras.layers.Dense(len(policy_states), activation=tf.identity))
        net = keras.Sequential(layers)
        net.build(input_shape=(None, len(states)))
        return net
    """
FUNCTIONAL = """
    import tensorflow as tf
    from tensorflow import keras

    class Gather(keras.layers.Layer):
        def call(self, x, inds):
            return tf.gather(x, inds, axis=-1)

    def define_net(net_config, states, policy_states):
        x = keras.Input(shape=(len(states),))
        capital = keras.layers.BatchNormalization(momentum=0.9)(Gather()(x, [0]))
        left = keras.layers.Dense(4, activation='tanh')(capital)
        right = keras.layers.Dense(3, activation=tf.nn.softplus)(keras.layers.LayerNormalization()(x))
        both = keras.layers.Concatenate()([left, right])
        return keras.Model(inputs=x, outputs=keras.layers.Dense(len(policy_states), name='out')(both), name='full')
    """


@pytest.mark.parametrize("net", [SEQUENTIAL, FUNCTIONAL])
def test_a_net_of_keras_layers_trains(tmp_path, net):
    model = load(tmp_path, Net=net)
    assert probe(model).notes == []
    before = [parameter.detach().clone() for parameter in model.network.parameters()]
    deqn.Trainer(model).fit(quiet=True)
    assert all(not torch.equal(one, other) for one, other in zip(before, model.network.parameters(), strict=True))


def test_it_computes_what_its_layers_say(tmp_path):
    model = load(tmp_path, Net=SEQUENTIAL)
    hidden, output = (module for module in model.network.modules() if isinstance(module, nn.Linear))
    x = torch.tensor([[0.2, 0.1]])
    expected = torch.sigmoid(output(torch.relu(hidden(x))))
    torch.testing.assert_close(model.policy(x), expected)


def test_several_paths_are_joined():
    x = keras.Input(shape=(3,))
    double = keras.layers.Lambda(lambda z: 2 * z)(x)
    net = keras.Model(x, keras.layers.Add()([keras.layers.Multiply()([x, double]), x]))
    z = torch.tensor([[1.0, 2.0, 3.0]])
    assert net(z).tolist() == [[3.0, 10.0, 21.0]]


def test_the_seed_of_the_run_reaches_the_layers(tmp_path):
    first, same, other = (load(tmp_path, f"seed={seed}", Net=SEQUENTIAL) for seed in (1, 1, 2))
    weights = [next(model.network.parameters()) for model in (first, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_kerass_defaults():
    net = keras.Sequential([keras.layers.Dense(400)])
    net.build((None, 200))
    weight, bias = net.layers[0].linear.weight, net.layers[0].linear.bias
    assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / 600), rel=1e-3)  # glorot_uniform
    assert not bias.any()
    norm = keras.layers.BatchNormalization()
    norm(torch.ones(2, 3))
    assert (norm.norm.eps, norm.norm.momentum) == (1e-3, pytest.approx(0.01))


@pytest.mark.parametrize(
    ("name", "std"),
    [("he_normal", math.sqrt(2 / 200)), ("GlorotNormal", math.sqrt(2 / 600)), ("random_normal", 0.05),
     ("lecun_uniform", math.sqrt(1 / 200))],
)  # fmt: skip
def test_initialisers_by_name(name, std):
    made = getattr(keras.initializers, name)() if name[0].isupper() else name
    layer = keras.layers.Dense(400, kernel_initializer=made)
    layer(torch.zeros(1, 200))
    assert layer.linear.weight.std().item() == pytest.approx(std, rel=0.03)


def test_a_seed_of_its_own_gives_the_same_weights():
    def weight():
        layer = keras.layers.Dense(4, kernel_initializer=keras.initializers.VarianceScaling(scale=0.01, seed=1))
        layer(torch.zeros(1, 3))
        return layer.linear.weight

    assert torch.equal(weight(), weight())


def test_dropout_drops_in_gradient_steps_only():
    dropout = keras.layers.Dropout(0.5)
    x = torch.ones(100, 4)
    assert torch.equal(dropout.eval()(x, training=True), x)
    assert not torch.equal(dropout.train()(x), x)


@pytest.mark.parametrize(
    ("net", "said"),
    [(SEQUENTIAL.replace("len(policy_states), activation", "5, activation"), r"it has 5 outputs, expected 1"),
     (SEQUENTIAL.replace("keras.layers.Dense(len", "keras.layers.Conv1D(len"), r"tf.keras.layers.Conv1D is not among"),
     (SEQUENTIAL.replace("activation=tf.identity", "activation='relo'"), r"Net.py:\d+: define_net.*Did you mean relu"),
     (SEQUENTIAL.replace("(cfg, states, policy_states)", "(a, b, c, d)"), r"expected \(cfg, states, policy_states\)")],
)  # fmt: skip
def test_a_wrong_net_is_said(tmp_path, net, said):
    with pytest.raises(ModelError, match=said):
        probe(load(tmp_path, Net=net))
