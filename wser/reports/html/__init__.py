"""Pages of HTML: of a run, a sweep, several runs, and of all runs of a directory; with figures and tables beside them."""
