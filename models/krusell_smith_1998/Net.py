"""The network of `krusell_smith`: aggregates -> consumption shares at all nodes, anchored on the stationary policy."""

from krusell_smith.Net import define_net
