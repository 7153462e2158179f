"""LangSmith's ingest protocol: what its clients send runs, attachments and feedback by."""
