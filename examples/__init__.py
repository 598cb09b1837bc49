"""Programs that show geventsio at work; each starts with one command."""
