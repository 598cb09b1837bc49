"""A chat with rooms: a Flask app wrapped by geventsio.

Start it with `python -m examples.chat`, or with `gunicorn -k gevent -w 1 examples.chat.app:app`.
"""
