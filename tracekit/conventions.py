"""In whose words spans are written: OpenTelemetry GenAI's, OpenInference's, or both.

What only one of the two has a word for is written in that word by every choice; nothing is lost by any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conventions:
    """Which words are used for what both conventions have a word for. At least one is true."""

    genai: bool
    openinference: bool


#: everything once: in GenAI's words, and in OpenInference's what GenAI has none for
COMPACT: Final = Conventions(genai=True, openinference=False)
#: everything once, in OpenInference's words as far as they go
OPENINFERENCE: Final = Conventions(genai=False, openinference=True)
#: everything that has two names under both of them
ALL: Final = Conventions(genai=True, openinference=True)

#: setting -> what it means
CONVENTIONS: Final[dict[str, Conventions]] = {"compact": COMPACT, "openinference": OPENINFERENCE, "all": ALL}
