"""What every corpus and every feature must pass, for pytest; docs/extending.md shows how."""
