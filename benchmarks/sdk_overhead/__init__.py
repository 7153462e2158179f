"""What a traced call costs in the application's process, beside OpenTelemetry used by hand.

Run ``python -m benchmarks.sdk_overhead``. The application is a RAG call of three spans (root, retriever with five
documents, model call with a 2 kB prompt and a 1 kB answer). Peers run interleaved, one fresh process each, against a
local sink that accepts everything and counts afterwards. Compare ratios within one run only, CPU before wall time.
"""
