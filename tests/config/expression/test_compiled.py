"""What expressions become for the core. What the core makes of it, `test_as_python.py` asks."""

from typing import Any

import pytest

from tidegate.config.expression import ExchangeExpression, Expression, Key, Template
from tidegate.config.expression.value import GeoUse, SetUse

HOST = {"word": "request.host"}


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("True", {"always": True}),
        ('request.host == "a"', {"texts": {"left": HOST, "is": "==", "right": {"literal": "a"}}}),
        ('not request.host == "a"', {"not": {"texts": {"left": HOST, "is": "==", "right": {"literal": "a"}}}}),
        ("True and True and False", {"all": [{"always": True}, {"always": True}, {"always": False}]}),
        ("True or False", {"any": [{"always": True}, {"always": False}]}),
        ('client.ip in ["10.0.0.0/8", "::1"]', {"client_within": ["10.0.0.0/8", "::1/128"]}),
        ('client.ip not in ("10.1.2.3",)', {"not": {"client_within": ["10.1.2.3/32"]}}),
        ('client.ip == "::ffff:10.0.0.0/104"', {"client_within": ["10.0.0.0/8"]}),
        ('"10.0.0.0/8" != client.ip', {"not": {"client_within": ["10.0.0.0/8"]}}),
        ('client.ip in sets["office"]', {"client_in_set": "office"}),
        ('request.host in sets["hosts"]', {"text_in_set": {"text": HOST, "set": "hosts"}}),
        ('request.host in ["a", "b"]', {"one_of": {"text": HOST, "of": ["a", "b"]}}),
        ('request.host in ["a", listener]', {
            "any": [
                {"texts": {"left": HOST, "is": "==", "right": {"literal": "a"}}},
                {"texts": {"left": HOST, "is": "==", "right": {"word": "listener"}}},
            ]
        }),
        ("client.port in {80}", {"number_one_of": {"number": {"word": "client.port"}, "of": [80 * 10**9]}}),
        ("client.port > -1", {"numbers": {"left": {"word": "client.port"}, "is": ">", "right": {"literal": -(10**9)}}}),
        ('"a" in request.headers["X-A"].all', {"among_all": {"text": {"literal": "a"}, "all": {"header": "x-a"}}}),
        ('"a" in request.cookies["A"]', {"contains": {"whole": {"joined": {"cookie": "A"}}, "part": {"literal": "a"}}}),
        ('request.host.lower().matches("^a")', {"matches": {"text": {"lower": HOST}, "pattern": "^a"}}),
        ('request.query["p"] == listener', {
            "texts": {"left": {"joined": {"query": "p"}}, "is": "==", "right": {"word": "listener"}}
        }),
        ('request.host.endswith(("a", listener))', {
            "ends_with": {"text": HOST, "with": [{"literal": "a"}, {"word": "listener"}]}
        }),
        ('request.host + ":" + listener == ""', {
            "texts": {
                "left": {"sum": [HOST, {"literal": ":"}, {"word": "listener"}]}, "is": "==", "right": {"literal": ""}
            }
        }),
        ('\n  request.host\n == "a"\n', {"texts": {"left": HOST, "is": "==", "right": {"literal": "a"}}}),
    ],
)  # fmt: skip
def test_a_condition_becomes_plain_data(text: str, compiled: Any) -> None:
    assert Expression.read(text).compiled == compiled


def test_comparisons_chain_as_in_python() -> None:
    status = {"word": "response.status"}
    assert ExchangeExpression.read("500 <= response.status < 600").compiled == {
        "all": [
            {"numbers": {"left": {"literal": 500 * 10**9}, "is": "<=", "right": status}},
            {"numbers": {"left": status, "is": "<", "right": {"literal": 600 * 10**9}}},
        ]
    }


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("client.ip", {"word": "client.ip"}),
        ("client.port", {"word": "client.port"}),
        ('request.cookies["s"]', {"joined": {"cookie": "s"}}),
        ("client.ip + request.host", {"sum": [{"word": "client.ip"}, HOST]}),
        ("1.5", {"literal": "1.5"}),
    ],
)
def test_a_key_is_one_text(text: str, compiled: Any) -> None:
    assert Key.read(text).compiled == compiled


@pytest.mark.parametrize(
    ("text", "compiled"),
    [
        ("", []),
        ("plain", [{"literal": "plain"}]),
        ("{{{request.host}}}", [{"literal": "{"}, HOST, {"literal": "}"}]),
        ('a{request.cookies["}"]}b', [{"literal": "a"}, {"joined": {"cookie": "}"}}, {"literal": "b"}]),
        ("{ request.host }{listener}", [HOST, {"word": "listener"}]),
        ("{request.host + 'x'}", [{"sum": [HOST, {"literal": "x"}]}]),
    ],
)
def test_a_template_is_text_with_holes(text: str, compiled: Any) -> None:
    assert Template.read(text).compiled == compiled


def test_what_a_person_wrote_is_kept() -> None:
    written = Expression.read('request.host  ==  "a"')
    assert str(written) == 'request.host  ==  "a"' and written == Expression.read(str(written))


def test_a_set_that_is_looked_into_is_told_with_its_place() -> None:
    (use,) = Expression.read('not client.ip in sets["office"]').uses
    assert use == SetUse("office", for_address=True, start=17, width=14)
    assert Expression.read('request.host in sets["a"]').uses == (SetUse("a", False, 16, 9),)


def test_a_word_that_a_database_tells_is_told_with_its_place() -> None:
    (use,) = Expression.read("client.port > 0 and client.asn in [64500]").uses
    assert use == GeoUse("client.asn", ("asn",), start=20, width=10)
    (use,) = Template.read("{request.host} {client.country}").uses
    assert use == GeoUse("client.country", ("country", "city"), start=16, width=14)
