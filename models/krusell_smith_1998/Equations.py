"""The households' Euler equations at every node of the histogram, as in `krusell_smith`."""

from krusell_smith.Equations import discounted, equations, implied
