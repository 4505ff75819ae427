"""That of `irbc`; all elasticities tell the countries apart."""

import Parameters

from irbc.Net import define_net, standardised


def elasticity():
    """One number a country, [N]; where the elasticities are equally spaced it is that of `irbc`."""
    return standardised(sum(standardised(x) for x in (Parameters.gamma, Parameters.xi, Parameters.mu)))
