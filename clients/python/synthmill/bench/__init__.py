"""Measures the sampling service: how fast, how promptly, and what share of the bare parts it is made of.

Loads come from processes of their own (`worker`), so that no measurement shares Python's lock with what it measures.
Measurements take turns, round by round, and shares are taken within a round: what the machine does beside them then
hits all of them alike.
"""
