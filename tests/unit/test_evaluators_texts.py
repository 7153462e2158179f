"""Texts as words, sentences and languages."""

from __future__ import annotations

import time

import pytest

from tracekit.evals.languages import LANGUAGES, detect
from tracekit.evals.lexical import MAX_CHARACTERS, Bm25, idf, overlap, sentences, stem, terms, word_pieces, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t pay $1,234.50 for John's CAFÉ_bar!", ["don't", "pay", "1,234.50", "for", "john", "café", "bar"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("你好，世界", ["你", "好", "世", "界"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("Cafe\u0301 ﬁne ＡＢＣ", ["café", "fine", "abc"]),
        ("v1.2 e-mail 3.14159 2,3", ["v1", "2", "e", "mail", "3.14159", "2,3"]),
        ("", []),
        ("... --- \u0301", []),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_words_know_where_they_stand() -> None:
    text = "The Café — isn’t it?"
    assert [(piece.text, text[piece.start : piece.end]) for piece in word_pieces(text)] == [
        ("The", "The"), ("Café", "Café"), ("isn’t", "isn’t"), ("it", "it"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("queries", "query"),
        ("gas", "gas"),
        ("cats", "cat"),
        ("class", "class"),
        ("bus", "bus"),
        ("houses", "house"),
        ("shoes", "shoe"),
    ],
)
def test_plurals_are_made_singular_by_the_s_stemmer(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_terms_keep_what_turns_a_sentence_round() -> None:
    assert terms("The refunds are not paid to the customers") == ["refund", "not", "paid", "customer"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith paid 3.5 dollars. He left.", ["Dr. Smith paid 3.5 dollars.", "He left."]),
        ("He came at 5 p.m. Then he slept.", ["He came at 5 p.m.", "Then he slept."]),
        ("See Fig. 3 by J. K. Rowling, i.e. the map. Yes!", ["See Fig. 3 by J. K. Rowling, i.e. the map.", "Yes!"]),
        ("It is so [1]. It is not. [2] Who knows?", ["It is so [1].", "It is not. [2]", "Who knows?"]),
        ("It costs No. 5. No. It does not.", ["It costs No. 5.", "No.", "It does not."]),
        ("你好。世界！真的吗？", ["你好。", "世界！", "真的吗？"]),
        ("मैं हूँ। तुम हो।", ["मैं हूँ।", "तुम हो।"]),
        ("Steps:\n- one\n- two\n\nDone", ["Steps:", "- one", "- two", "Done"]),
        ("1. Wash. 2. Rinse.", ["1. Wash.", "2. Rinse."]),
        ('He said "Go away." Then he went.', ['He said "Go away."', "Then he went."]),
        ("Visit example.com/a.b now", ["Visit example.com/a.b now"]),
        ("...", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    found = sentences(text)
    assert [piece.text for piece in found] == expected
    assert all(text[piece.start : piece.end] == piece.text for piece in found)


def test_a_huge_text_costs_a_bounded_time() -> None:
    for text in ("a" * 3_000_000, "[1] " * 500_000, ". " * 800_000, "1,1" * 700_000, "\n" * 2_000_000, "a'" * 900_000):
        begun = time.process_time()
        assert len(words(text)) <= MAX_CHARACTERS
        sentences(text)
        assert time.process_time() - begun < 5


def test_rare_terms_weigh_more_and_a_document_with_them_ranks_first() -> None:
    documents = [terms(text) for text in ("the cat sat", "the cat and the zebra sat", "a dog sat")]
    weights = idf(documents)
    assert weights["zebra"] > weights["cat"] > weights["sat"] > 0
    # BM25 of Robertson and Zaragoza, by hand: one term, once, in the longest of three documents
    ranked = Bm25(documents)
    scores = ranked.scores(["zebra"])
    mean = (2 + 3 + 2) / 3
    assert scores == [0, pytest.approx(weights["zebra"] * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / mean))), 0]
    assert overlap(["zebra", "sat"], documents[1], weights) == 1
    assert overlap(["zebra", "cat"], documents[0], weights) == pytest.approx(
        weights["cat"] / (weights["cat"] + weights["zebra"])
    )


#: a sentence in every language that is told apart, written for this test
SENTENCES = {
    "ar": "عاصمة فرنسا هي باريس وفيها أكثر من مليوني نسمة في هذا العام",
    "bg": "Столицата на Франция е Париж и в него живеят повече от два милиона души, които са там.",
    "bn": "ফ্রান্সের রাজধানী প্যারিস",
    "cs": "Hlavní město Francie je Paříž a má více než dva miliony obyvatel, ale to není všechno, co je.",
    "da": "Hovedstaden i Frankrig er Paris, og den har mere end to millioner indbyggere, hvad ikke er blevet sagt.",
    "de": "Die Hauptstadt von Frankreich ist Paris und sie hat zwei Millionen Einwohner.",
    "el": "Η πρωτεύουσα της Γαλλίας είναι το Παρίσι",
    "en": "What is the capital of France and how many people live there?",
    "es": "La capital de Francia es París y tiene más de dos millones de habitantes.",
    "fa": "پایتخت فرانسه پاریس است و بیش از دو میلیون نفر جمعیت دارد که در آن زندگی می کنند",
    "fi": "Ranskan pääkaupunki on Pariisi ja siinä on yli kaksi miljoonaa asukasta, mutta se ei ole kaikki.",
    "fr": "La capitale de la France est Paris, une ville de deux millions d'habitants.",
    "he": "בירת צרפת היא פריז",
    "hi": "फ्रांस की राजधानी पेरिस है",
    "hu": "Franciaország fővárosa Párizs, és több mint kétmillió lakosa van, de ez nem minden.",
    "hy": "Ֆրանսիայի մայրաքաղաքը Փարիզն է",
    "id": "Ibu kota Prancis adalah Paris dan memiliki lebih dari dua juta penduduk.",
    "it": "La capitale della Francia è Parigi e ha più di due milioni di abitanti.",
    "ja": "フランスの首都はパリで、人口は二百万人以上です。",
    "ka": "საფრანგეთის დედაქალაქი პარიზია",
    "ko": "프랑스의 수도는 파리이며 인구는 이백만 명이 넘습니다.",
    "nl": "De hoofdstad van Frankrijk is Parijs en heeft meer dan twee miljoen inwoners.",
    "no": "Hovedstaden i Frankrike er Paris, og den har mer enn to millioner innbyggere, men hva er ikke blitt sagt.",
    "pl": "Stolicą Francji jest Paryż i ma on ponad dwa miliony mieszkańców, ale to nie jest wszystko.",
    "pt": "A capital da França é Paris e tem mais de dois milhões de habitantes.",
    "ro": "Capitala Franței este Paris și are mai mult de două milioane de locuitori.",
    "ru": "Столица Франции — Париж, и в нём живёт больше двух миллионов человек.",
    "sr": "Главни град Француске је Париз и у њему живи више од два милиона људи.",
    "sv": "Huvudstaden i Frankrike är Paris och den har mer än två miljoner invånare.",
    "ta": "பிரான்சின் தலைநகரம் பாரிஸ்",
    "te": "ఫ్రాన్స్ రాజధాని పారిస్",
    "th": "เมืองหลวงของฝรั่งเศสคือปารีส",
    "tr": "Fransa'nın başkenti Paris ve iki milyondan fazla nüfusu var, bu çok büyük bir şehir.",
    "uk": "Столиця Франції — Париж, і в ньому живе більше двох мільйонів людей, але це не все.",
    "ur": "فرانس کا دارالحکومت پیرس ہے اور اس میں بیس لاکھ سے زیادہ لوگ رہتے ہیں",
    "vi": "Thủ đô của Pháp là Paris và có hơn hai triệu dân, đây là một thành phố lớn.",
    "zh": "法国的首都是巴黎，有两百多万人口。",
}


def test_every_language_is_told_by_a_sentence() -> None:
    assert tuple(sorted(SENTENCES)) == LANGUAGES
    assert {code: detect(text).language for code, text in SENTENCES.items()} == {code: code for code in SENTENCES}


@pytest.mark.parametrize(
    "text", ["", "12345", "ok", "OpenAI", "x = f(y)", "https://a.com/the/of/and", "🙂🙂", "Berlin"]
)
def test_what_is_too_little_to_tell_is_not_told(text: str) -> None:
    assert detect(text).language is None


def test_code_and_addresses_in_a_text_do_not_count() -> None:
    text = "Das ist die Antwort auf deine Frage:\n```\nfor the end of it in all that is not: return this\n```\n"
    assert detect(text).language == "de"
