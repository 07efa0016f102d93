"""Points between two vertices of the simplex."""

import torch
from torch.nn.functional import one_hot


class Edges:
    """Draws a pair of vertices and a point between them; the grid is the vertices.

    Args:
        size: number of entries of a vector.
    """

    def __init__(self, size):
        self.size = size

    def draw(self, count, generator):
        place = {"generator": generator, "device": generator.device}
        ends = one_hot(torch.randint(self.size, (2, count), **place), self.size).float()  # [2, count, size]
        return torch.lerp(ends[0], ends[1], torch.rand(count, 1, **place))

    def grid(self, points):
        return torch.eye(self.size)
