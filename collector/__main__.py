"""``python -m collector``."""

from collector.entry import main

main()
