"""That of `irbc`; both elasticities tell the countries apart."""

import Parameters

from irbc.Net import define_net, standardised


def elasticity():
    """One number a country, [N]; where both elasticities are equally spaced it is that of `irbc`."""
    return standardised(standardised(Parameters.gamma) + standardised(Parameters.eta))
