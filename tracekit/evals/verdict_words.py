"""Lists of words that the local RAG verdict reads texts with: English, and the commonest of German and French. Pure.

Short on purpose: each list holds what turns a statement round or fixes a quantity. What is missing here costs a
conflict that is not seen, never one that is invented.
"""

from __future__ import annotations

import re
from typing import Final

from tracekit.evals.lexical import STOP_WORDS


def _words(text: str) -> list[str]:
    return text.split()


STOP: Final = STOP_WORDS | frozenset(
    _words(
        """der die das den dem des ein eine einen einem einer eines und oder aber in im an am auf aus bei mit nach von
    vom zu zum zur für um als wenn wie was wer wo wann warum welche welcher welches welchen ist sind war waren wird
    werden wurde hat hatte haben sich er sie es ich wir ihr ihm ihn sein seinem seinen seine dort da so auch
    le la les l un une des du de d au aux et ou en dans sur par pour avec est sont était étaient a ont il elle ils
    elles on se s ce cette ces que qui quoi quel quelle quels quelles où combien comment son sa ses leur y à c'est
    était-il a-t-il depuis chez plus très rather about around approximately roughly some minus nearly almost
    anybody anyone anything somebody someone something become became"""
    )
)

#: Negators of the whole clause, wherever they stand in it.
NEGATES_CLAUSE: Final = frozenset(
    _words(
        """never nobody nothing none cannot can't don't doesn't didn't isn't aren't wasn't weren't won't wouldn't
    couldn't shouldn't mustn't haven't hasn't hadn't neither nicht nie niemals niemand nichts kein keine keinen keinem
    keiner n pas jamais aucun aucune personne rien"""
    )
)
#: Negators of what follows them.
NEGATES_REST: Final = frozenset(_words("no not without instead unlike ohne sans"))
AUXILIARIES: Final = frozenset(
    _words("is are was were am be been do does did can could may might must shall should will would has have had")
)
NEGATORS: Final = NEGATES_CLAUSE | NEGATES_REST
#: Words at which a new clause begins.
CLAUSE_WORDS: Final = frozenset(
    _words("""but although though whereas while however because since aber sondern obwohl weil mais car sauf except""")
)
YES: Final = frozenset(("yes", "ja", "oui", "yeah", "yep"))
NO: Final = frozenset(("no", "nein", "non", "nope"))

_NUMBER_NAMES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBERS: Final[dict[str, float]] = {
    **{name: float(value) for value, name in enumerate(_NUMBER_NAMES.split())},
    **dict(
        zip(
            _words("thirty forty fifty sixty seventy eighty ninety"),
            (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0),
            strict=True,
        )
    ),
    **dict(
        zip(_words("zwei drei vier fünf sechs sieben acht neun zehn elf zwölf"), map(float, range(2, 13)), strict=True)
    ),
    **dict(
        zip(_words("deux trois quatre cinq six sept huit neuf dix onze douze"), map(float, range(2, 13)), strict=True)
    ),
}
ORDINALS: Final[dict[str, float]] = {
    name: float(value)
    for value, name in enumerate(
        _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), 1
    )
}
SCALES: Final[dict[str, float]] = {
    "dozen": 12.0, "score": 20.0, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "millions": 1e6, "billion": 1e9,
    "tausend": 1e3, "mille": 1e3, "millionen": 1e6,
}  # fmt: skip

#: Unit -> (what it measures, how many of that base unit it is). A year is 365.25 days; a month is no unit.
UNITS: Final[dict[str, tuple[str, float]]] = {
    name: (base.strip(), factor)
    for base, table in {
        "s": {1.0: "second seconds sec sekunden secondes", 60.0: "minute minutes min mins minuten",
              3600.0: "hour hours h hr hrs stunde stunden heure heures", 86400.0: "day days tag tage tagen jour jours",
              604800.0: "week weeks woche wochen semaine semaines", 1209600.0: "fortnight fortnights"},
        "m": {1.0: "m metre metres meter meters mètre mètres", 0.01: "cm centimetre centimetres centimeter centimeters",
              0.001: "mm millimetre millimetres millimeter millimeters",
              1000.0: "km kilometre kilometres kilometer kilometers"},
        "ft": {1.0: "ft foot feet", 1 / 12: "inch inches"},
        "g": {1.0: "g gram grams gramm grammes", 1000.0: "kg kilogram kilograms kilo kilos kilogramm"},
        "l": {1.0: "l litre litres liter liters", 0.001: "ml millilitre millilitres milliliter milliliters"},
        "°": {1.0: "degree degrees celsius °c grad degrés"},
        "%": {1.0: "percent per-cent prozent pourcent"},
        "eur": {1.0: "euro euros eur €"}, "usd": {1.0: "dollar dollars usd $"},
        "s ": {31557600.0: "year years jahr jahre jahren an ans année années"},
    }.items()
    for factor, names in table.items()
    for name in names.split()
}  # fmt: skip

#: Of each set at most one can be true of one thing at once. Terms as ``verdict_facts.root`` makes them are looked up.
EXCLUSIVE: Final = tuple(
    frozenset(line.split())
    for line in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "january february march april may june july august september october november december",
        "north south east west", "northern southern eastern western", "left right", "port starboard",
        "morning noon afternoon evening", "black white red green blue yellow brown grey",
        "open closed", "hot cold", "increase decrease", "more less", "more fewer", "before after", "above below",
        "largest smallest greatest", "highest lowest", "hottest coldest", "maximum minimum", "first last",
        "inner outer",
        "accept refuse", "allowed forbidden", "legal illegal", "true false", "alive dead", "free paid", "male female",
        "rapidly slowly", "fast slow", "early late", "summer winter spring autumn", "alone together",
        "bigger smaller", "harder softer", "best worst", "daily weekly monthly yearly",
    )
)  # fmt: skip

_REFUSAL: Final = r"""
    \bi(?:'m|\ am)?\ (?:really\ )?(?:do\ not|don't|cannot|can't|could\ not|couldn't|am\ not\ able|was\ not\ able|unable
      |not\ able|not\ sure)\b.{0,60}\b(?:know|find|tell|answer|say|determine|locate|help|sure|see)
  | \bunable\ to\ (?:find|answer|determine|tell)
  | \bi(?:'m|\ am)\ (?:sorry|afraid|not\ sure|unable)
  | \b(?:document|context|source|passage|text|log|material|excerpt|information|catalogue|catalog|page)s?\b.{0,50}
      \b(?:do|does|did|doesn't|don't|didn't|give|gives|provide|provides|contain|contains)\b(?:\ (?:not|no)\b|.{0,3})
      .{0,20}      \b(?:mention|say|state|contain|provide|include|specify|information|anything|answer|cover|give|tell)
  | \b(?:is|are|was)\ (?:not|nothing)\ (?:mentioned|stated|specified|provided|given|covered|available)
  | \b(?:there\ is|there's)\ (?:no|nothing)\b.{0,60}\b(?:document|context|source|information|passage|text)
  | \bno\ (?:relevant\ )?information\b | \bcould\ not\ find\b | \bnot\ enough\ (?:information|context)
  | \bnicht\ hervor\b | \bweiß\ (?:ich|es)\b.{0,20}\bnicht\b | \bkeine\ (?:information|angabe) | \btut\ mir\ leid
  | \bje\ ne\ sais\ pas\b | \bdocuments?\b.{0,30}\bne\b.{0,20}\b(?:disent|dit|mentionn|précis|contien|indiqu)
"""
REFUSAL: Final = re.compile(_REFUSAL, re.IGNORECASE | re.VERBOSE)
#: What is said around an answer, and states nothing.
FILLER: Final = re.compile(
    r"^(?:sure|certainly|of course|(?:great|good) question|hello|hi|thank you|thanks|you're welcome|okay|ok)\b.{0,40}$"
    r"|\b(?:hope (?:this|that) helps|let me know|feel free|happy to help|anything else)\b"
    r"|^(?:based on|according to) the (?:\w+ ){0,3}(?:documents?|context|sources?)[,:.]?$"
    r"|^here (?:is|are)\b.{0,60}:$",
    re.IGNORECASE,
)
