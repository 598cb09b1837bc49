"""HTTPS and secure websockets, with a certificate made on the spot.

Start it with `python -m examples.tls`.
"""
