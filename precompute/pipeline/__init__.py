"""From a corpus to a sealed cache: what is to do, and doing it."""
