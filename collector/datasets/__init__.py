"""Datasets: examples to try applications with, in versions that never change; and what experiments with them gave."""
