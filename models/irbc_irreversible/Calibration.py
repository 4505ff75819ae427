"""That of `irbc`, and the box from which states are drawn: the constraint binds in a part of it."""

from irbc.Calibration import calibrate as of_irbc


def calibrate(constants):
    """By name, as there; k_low, k_high, a_low and a_high are the box.

    Raises:
        ValueError: where g_least, which is a bound of the YAML file and so a number, is not -delta.
    """
    if constants["g_least"] != -constants["delta"]:
        raise ValueError(f"g_least = {constants['g_least']}: expected -delta, {-constants['delta']}; change both")
    found = of_irbc(constants)
    return found | {"k_low": 0.8, "k_high": 1.2, "a_low": -3.5 * found["sd_a"], "a_high": 3.5 * found["sd_a"]}
