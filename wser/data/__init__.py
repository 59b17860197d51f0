"""Pictures and their labels: the cache's reader, label maps, protocols, and the Lightning data module."""
