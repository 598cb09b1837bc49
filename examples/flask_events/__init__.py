"""What Flask-SocketIO's users know as its example app: events, broadcasts, rooms, a background thread."""
