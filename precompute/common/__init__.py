"""What both packages use: files, processes, foreign text, the terminal."""
