"""Small applications that tracekit records, and a model stand-in for them to talk to."""
