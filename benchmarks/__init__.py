"""What tracekit costs and how fast it is, measured on this machine."""
