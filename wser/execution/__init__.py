"""The plan of runs: what is to do, where it executes, progress, and repetition."""
