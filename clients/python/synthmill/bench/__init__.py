"""Measures running services: how fast, how promptly, and what share of the bare parts they are made of.

A folder per service, and beside them what they share. Loads come from processes of their own (`worker`), so that no
measurement shares Python's lock with what it measures. Measurements take turns, round by round, and shares are taken
within a round: what the machine does beside them then hits all of them alike.
"""
