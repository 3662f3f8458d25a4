"""What is wrong with an expression is told with its place inside the text, and the way out."""

import re

import pytest
from pydantic_core import PydanticCustomError

from tidegate.config.expression import ExchangeExpression, Expression, HeaderTemplate, Key, Template, Written

FLAWS: dict[type[Written], str] = {
    Expression: r"""
request.metod == "x"
^^^^^^^^^^^^^ unknown word `request.metod` (did you mean `request.method`?)
method == "x"
^^^^^^ unknown word `method` (did you mean `request.method`?)
"é" == request.methd
       ^^^^^^^^^^^^^ unknown word `request.methd` (did you mean `request.method`?)
request.headers["x"] == 1
                        ^ a text and a number are never equal (quote it: "1")
client.port == "80"
               ^^^^ a text and a number are never equal (compare it with a number, without quotes)
request.headers["x"]
^^^^^^^^^^^^^^^^^^^^ must be a condition, and `request.headers["x"]` is text (write `request.headers["x"] != ""`)
client.ip == "10.0.0.1/8"
             ^^^^^^^^^^^^ has bits behind its mask: `10.0.0.1/8` ("10.0.0.0/8" or "10.0.0.1")
client.ip in ["10.0.0.0/8", "ten"]
                            ^^^^^ must be a network, as `10.0.0.0/8`, not `ten` ()
client.ip in ["unix:"]
              ^^^^^^^ must be a network, as `10.0.0.0/8`, not `unix:` ()
client.ip in [request.host]
              ^^^^^^^^^^^^ an address is compared with networks that are written out, and `request.host` is none ()
client.ip < "10.0.0.0/8"
            ^^^^^^^^^^^^ addresses have no order (ask with `in`, as `client.ip in ["10.0.0.0/8"]`)
client.ip.lower()
^^^^^^^^^^^^^^^ `.lower` is asked of texts, and `client.ip` is an address (write `client.ip in ["10.0.0.0/8"]`)
request.path.startswith(["/a"])
                        ^^^^^^ `.startswith` takes a text or a tuple, as Python's does (use ( ) in place of [ ])
request.path.startswith(5)
                        ^ `.startswith` takes texts, and this is a number ()
request.path.startswith()
^^^^^^^^^^^^^^^^^^^^^^^^^ `.startswith` takes one text in its brackets ()
request.path.matches("(")
                     ^^^ is no pattern of the engine's dialect: unclosed group ()
request.path.matches("")
                     ^^ is an empty pattern, which matches everything ()
request.path.matches(request.host)
                     ^^^^^^^^^^^^ `.matches` takes a pattern that is written out ()
request.path.lower == "a"
^^^^^^^^^^^^^^^^^^ `.lower` needs brackets (write `.lower(…)`)
request.headers["x"].lower == "a"
^^^^^^^^^^^^^^^^^^^^^^^^^^ `.lower` needs brackets (write `.lower(…)`)
request.path.lowr() == "a"
^^^^^^^^^^^^^^^^^ unknown method `.lowr` (did you mean `lower`?)
request.path.lower("a") == "a"
^^^^^^^^^^^^^^^^^^^^^^^ `.lower` takes nothing in its brackets ()
request.headers.x == "1"
^^^^^^^^^^^^^^^^^ `request.headers.x` is no word (write `request.headers["x"]`)
request.headers == "1"
^^^^^^^^^^^^^^^ `request.headers` needs a name (as `request.headers["x-beta"]`)
request.headers["x y"] == ""
                ^^^^^ `x y` is no name that a header can have ()
request.headers[1] == ""
                ^ `request.headers[…]` takes a name in quotes, as `request.headers["x"]` ()
request.hosts["a"] == "b"
^^^^^^^^^^^^^ `request.hosts` has nothing by name (did you mean `request.headers`?)
request.headers["x"].all == ["a"]
^^^^^^^^^^^^^^^^^^^^^^^^ `==` compares single values, and `request.headers["x"].all` is several texts (ask with `in`)
5 in request.headers["x"].all
^ `in` looks for a text or a number there, and `5` is a number ()
"a" in client.port
       ^^^^^^^^^^^ `in` looks into texts, lists and sets, and `client.port` is a number ()
request.method in ["GET", 1]
                          ^ `request.method` is text, and this is a number (quote it: "1")
request.method is "x"
                  ^^^ `is` compares nothing here (write `==` or `!=`)
request.method == "GET" == True
                           ^^^^ `==` compares values, and `True` is a condition ()
request.host + 1 == "a"
               ^ `+` joins texts, and `1` is a number ()
sets == "a"
^^^^ `sets` needs a name (as `client.ip in sets["office"]`)
client.port == 1e400
               ^^^^^ is a number with more digits than make sense: at most 9 behind the point ()
response.status == 500
^^^^^^^^^^^^^^^ `response.status` is known only when the answer is: in the access log and on error pages ()
request.method == "GET" # all
                        ^ has a comment, and an expression is one line of words ()
request.method = "GET"
               ^ is no expression: `=` means nothing here (write `==`)
request.host == "a" && request.host == "b"
                    ^^ is no expression: `&&` means nothing here (write `and`)
request.host == "a" || request.host == "b"
                    ^^ is no expression: `||` means nothing here (write `or`)
(request.host == "a") & (request.host == "b")
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `&` means nothing here (write `and`)
!request.host == "a"
^ is no expression: `!` means nothing here (write `not`, or `!=`)
request.method ==
                 ^ is no expression: something is missing or stands in the wrong place here ()
(request.method == "GET"
^ is no expression: '(' was never closed ()
lambda: 1
^^^^^^^^^ `lambda: 1` is nothing that an expression can say ()
f"{request.host}" == "a"
^^^^^^^^^^^^^^^^^ `f"{request.host}"` is nothing that an expression can say ()
b"a" == request.host
^^^^ `b"a"` is neither text nor a number ()
"\ud800" == request.host
^^^^^^^^ has half a surrogate pair, which no text can hold ()
__import__("os").system("rm") == ""
^^^^^^^^^^^^^^^^^^^^^^^ unknown method `.system` (known here: endswith, lower, matches, startswith)
print("a")
^^^^^^^^^^ `print` is nothing that can be called (known: startswith, endswith, lower, matches)
""",
    ExchangeExpression: """
response.state == 500
^^^^^^^^^^^^^^ unknown word `response.state` (did you mean `response.status`?)
response.duration > 0.1234567891
                    ^^^^^^^^^^^^ is a number with more digits than make sense: at most 9 behind the point ()
""",
    Key: """
request.method == "GET"
^^^^^^^^^^^^^^^^^^^^^^^ must be text here, and `request.method == "GET"` is a condition ()
sets["office"]
^^^^^^^^^^^^^^ must be text here, and `sets["office"]` is a set ()
""",
    Template: """
a {request.hst} b
   ^^^^^^^^^^^ unknown word `request.hst` (did you mean `request.host`?)
a {
  ^ has a `{` that is never closed (`{{` stands for a brace)
a } b
  ^ has a `}` that closes nothing (`}}` stands for a brace)
a { } b
  ^^^ has an empty `{}` (name what belongs there, as `{request.path}`, or write `{{}}`)
{request.headers["a}"]}
                 ^^^^ `a}` is no name that a header can have ()
{client.ip in sets["a"]}
 ^^^^^^^^^^^^^^^^^^^^^^ must be text here, and `client.ip in sets["a"]` is a condition ()
{response.status}
 ^^^^^^^^^^^^^^^ `response.status` is known only when the answer is: in the access log and on error pages ()
""",
}


def rows() -> list[tuple[type[Written], str, str]]:
    """List the pairs of lines above."""
    found = []
    for kind, text in FLAWS.items():
        lines = text.strip("\n").split("\n")
        found += [(kind, *pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
    return found


@pytest.mark.parametrize(("kind", "text", "expected"), rows())
def test_a_flaw_is_told_at_its_place(kind: type[Written], text: str, expected: str) -> None:
    assert complaint(kind, text) == expected


def complaint(kind: type[Written], text: str) -> str:
    """Refuse the text, and draw what was said below it."""
    with pytest.raises(PydanticCustomError) as refused:
        kind.read(text)
    told = refused.value.context
    assert told is not None
    start, width = told["span"]
    return f"{' ' * start}{'^' * width} {told['says']} ({told['hint']})"


@pytest.mark.parametrize("control", ["\n", "\r", "\0", "\x7f", "\x01"])
def test_the_value_of_a_header_is_one_line(control: str) -> None:
    assert re.match(r" \^ has a (line end|control character), and the value", complaint(HeaderTemplate, f"a{control}b"))
    assert Template.read(f"a{control}b").compiled == [{"literal": f"a{control}b"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (" " * 10, "is empty"),
        ("x" * 4097, "is longer than the 4096 characters"),
        ("(" * 300, "too many nested parentheses"),
        ("not " * 40 + "True", "is nested more than 32 levels deep"),
        ("not " * 1000 + "True", "is nested "),
        ("a" + ".b" * 2000, "is nested "),
        ("-" * 4000 + "1", "nested"),
        ("[" * 150 + "]" * 150, "is nested more than 32 levels deep"),
        ("a(" * 190 + ")" * 190, "is nested more than 32 levels deep"),
        ("True\0", ""),
    ],
    ids=lambda text: text[:12],
)
def test_nothing_that_is_written_can_be_too_much(text: str, says: str) -> None:
    assert says in complaint(Expression, text)


@pytest.mark.parametrize("given", [True, 5, 1.5, [], {}, None])
def test_an_expression_is_text(given: object) -> None:
    with pytest.raises(PydanticCustomError, match="must be an expression, as"):
        Expression.read(given)
