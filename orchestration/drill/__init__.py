"""Rehearsed faults: a small company, its days played in one process, and whether the right group hears of it."""
