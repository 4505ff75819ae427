"""How often the constraint binds."""


def closing_lines(run):
    """On the path of the economy, and in the box from which states are drawn in training."""
    shares = []
    with run.model.context():
        box = run.model.initial_states(10_000)
    for states in (run.cloud(), box):
        shares.append(100 * run.definitions(states)["binds"].double().mean())
    return [f"a country does not invest in {shares[0]:.4f} % of simulated quarters, and in {shares[1]:.1f} % of the box"]
