"""Datasets as files: one pure module for each format."""
