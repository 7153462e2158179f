"""Which language a text is in: by its script, and among languages of one script by their commonest words. Pure.

Good for a few sentences of ordinary prose; unsure of single words, names and code, and says so. The words are the
usual function words of each language's grammar.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tracekit.evals.lexical import words

_MAX_CHARACTERS: Final = 20_000

#: Languages with a script of their own: its letters.
_SCRIPTS: Final[Mapping[str, str]] = {
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "he": "\u0590-\u05ff",
    "hi": "\u0900-\u097f",
    "bn": "\u0980-\u09ff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "th": "\u0e00-\u0e7f",
    "ka": "\u10a0-\u10ff",
    "hy": "\u0530-\u058f",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
}
#: Scripts that several languages share.
_SHARED: Final[Mapping[str, str]] = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": "\u0400-\u052f",
    "arabic": "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff",
    "kana": "\u3040-\u30ff",
    "han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
}
_LETTERS: Final = {name: re.compile(f"[{ranges}]") for name, ranges in {**_SCRIPTS, **_SHARED}.items()}

_COMMON: Final[Mapping[str, Mapping[str, str]]] = {
    "latin": {
        "en": """the of and to in is that it was for on are with as be at this have from or had by not but what all were
            when we there can an your which their if will each about how up out then them would these so has you i he
            she my do does could should where who why also than been because""",
        "de": """der die das und ist nicht ein eine einen einem einer zu den von mit sich des auf für im dem auch es an
            werden aus er hat dass sie nach wird bei noch wie über war so zum oder haben nur vor zur bis mehr durch ich
            wir ihr kann sind wenn aber diese dieser können""",
        "fr": """le la les de des et est un une du que dans qui pour pas ne sur au plus par avec il elle se ce cette son
            ses sont nous vous ils mais ou où je tu leur aux être avoir fait comme tout été était aussi peut même d'un
            d'une c'est qu'il l'a""",
        "es": """el la los las de que y en un una es por con no para su al lo como más pero sus le ya o este sí porque
            esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante uno ni contra otros
            son fue del está puede""",
        "it": """il lo la gli le di che e è un una in per non con del della dei delle sono si da come più anche ma al
            alla nel nella questo questa ha hanno o se ci dal dalla su essere stato tra quando molto suo sua cosa
            perché dove l'italia c'è""",
        "pt": """o a os as de que e do da em um uma para é com não por mais dos das no na nos nas se como mas foi ao ele
            ela seu sua ou ser quando muito há já está também só pelo pela até isso entre era depois sem mesmo são você
            pode""",
        "nl": """de het een en van is dat in op te zijn met voor niet aan er die om ook als maar door bij nog uit naar
            dan wordt heeft worden werd deze dit ze hij zij kan meer over geen wel je ik wat hebben had was of tot
            u""",
        "sv": """och att det i en som är på av för med den till inte ett om har de jag var han men så från vi kan när
            eller också alla hur mycket detta där under blir efter skulle sig ska vid du hade mot denna""",
        "da": """og at det i en som er på af for med den til ikke et om har de jeg var han men så fra vi kan når eller
            også alle hvor meget dette der under bliver efter skulle sig skal ved du havde mod denne hvad blev""",
        "no": """og at det i en som er på av for med den til ikke et om har de jeg var han men så fra vi kan når eller
            også alle hvor mye dette der under blir etter skulle seg skal ved du hadde mot denne hva ble hvis""",
        "fi": """ja on ei se että oli hän mutta ovat kun myös niin kuin joka ole tai sen siitä vain jos hänen voi olla
            mitä sekä sitä mukaan ennen kanssa tämä tämän nyt minä sinä me te he jo vielä kaikki""",
        "pl": """i w na się nie z że do jest to o jak za co po od ale dla są przez tym ze był która który które jego
            jej tylko może ich oraz czy gdy już być tego bardzo także można tak""",
        "cs": """a je se v na že to s z do o i ve pro jako si ale by za po jsou od k jeho který která které není jsem
            byl bylo jen také nebo tak až když při může podle být však už své""",
        "tr": """ve bir bu da de için ile çok daha olarak ne var o gibi kadar ama olan sonra ben en değil mi ki her ya
            şey olduğu tarafından nasıl veya göre olabilir ise değildir vardır""",
        "ro": """și de a în la cu pe este un o nu care din că se mai pentru ce sau ca fi au sunt prin dar al ale lui ei
            fost după această acest poate când între până foarte fără""",
        "hu": """a az és hogy nem is egy ez van meg csak ha de már még vagy mint el azt volt kell lehet ki be amely
            amikor után között minden nagyon mert ezt lesz sem itt""",
        "id": """yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada mereka lebih bisa
            kita oleh atau sudah adalah sebagai dapat anda kami seperti bagi tersebut antara""",
        "vi": """và của là có được không cho trong một những các với người này đã khi để từ như đến về cũng ra nhưng tôi
            bạn nhiều rất vào thì ở bởi""",
    },
    "cyrillic": {
        "ru": """и в не на что он с как это по но из у за к от для то так все она был же бы только мы ты я или если
            когда было есть быть также может его их чтобы который где после""",
        "uk": """і в не на що він з як це по але у за до від для то так все вона був же б тільки ми ти я або якщо коли
            було є бути також може його їх щоб який де після та""",
        "bg": """и в не на че той с как това по но из у за към от до да се са ще съм беше или ако когато има още може
            също тя те ни ви който където след""",
        "sr": """и у не на да он са како то по али из за од до се је су ће сам био или ако када има још може такође она
            они који где после""",
    },
    "arabic": {
        "ar": """في من على أن إلى هذا عن هذه كان التي الذي لا ما هو هي مع كل بعد بين أو لم قد ثم حتى عند كما إذا ذلك
            يمكن و""",
        "fa": """در به از که این را با است برای آن یک می خود تا کرد بر هم نیز هر شود اما یا ما شد بود های شما""",
        "ur": """کے میں کی ہے اور سے کا کو اس نے پر ہیں یہ کہ بھی تھا ایک نہیں ہو کر جو گیا وہ لیے تو ان""",
    },
}
_WORDS: Final = {
    script: {code: frozenset(text.split()) for code, text in languages.items()} for script, languages in _COMMON.items()
}
#: Letters that few languages of a script have: a word with one speaks for these.
_TELLING: Final[Mapping[str, Mapping[str, str]]] = {
    "latin": {
        "de": "ßäöü",
        "fr": "çêèùœ",
        "es": "ñ¿¡",
        "pt": "ãõç",
        "sv": "åäö",
        "fi": "äö",
        "da": "æøå",
        "no": "æøå",
        "pl": "łąęśźżćń",
        "cs": "řěůšžčý",
        "tr": "ğışç",
        "ro": "șțăşţ",
        "hu": "őűá",
        "vi": "ơưđạảấầẩậắằặẹẻếềểệịọỏốồổộớờởợụủứừửựỳỷ",
    },
    "cyrillic": {"ru": "ыэё", "uk": "іїєґ", "bg": "ъ", "sr": "јљњћђџ"},
    "arabic": {"fa": "پچژگ", "ur": "ٹڈڑںےھہ", "ar": "ةىأإ"},
}
#: the languages that can be told, as ISO 639-1
LANGUAGES: Final = tuple(sorted([*_SCRIPTS, "zh", "ja", *(code for known in _COMMON.values() for code in known)]))


@dataclass(frozen=True, slots=True)
class Guess:
    """``language`` as ISO 639-1; None where there is too little to tell. ``share``: from 0 to 1, how much of the text
    speaks for it."""

    language: str | None
    share: float = 0.0


def detect(text: str) -> Guess:
    """Of a text longer than 20,000 characters the beginning is looked at. Code blocks and addresses do not count."""
    text = re.sub(r"```.{0,20000}?```|https?://\S+|`[^`\n]{1,200}`", " ", text[:_MAX_CHARACTERS], flags=re.S)
    counts = {name: len(pattern.findall(text)) for name, pattern in _LETTERS.items()}
    total = sum(counts.values())
    if total < 2:
        return Guess(None)
    # Japanese writes its nouns in Han
    if counts["kana"] * 10 >= counts["kana"] + counts["han"] and counts["kana"] + counts["han"] > total / 2:
        return Guess("ja", (counts["kana"] + counts["han"]) / total)
    script = max(sorted(counts), key=lambda name: counts[name])
    share = counts[script] / total
    if script in _SCRIPTS or script in ("han", "kana"):
        return Guess({"han": "zh", "kana": "ja"}.get(script, script), share)
    return _by_words(text, script)


def _by_words(text: str, script: str) -> Guess:
    """The language whose common words, and letters, are most of the text's. A word of few languages says more than one
    of many."""
    said = Counter(words(text))
    known = _WORDS[script]
    weights: dict[str, float] = dict.fromkeys(known, 0.0)
    for word, count in said.items():
        having = [code for code in known if word in known[code]]
        for code in having:
            # a letter alone may be the name of anything
            weights[code] += min(count, 20) / len(having) / (2 if len(word) == 1 else 1)
        telling = [] if having else [code for code, letters in _TELLING[script].items() if set(letters) & set(word)]
        for code in telling:
            weights[code] += min(count, 20) / len(telling) / 2
    best = max(sorted(weights), key=lambda code: weights[code])
    others = sorted(weights.values())
    total = sum(min(count, 20) for count in said.values())
    # one word alone, or two languages alike, decide nothing
    if weights[best] < 1.0 or weights[best] <= others[-2] * 1.1:
        return Guess(None)
    return Guess(best, min(1.0, weights[best] / max(total, 1) * 2))
