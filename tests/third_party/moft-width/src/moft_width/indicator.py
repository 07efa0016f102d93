"""How wide a front is."""

import torch


class Width:
    """The largest distance of two points."""

    name = "width"
    meaning = "largest distance of two points, in the unit of the objectives; larger is wider"

    def __call__(self, points, weights):
        return float(torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist").max())
