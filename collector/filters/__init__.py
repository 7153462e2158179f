"""The filter language: one small expression grammar over spans and traces. Pure.

``parse`` reads an expression, ``matches`` answers it in memory, and ``collector.storage.sql`` says it in SQL.
"""
