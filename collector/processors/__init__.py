"""Processors: pure steps over a ``SpanBatch`` between receiver and storage (see ``chain.process``)."""
