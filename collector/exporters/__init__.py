"""Sending stored spans on: for each kind of destination a pure translation beside thin sending."""
