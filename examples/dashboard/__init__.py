"""A live dashboard: a background greenlet measures, every page plots.

Start it with `python -m examples.dashboard`.
"""
