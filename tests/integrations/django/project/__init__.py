"""A Django site for the tests; its handlers are in `socketio`."""
