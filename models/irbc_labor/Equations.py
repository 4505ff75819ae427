"""Those of `irbc`: Euler equations for capital, whose product now depends on hours."""

from irbc.Equations import equations
