"""File upload with progress: binary chunks, each acknowledged before the next one is sent.

Start it with `python -m examples.upload`.
"""
