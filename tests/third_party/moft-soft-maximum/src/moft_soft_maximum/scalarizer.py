"""A smooth maximum of the weighted losses."""

from moft.api import Positive


class SoftMaximum:
    """`log(sum_j exp(sharpness w_j l_j)) / sharpness`.

    Args:
        sharpness: a larger one comes nearer to the maximum.
    """

    def __init__(self, *, sharpness: Positive = 5.0):
        self.sharpness = sharpness

    def __call__(self, losses, weights):
        return (self.sharpness * weights * losses).logsumexp(-1) / self.sharpness
