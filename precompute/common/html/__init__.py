"""The frame that every page shares."""
