"""How often the constraint binds."""


def closing_lines(run):
    """On the path of the economy, and in the box from which states are drawn in training."""
    path = run.simulate(batch=100, length=1200)[200:].flatten(0, 1)
    with run.model.context():
        box = run.model.initial_states(10_000)
    shares = [100 * run.definitions(states)["binds"].double().mean() for states in (path, box)]
    return [f"a country does not invest in {shares[0]:.4f} % of simulated quarters, and in {shares[1]:.1f} % of the box"]
