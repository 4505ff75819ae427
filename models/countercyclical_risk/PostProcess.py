"""As in `krusell_smith`; the linear solution would be far off, with recessions as large as these."""

from krusell_smith.PostProcess import post_process, references, wider_box
