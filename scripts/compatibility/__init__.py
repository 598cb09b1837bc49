"""The versions of Python, frameworks, servers and libraries that geventsio is tested with; see scripts/matrix."""
