"""That of `irbc`."""

from irbc.Net import define_net
