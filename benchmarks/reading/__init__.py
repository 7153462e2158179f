"""How long reading takes over many stored traces: lists, searches, sums, and the pages of one long trace."""
