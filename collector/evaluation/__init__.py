"""Evaluating what is stored: rules, decisions, scores."""
