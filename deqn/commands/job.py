"""`python -m deqn.commands.job`: one job of `deqn sweep`, which is `deqn train` that ends when the sweep is gone."""

from __future__ import annotations

import sys

from deqn.commands.train import main
from deqn.processes.jobs import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    sys.argv[0] = "deqn train"
    main()
