"""Employment as in `krusell_smith_1998`, beside the discount factor: e = 2 i for the unemployed with the i-th discount factor,
2 i + 1 for the employed. Income is that of work; what the unemployed make at home is in Definitions.py.
"""

from krusell_smith_1998.Productivity import income, labour, node, shares, transition
