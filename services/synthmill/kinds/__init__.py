"""Kinds of data. All that depends on one lives in its own folder; `base` is the contract, `registry` finds them."""
