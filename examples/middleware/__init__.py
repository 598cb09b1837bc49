"""Middlewares: who may connect, how fast, with which words, and what the log says.

Start it with `python -m examples.middleware`.
"""
