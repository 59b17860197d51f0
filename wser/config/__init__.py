"""Configuration: each key declared once, and composed from files and a command line."""
