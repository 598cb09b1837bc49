"""A worker in a process of its own, whose results reach the user's browser as they come.

Start it with `python -m examples.worker`.
"""
