"""One network for all countries: growth of a country's capital from its own state and from means over all countries.

The planner's problem does not change when countries change places. So the policy of a country is one function, the same for all,
of its own capital, productivity and elasticity, and of the others' as a set. Averages over countries of learned functions give
such a function, and the number of parameters does not depend on N. Source: Zaheer, Kottur, Ravanbakhsh, Poczos, Salakhutdinov
and Smola (2017), Deep sets, NeurIPS 30, 3391-3401.
"""

import torch
from torch import nn

import Parameters

from deqn import dense_network, variance_scaling_


def elasticity():
    """That of substitution over time, standardised, [N]."""
    return standardised(Parameters.gamma)


def standardised(x):
    """Less its mean and over its standard deviation, where that is not zero, [N]."""
    return (x - x.mean()) / (x.std(correction=0) or 1.0)


class Countries(nn.Module):
    """States [*batch, 2 N] to raw policies [*batch, N].

    Args:
        head: maps [*batch, N, 3 + n_features] to [*batch, N, 1].
        n_features: functions of a country that are averaged.
        elasticity: what tells the countries apart, one number each, [N].
    """

    def __init__(self, head, n_features, elasticity, seed):
        super().__init__()
        self.features, self.head = nn.Linear(3, n_features, device="cpu"), head
        generator = torch.Generator().manual_seed(seed + 1)
        variance_scaling_(self.features.weight, 1.0, "fan_in", "truncated_normal", generator)
        nn.init.uniform_(self.features.bias, -1, 1, generator)
        self.register_buffer("elasticity", elasticity, persistent=False)

    def forward(self, states):
        k, a = states.unflatten(-1, (2, -1)).unbind(-2)
        own = torch.stack([torch.log(k) / Parameters.sd_k, a / Parameters.sd_a, self.elasticity.expand_as(k)], dim=-1)
        together = torch.tanh(self.features(own)).mean(-2, keepdim=True).expand(*own.shape[:-1], -1)
        return self.head(torch.cat([own, together], dim=-1))[..., 0]


def define_net(net_config, model):
    n_features = net_config.options["n_features"]
    head = dense_network(net_config, 3 + n_features, 1, model.config.seed)
    return Countries(head, n_features, elasticity(), model.config.seed)
