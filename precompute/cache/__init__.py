"""Caches: written once by `draft`, found in the lab's roots by `roots`, read and checked by `cache`; the rest are commands."""
