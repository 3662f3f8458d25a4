"""`${NAME}` and `${NAME:-default}` in scalars: replaced after parsing, and then typed by the schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.config.scalar import Substituted

_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")


@dataclass(frozen=True, slots=True)
class Unset(Exception):
    """A variable that is not set and has no default, or is not one at all."""

    says: str
    hint: str


def substitute(text: str, environment: Mapping[str, str]) -> Substituted:
    """Replace each variable; one that is set but empty takes its default, as in a shell. `$${` stands for `${`.

    Raises `Unset`.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match["name"], match["default"]
        if name is None:
            raise Unset(
                "`${` begins a variable, and this is none", "write `${NAME}` or `${NAME:-default}`; `$${` is `${`"
            )
        found = environment.get(name)
        if found:
            return found
        if default is not None:
            return default
        if found is None:
            raise Unset(f"the environment variable `{name}` is not set", f"give it a default: `${{{name}:-…}}`")
        return ""

    return Substituted(_VARIABLE.sub(value, text))
