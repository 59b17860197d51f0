"""What a corpus holds, measured: `python -m precompute check NAME` reads every recording and writes a page about them."""
