"""Expressions: conditions, keys and templates in the words of one vocabulary, checked and made plain data.

Fields of models have one of these types; each keeps the text that a person wrote (`str(…)`), and what the core's
`crates/core/src/snapshot/document/rule.rs` reads (`.compiled`):

    class Match(Model):
        when: Expression | None = None          # a condition over the request
    class AccessLog(Model):
        when: ExchangeExpression | None = None  # the answer's words as well
    class HeaderEdits(Model):
        set: Mapping[str, HeaderTemplate] = {}  # `tidegate-{request.id}`; no control character
    class Redirect(Model):
        to: Template                            # `https://new.example.com{request.uri}`
    class Split(Model):
        key: Key                                # one text: `request.cookies["session"]`

    document["when"] = None if match.when is None else match.when.compiled

What is wrong points at its column inside the scalar (`refused(…, span=…)`). `vocabulary.py` has every word, once.
"""

from tidegate.config.expression.fields import (
    ExchangeExpression,
    ExchangeKey,
    ExchangeTemplate,
    Expression,
    HeaderTemplate,
    Key,
    Template,
    Written,
)

__all__ = [
    "ExchangeExpression",
    "ExchangeKey",
    "ExchangeTemplate",
    "Expression",
    "HeaderTemplate",
    "Key",
    "Template",
    "Written",
]
