"""The network sees logs: capital by age in units of its steady state, productivity and depreciation in units of their means."""

import torch

import Parameters

from deqn import dense_network


class Logs(torch.nn.Module):
    """log(x / centre) / width, for each column x of the state.

    Args:
        centre, width: [n_states].
    """

    def __init__(self, centre, width):
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("width", width)

    def forward(self, states):
        """[batch, n_states] -> [batch, n_states]."""
        return torch.log((states / self.centre).clamp(min=1e-6)) / self.width


def define_net(net_config, model):
    """Logs, then the layers of the YAML file."""
    shocks = torch.stack([Parameters.eta_values, Parameters.delta_values])
    high = torch.cat([Parameters.k_high, shocks[:, 1]])
    centre = torch.cat([Parameters.k_ss, shocks.mean(1)])
    layers = dense_network(net_config, model.n_states, model.n_policies, model.config.seed)
    return torch.nn.Sequential(Logs(centre, torch.log(high / centre)), layers)
