"""Those of `irbc`: Euler equations for capital, whose product depends on hours."""

from irbc.Equations import equations
