"""A whiteboard for all who open it: msgpack, binary points, volatile cursors.

Start it with `python -m examples.whiteboard`.
"""
