"""A loss for moft."""
