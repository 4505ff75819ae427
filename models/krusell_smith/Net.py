"""The policy network: aggregates -> consumption shares at all nodes, anchored on the stationary policy.

share(e, a; Z, K) = share_ss(e, a) * exp(scale * y(log Z, log K)), where y is a linear map of the aggregates plus a small
network of them, both zero at the start: training begins at the stationary policy, whose residuals are near 5e-4, and
capital stays near its steady state from the first step on.
"""

import torch
from torch import nn

import Parameters
import State

from deqn import histogram
from deqn.network import dense_network


class AnchoredNetwork(nn.Module):
    """States [batch, 1 + nE nA] -> shares [batch, nE nA].

    Options (net.options): `output_scale`, the size of one unit of output in log shares; `sd_Z` and `sd_K`, standard
    deviations that log Z and log (K / K_ss) are divided by.
    """

    def __init__(self, net_config, n_outputs, seed):
        super().__init__()
        options = net_config.options
        self.scale, self.sd_Z, self.sd_K = (options[name] for name in ("output_scale", "sd_Z", "sd_K"))
        self.linear = nn.Linear(2, n_outputs, bias=False)
        self.network = dense_network(net_config, 2, n_outputs, seed)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.network[-1].weight)

    def forward(self, states):
        capital = histogram.aggregate(State.distribution(states), Parameters.a_grid)
        inputs = torch.stack(
            [State.Z(states).log() / self.sd_Z, (capital / Parameters.K_ss).log() / self.sd_K], dim=-1
        )
        y = self.linear(inputs) + self.network(inputs)
        return Parameters.share_ss.flatten() * torch.exp(self.scale * y)


def define_net(net_config, model):
    return AnchoredNetwork(net_config, model.n_policies, model.config.seed)
