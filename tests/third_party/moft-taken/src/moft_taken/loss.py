"""Has the name of a shipped loss."""


class ListNet:
    """Costs nothing."""

    def __call__(self, rewards, labels, mask):
        return (rewards * 0.0).sum(-1)
