"""Caches: written once by `draft`, found in the roots of a lab by `roots`, read and checked by `reader`."""
