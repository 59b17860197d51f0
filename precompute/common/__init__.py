"""What both packages stand on: files, processes, foreign text, the terminal."""
