"""Judging answers: evaluators, the RAG verdict, statistics. Pure; the same in an application and in the collector."""
