"""Help texts of options that several commands share."""

from __future__ import annotations

WEIGHTS_HELP = "Objective weights, which sum to 1: 0.2,0.8 in order, clicks=0.2,dwell=0.8, or the name of a choice of the run."
TRUST_HELP = "Run plugin files whose content you have not trusted yet, and remember it as trusted."
DIAL_HELP = "Factor on the trained betas: 1 as trained, the default; above 1 towards the base model, below 1 away from it."
