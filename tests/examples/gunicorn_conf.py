"""Settings of gunicorn for the examples' tests; versions that don't know one of them ignore it."""

workers = 1
loglevel = "warning"
# A socket under the home directory, over which all instances would fight.
control_socket_disable = True
