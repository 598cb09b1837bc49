"""A game at 30 ticks a second: positions as bytes, volatile, for hundreds of players.

Start it with `python -m examples.game`.
"""
