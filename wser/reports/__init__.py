"""Results to numbers, tables and figures."""
