"""Private messages between users who have logged in: Flask-Login's session decides who connects.

Start it with `python -m examples.private_messages`.
"""
