"""Benches: figures beside their goals. Every measurement checks its answer before it is believed.

Run from the repository's root: ``python -m benches.goals``, ``benches.compare``, ``benches.curves``.
What they do not show stands in README.md.
"""
