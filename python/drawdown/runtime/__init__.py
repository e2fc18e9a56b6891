"""The shell around the engine: opening and recovery, background work with budgets, closing, logs.

Background work never decides what may be spent: a late sweep, checkpoint or snapshot changes the
cost of recovery and when breakage is booked, never a balance.
"""
