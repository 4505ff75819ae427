"""Each age has a small network of its own, of what it owns and of a few numbers of the whole economy, which a common one learns.

Inputs are distances from the stationary economy. The common network sees all of them; an age sees its wealth, the value of its
capital and the numbers of the common one. Both have a linear way from input to output beside their hidden layers.
"""

import math

import torch
from torch import nn

import Definitions
import Parameters
import State

from deqn import dense_network


class Ages(nn.Module):
    """States [batch, n_states] -> outputs for xk and xq of each saver, and for the bond's price, [batch, 2 (N - 1) + 1].

    Options (net.options): `common`, numbers that the common network gives to all ages; `units`, hidden units of each age.
    """

    def __init__(self, net_config, seed):
        super().__init__()
        savers, options = len(Parameters.k_ss), net_config.options
        self.savers, n, units = savers, options["common"], options["units"]
        self.common = dense_network(net_config, 2 * savers + 4, n + 1, seed)
        self.linear = nn.Linear(2 * savers + 4, n + 1, bias=False, device="cpu")
        generator = torch.Generator().manual_seed(seed + 1)  # on the CPU; the model moves the network afterwards

        def weights(*shape, size):
            return nn.Parameter(size * torch.randn(*shape, generator=generator, device="cpu"))

        inputs = 2 + 4 + n
        self.enter = weights(savers, inputs, units, size=1 / math.sqrt(inputs))
        self.bias = weights(savers, 1, units, size=0.5)
        self.leave = weights(savers, units, 2, size=0.01)
        self.straight = weights(savers, inputs, 2, size=0.01)
        self.shift = nn.Parameter(torch.zeros(savers, 1, 2, device="cpu"))
        nn.init.normal_(self.linear.weight, 0, 0.01, generator=generator)

    def forward(self, states):
        own, everyone = self.inputs(states)
        seen = torch.cat([own.flatten(-2), everyone], dim=-1)
        common = self.common(seen) + self.linear(seen)
        numbers = torch.cat([everyone, common[..., 1:]], dim=-1).unsqueeze(-2).expand(*own.shape[:-1], -1)
        x = torch.cat([own, numbers], dim=-1).transpose(0, 1)  # [savers, batch, inputs]
        hidden = torch.tanh(torch.baddbmm(self.bias, x, self.enter))
        out = torch.baddbmm(torch.baddbmm(self.shift, x, self.straight), hidden, self.leave)
        return torch.cat([out.permute(1, 2, 0).flatten(-2), common[..., :1]], dim=-1)

    def inputs(self, states):
        """Of each saver its wealth and the value of its capital, [batch, savers, 2]; of all, [batch, 4]."""
        tfp, delta = (
            (value - values.mean()) / (values.amax() - values.mean())
            for value, values in ((State.tfp(states), Parameters.tfp_values), (State.delta(states), Parameters.delta_values))
        )
        R, K = Definitions.R(states, None), Definitions.K(states, None)
        value = R[..., None] * Definitions.before(State.k(states))[..., :-1]
        wealth = Definitions.wealth(states, None)[..., :-1]
        value_ss = Parameters.R_ss * Definitions.before(Parameters.k_ss)[:-1]
        wealth_ss = Parameters.w_ss * Parameters.hours[:-1] + value_ss + Definitions.before(Parameters.b_ss)[:-1]
        size = Parameters.c_ss[:-1] + value_ss
        own = torch.stack([(wealth - wealth_ss) / (0.1 * size), (value - value_ss) / (0.1 * size)], dim=-1)
        return own, torch.stack([torch.log(K / Parameters.K_ss) / 0.1, tfp, delta, tfp * delta], dim=-1)


def define_net(net_config, model):
    return Ages(net_config, model.config.seed)
