"""A cache as one file, in another format, or in another place."""
