"""A shared to-do list: acknowledged changes, data checked against dataclasses.

Start it with `python -m examples.todo`.
"""
