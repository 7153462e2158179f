"""Accuracy of the RAG verdict on cases whose verdict is known because each failure was made on purpose."""
