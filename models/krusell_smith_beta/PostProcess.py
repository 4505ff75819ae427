"""As in `krusell_smith_1998`."""

from krusell_smith.PostProcess import post_process, references
from krusell_smith_1998.PostProcess import wider_box
