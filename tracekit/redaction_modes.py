"""What is left of a span where texts may not be kept (``TRACEKIT_CAPTURE=metadata`` and ``none``). Pure.

Texts are dropped unless their name is known to hold none of what was said: models, ids, operations, places in code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tracekit.reading import is_a

#: kept in every mode: what kind of work it was, whose code did it, and how it failed
_ALWAYS: Final = re.compile(
    r"(?:openinference|traceloop|langsmith|langfuse|logfire|mlflow)\.(?:span|observation)(?:\.|_)?(?:kind|type|Type)"
    r"|gen_ai\.operation\.name|error\.type|exception\.(?:type|escaped)|openinference\.project\.name"
    r"|(?:service|telemetry|otel|tracekit)\..*|(?:user|session)\.id|gen_ai\.conversation\.id"
)
#: kept in the mode "metadata": models, providers, ids, names of tools and operations, addresses without paths
_METADATA: Final = re.compile(
    r"gen_ai\.(?:system|provider\.name|output\.type|token\.type|(?:agent|tool|prompt|workflow)\.(?:name|id|type|version)"
    r"|tool\.call\.id|(?:request|response)\.(?:model|id|finish_reasons|service_tier|encoding_formats)|data_source\.id)"
    r"|(?:openai|azure|aws|gcp)\.[\w.]*(?:service_tier|fingerprint|region|model_id)"
    r"|llm\.(?:model_name|provider|system|request\.type|prompt_template\.version)|(?:embedding|reranker)\.model_name"
    r"|(?:tool|agent)\.(?:name|id)|prompt\.id|graph\.node\.(?:id|name|parent_id)|traceloop\.(?:workflow|entity)\.name"
    r"|tag\.tags|metadata"
    r"|.*\.(?:document\.id|finish_reason|tool_call\.id|tool_call\.function\.name|message\.role|message_content\.type)"
    r"|(?:http|rpc|db|messaging|network|net|server|client|faas|cloud|host|os|process|k8s|container|deployment|thread)"
    r"\.(?:request\.method|method|scheme|route|flavor|status_code|response\.status_code|system(?:\.name)?|service|name"
    r"|operation(?:\.name)?|namespace|collection\.name|protocol\.(?:name|version)|transport|type|address|port|peer\.name"
    r"|provider|region|id|pid|version|environment|runtime\.(?:name|version))"
    r"|url\.scheme|peer\.service|code\.(?:function(?:\.name)?|filepath|file\.path|namespace|lineno|line\.number)"
)
_MAX_NAMES: Final = 8_192


class Kept(dict[str, bool]):
    """Of each attribute's name, whether its texts may be kept in a mode. Remembers."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._known = (_ALWAYS, _METADATA) if mode == "metadata" else (_ALWAYS,)
        #: whether numbers, of which nearly all are counts, scores and settings, are kept whatever their name
        self._numbers = mode == "metadata"

    def __missing__(self, name: str) -> bool:
        kept = any(known.fullmatch(name[:256]) for known in self._known)
        if len(self) >= _MAX_NAMES:
            self.clear()
        if len(name) <= 256:
            self[name] = kept
        return kept

    def keeps(self, name: str, value: Any) -> bool:
        """Whether an attribute is none of the content."""
        if is_a(value, (bool, int, float)):
            return self._numbers or self[name]
        return self[name]

    def attributes(self, items: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in items.items() if self.keeps(name, value)}


METADATA: Final = Kept("metadata")
NONE: Final = Kept("none")
