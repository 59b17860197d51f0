"""The commands: parsing and printing, nothing else."""
