"""Augmentation policies: programmes of operations, as data, for any kind."""
