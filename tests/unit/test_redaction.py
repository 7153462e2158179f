"""What may not be kept is found wherever it stands, and what only looks like it is left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekit.redaction import DEFAULT_KEYS, MASKED, PATTERNS, Redactor
from tracekit.redaction_keys import Keys
from tracekit.redaction_personal import is_card

ALL = Redactor(patterns=PATTERNS)
SECRET = "hunter2-correct-horse"


HIDDEN = """password Password user_password db.password dbpassword passwordHash apiKey X-API-Key OPENAI_API_KEY
my-api-keys http.request.header.authorization Set-Cookie access_token accessToken csrf_token token id_token githubToken
client_secret aws_secret_access_key AWS_ACCESS_KEY_ID privateKey auth connectionString"""
SHOWN = """max_tokens maxTokens input_tokens total_tokens tokens token_count tokenCount gen_ai.token.type token_type
llm.token_count.prompt gen_ai.usage.input_tokens first_token time_to_first_token_ms next_page_token eos_token
tokens_per_second secretary author authors key keys monkey primary_key cache_key session.id user.id password_length
tokenizer secretion"""


@pytest.mark.parametrize("name", HIDDEN.split())
def test_names_of_secrets(name: str) -> None:
    assert Keys()[name]


@pytest.mark.parametrize("name", SHOWN.split())
def test_names_of_no_secrets(name: str) -> None:
    assert not Keys()[name]


def test_names_of_ones_own() -> None:
    keys = Keys((*DEFAULT_KEYS, "Loyalty No", "tokens"))
    assert keys["customer_loyalty-no"] and keys["loyaltyNo"] and keys["max_tokens"]
    assert not keys["no"] and not Keys(())["password"]


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"password": SECRET, "user": "ada"}, {"password": MASKED, "user": "ada"}),
        ({"a": [{"Api-Key": SECRET}]}, {"a": [{"Api-Key": MASKED}]}),
        ({"credentials": {"x": [SECRET]}}, {"credentials": MASKED}),
        ({"token": 5, "password": None, "secret": 5}, {"token": 5, "password": None, "secret": MASKED}),
        ([["x-api-key", SECRET], ["accept", "*"]], [["x-api-key", MASKED], ["accept", "*"]]),
        ([{"name": "Cookie", "value": SECRET}], [{"name": "Cookie", "value": MASKED}]),
        ({"token": "Hello", "logprob": -0.1}, {"token": "Hello", "logprob": -0.1}),
        ({"properties": {"password": {"type": "string"}}}, {"properties": {"password": {"type": "string"}}}),
        ({"password": {"type": "string", "default": SECRET}}, {"password": MASKED}),
        ({"card": 4111111111111111, "id": 1700000000000}, {"card": "[masked card]", "id": 1700000000000}),
    ],
    ids=str,
)  # fmt: skip
def test_values(value: Any, masked: Any) -> None:
    assert ALL.value(value) == masked


_PROVIDED = """sk-proj-abcDEF1234567890abcdef sk-abcdefghijklmnopqrstuvwx sk-ant-api03-AAAAaaaa1111_bbbb-cccc
AKIAIOSFODNN7EXAMPLE AIzaSyA1234567890abcdefghijklmnopqrstuv ghp_abcdefghijklmnopqrstuvwxyz0123456789
github_pat_11ABCDEFG0abcdefghijklmn_abc gho_abcdefghijklmnopqrstuvwxyz0123456789 glpat-abcdefghij1234567890
xoxb-123456789012-abcdefghijkl sk_live_abcdefghijklmnop rk_test_abcdefghijklmnop whsec_abcdefghijklmnop
hf_abcdefghijklmnopqrstuvwx lsv2_pt_abcdef1234567890_abcdef sk-lf-12345678-1234-1234-1234-123456789012
gsk_abcdefghijklmnopqrstuv npm_abcdefghijklmnopqrstuv
r8_abcdefghijklmnopqrstuv SG.abcdefghijklmnopqrstuv.abcdefghijklmnop
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"""
KEYS_OF_PROVIDERS = _PROVIDED.split()


@pytest.mark.parametrize("key", KEYS_OF_PROVIDERS)
@pytest.mark.parametrize(
    "around", ["{}", "the key is {}, thanks", '{{"a":"{}"}}', "https://x.example/{}/y", "({})", "ключ={}"]
)
def test_keys_of_providers(key: str, around: str) -> None:
    masked = ALL.text(around.format(key))
    assert key not in masked and key[-12:] not in masked and "[masked" in masked


@pytest.mark.parametrize(
    "text",
    [
        f'{{"password":"{SECRET}","n":1}}',
        json.dumps({"a": json.dumps({"password": f'x"{SECRET}\\', "b": json.dumps({"api_key": f'"{SECRET}\\"'})})}),
        f"Config(api_key='{SECRET}', n=1)",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"[('x-api-key', '{SECRET}'), (b'cookie', b'{SECRET}')]",
        f"password={SECRET}; x",
        f"API_KEY={SECRET}\nB=1",
        f"Cookie: a={SECRET}; b={SECRET}",
        f"Authorization: Token {SECRET}",
        f"Bearer {SECRET}",
        f"my password is {SECRET} ok",
        f"run --password {SECRET} --api-key={SECRET}",
        f"<password>{SECRET}</password>",
        f'{{"name":"password","value":"{SECRET}"}}',
        f"API key: {SECRET}",
        f'{{"credentials": {{"u": "a", "p": ["{SECRET}"]}}, "x": 1}}',
        f'{{"password":"cut {SECRET}',
        f"postgres://ada:{SECRET}@db/x",
        f"https://x/y?key={SECRET}&z=1",
        f"-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}\\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        "AKIAIOSFODNN7EXAMPLE / " + SECRET.replace("-", "/").ljust(40, "x"),
    ],
)
def test_secrets_by_what_stands_before_them(text: str) -> None:
    masked = ALL.text(text)
    assert SECRET not in masked and SECRET.replace("-", "/") not in masked
    assert ALL.text(masked) == masked


def test_words_behind_escaped_characters() -> None:
    people = "ada@example.com\n+49 30 123456 77\r\n4111 1111 1111 1111\tBearer abcdef12 \napi_key=xyz\né"
    for times in range(3):
        text = people
        for _ in range(times):
            text = json.dumps([f"\n{text}"])
        masked = ALL.text(text)
        assert not any(part in masked for part in ("ada", "123456", "1111", "abcdef12", "xyz"))
        for _ in range(times):
            [masked] = json.loads(masked)


def test_json_stays_json_and_its_shape() -> None:
    value = {"password": SECRET, "secret": 5, "credentials": {"a": 1}, "max_tokens": 5, "text": "it's: fine"}
    for times in range(4):
        text = json.dumps(value)
        for _ in range(times):
            text = json.dumps({"inner": text})
        found = json.loads(ALL.text(text))
        for _ in range(times):
            found = json.loads(found["inner"])
        assert found == {**value, "password": MASKED, "secret": MASKED, "credentials": MASKED}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail ada@example.com now", "mail [masked email] now"),
        ("Jürgen <jürgen.müller+x@exämple.de>.", "Jürgen <[masked email]>."),
        ("?to=ada%40example.com&x=1", "?to=[masked email]&x=1"),
        ("+1 (555) 123-4567", "[masked phone]"),
        ("tel:+493012345678", "tel:[masked phone]"),
        ("555-123-4567 or (555) 123-4567.", "[masked phone] or [masked phone]."),
        ("0170 1234567, 01 23 45 67 89; 020 7946 0958", "[masked phone], [masked phone]; [masked phone]"),
        ("card 4111 1111 1111 1111 12/26", "card [masked card] 12/26"),
        ("4111-1111-1111-1111,378282246310005", "[masked card],[masked card]"),
    ],
)
def test_people(text: str, masked: str) -> None:
    assert ALL.text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "1700000000 1700000000000 1700000000000000000 2026-01-02T10:00:00.123456+02:00 05-06-2026 10:11",
        "id 123456789012, run 12345678-1234-1234-1234-123456789012, v1.2.3-beta.4, 192.168.100.200:8080",
        "[0.4111111111111111, -0.12345678901234567, 1e-10, 4111111111111112]",
        "chatcmpl-9f8e7d6c5b4a39281706 call_abcdefghijklmnopqrstuvwx 0123456789abcdef0123456789abcdef",
        "a @decorator, x@y, user@localhost, lodash@4.17.21",
        "a sk-learn model; basic understanding; bearer of news; the token is spent; password required; secret: null",
        '{"max_tokens": 5, "token_count": 7, "usage": {"input_tokens": 3}, "password": null}',
        "https://example.com/path?page=2&sort=key :// git@localhost",
        "internationalization_and_localization_of_completion_tokens_details",
        "模型回答问题。" * 10,
        "",
    ],
)
def test_what_only_looks_like_it(text: str) -> None:
    assert ALL.text(text) == text


def test_cards_have_an_issuer_and_a_check_digit() -> None:
    assert all(map(is_card, ("4111111111111111", "5555555555554444", "378282246310005", "6011111111111117")))
    assert not any(map(is_card, ("4111111111111112", "1111111111111117", "0000000000000000", "411111111111")))


def test_patterns_are_chosen() -> None:
    text = f"ada@example.com 4111111111111111 password={SECRET}"
    assert Redactor(patterns=["email"]).text(text) == f"[masked email] 4111111111111111 password={SECRET}"
    assert Redactor(in_texts=True).text(text) == "ada@example.com 4111111111111111 password=[masked]"
    assert Redactor().text(text) == text and not Redactor().scans
    with pytest.raises(ValueError, match="no pattern emial"):
        Redactor(patterns=["emial"])


def test_known_texts_and_functions_and_failing_closed() -> None:
    faults: list[Exception] = []
    assert Redactor(literals=["my-own-key"]).value({"a": "x my-own-key y"}) == {"a": f"x {MASKED} y"}
    seen = Redactor(patterns=["email"], function=str.upper)
    assert seen.text("of ada@example.com") == "OF [MASKED EMAIL]"
    assert seen.without_function().text("of ada@example.com") == "of [masked email]"
    failing = Redactor(function=lambda text: 1 / 0, on_fault=faults.append)
    assert failing.text("x") == MASKED and failing.value({"a": ["x"]}) == {MASKED: [MASKED]}
    assert Redactor(function=lambda text: None).text("x") == MASKED
    assert {type(fault) for fault in faults} == {ZeroDivisionError}
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert MASKED in json.dumps(ALL.value(deep))


HOSTILE = r"""a|0|1 |1-|+1|+1 | 0|@|a@|a.a@a.|sk-|eyJ-|-eyJaaaaaaaaaaaaaaaa|://a:|password=|password="|\
"password":[{|bearer |-----BEGIN PRIVATE KEY-----|basic aaaaaaaa|token |api key |\|\"|\n|0049 1 |4111 |\
4111111111111111 |(0123|012 34 |?key=|_|-|.|é@|("token",|password is |AKIA|"password": "a",|%40|xxxxxxxxxxxxxxxx |\
key_""".replace("\\\n", "")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", HOSTILE.split("|"))
def test_hostile_texts_are_done_with(piece: str) -> None:
    """Steps as the square of these lengths would take minutes."""
    faults: list[Exception] = []
    Redactor(patterns=PATTERNS, on_fault=faults.append).text(piece * (60_000 // len(piece)))
    assert faults == []


SECRETS = [f" {key} " for key in (*KEYS_OF_PROVIDERS[:4], "ada@example.com", "4111 1111 1111 1111")]
WORDS = st.sampled_from([*SECRETS, "password=x1", '"token":"', "{", "\\", " "])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=12), WORDS), max_size=12).map("".join))
def test_any_text_is_masked_without_fault_and_stays_so(text: str) -> None:
    faults: list[Exception] = []
    redactor = Redactor(patterns=PATTERNS, on_fault=faults.append)
    masked = redactor.text(text)
    assert faults == [] and not any(secret.strip() in masked for secret in SECRETS if secret in text)
