"""Range of the initial states and nodes of the endowment, those of `sudden_stop`; the range of the gross rate."""

import numpy as np

from sudden_stop import Calibration as base


def calibrate(constants):
    """What `sudden_stop` has; the mean of the gross rate, and four standard deviations of it and of the endowment in levels."""
    found = base.calibrate(constants)
    mean = 1 + constants["r_mean"]
    yT_low, yT_high = np.exp([found["y_low"], found["y_high"]])
    rates = {"rf_mean": mean, "rf_low": mean + found["r_low"], "rf_high": mean + found["r_high"]}
    return {**found, **rates, "yT_low": yT_low, "yT_high": yT_high}
