"""Judging answers: evaluators, the RAG verdict, statistics. Pure, and the same in an application and in the collector."""
