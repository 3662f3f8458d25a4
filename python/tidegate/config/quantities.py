"""Quantities with their units: `250ms`, `64KiB`, `240B/s`. A bare number is refused, except for 0, which needs none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidegate.config.complaint import refused
from tidegate.config.from_text import FromText
from tidegate.config.scalar import show


@dataclass(frozen=True, order=True)
class Quantity(FromText):
    """A number of some smallest unit that reads and prints itself in the largest unit that divides it."""

    amount: int

    units: ClassVar[Mapping[str, int]]  # smallest first
    noun: ClassVar[str]
    example: ClassVar[str]
    most: ClassVar[int]

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read `10s`, or refuse it in words that name the way out."""
        if isinstance(given, cls):
            return given
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise refused(f"must be {cls.noun}, as `{cls.example}`, not {show(given)}")
        text = str(given)
        if text == "0":
            return cls(0)
        match = re.fullmatch(r"([0-9]{1,19})([A-Za-z/]+)", text)
        if match and match[2] in cls.units:
            amount = int(match[1]) * cls.units[match[2]]
            if amount > cls.most:
                raise refused(f"is more than {cls(cls.most)}, the most that makes sense here")
            return cls(amount)
        known = ", ".join(cls.units)
        if re.fullmatch(r"[0-9]+", text):
            raise refused(f"needs a unit after `{text}`, one of {known}", f"as `{text}{cls.usual()}`")
        raise refused(f"must be {cls.noun}, as `{cls.example}`, not {show(text)}", cls.near(text) or f"units: {known}")

    @classmethod
    def near(cls, text: str) -> str:
        """Find what differs from the text in spaces and case alone."""
        match = re.fullmatch(r"([0-9]{1,19})([a-z/]+)", text.replace(" ", "").lower())
        units = {unit.lower(): unit for unit in cls.units}
        return f"did you mean `{match[1]}{units[match[2]]}`?" if match and match[2] in units else ""

    @classmethod
    def usual(cls) -> str:
        """Name the unit of the example."""
        return cls.example.lstrip("0123456789")

    def __str__(self) -> str:
        for unit, worth in reversed(list(self.units.items())):
            if self.amount and self.amount % worth == 0:
                return f"{self.amount // worth}{unit}"
        return f"0{self.usual()}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        units = "|".join(cls.units)
        return {"anyOf": [{"type": "string", "pattern": f"^(0|[0-9]{{1,19}}({units}))$"}, {"const": 0}]}


class Duration(Quantity):
    """A span of time, in whole milliseconds: `250ms`, `2s`, `1m`, `1h`, `1d`."""

    units: ClassVar = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    noun = "a time"
    example = "10s"
    most = 3_650 * 86_400_000

    @property
    def milliseconds(self) -> int:
        """The whole span in milliseconds."""
        return self.amount


class Size(Quantity):
    """A number of bytes: `64KiB` is 65,536 of them, `10MB` is 10,000,000."""

    units: ClassVar = {
        "B": 1,
        "KB": 10**3,
        "KiB": 2**10,
        "MB": 10**6,
        "MiB": 2**20,
        "GB": 10**9,
        "GiB": 2**30,
        "TB": 10**12,
        "TiB": 2**40,
    }
    noun = "a size"
    example = "64KiB"
    most = 2**50

    @property
    def bytes(self) -> int:
        """The whole size in bytes."""
        return self.amount

    def __str__(self) -> str:
        fits = [(worth, unit) for unit, worth in self.units.items() if self.amount and self.amount % worth == 0]
        # The shortest number wins: 65536 is 64KiB, and 10000000 is 10MB although a KiB divides it not.
        worth, unit = max(fits, default=(1, "B"))
        return f"{self.amount // worth}{unit}"


class ByteRate(Quantity):
    """Bytes in a second, averaged over 5 s: `240B/s`, `64KiB/s`."""

    units: ClassVar = {f"{unit}/s": worth for unit, worth in Size.units.items()}
    noun = "a rate"
    example = "240B/s"
    most = 2**50

    @property
    def bytes_per_second(self) -> int:
        """The rate in bytes per second."""
        return self.amount

    def __str__(self) -> str:
        return f"{Size(self.amount)}/s"


@dataclass(frozen=True, order=True)
class Rate(Quantity):
    """How often something may happen: `10/s`, `5/m`. So many may also come at once."""

    unit: str = "/s"

    units: ClassVar = {"/h": 1, "/m": 1, "/s": 1}
    lengths: ClassVar = {"/h": 3_600_000, "/m": 60_000, "/s": 1_000}
    noun = "a rate"
    example = "10/s"
    most = 10**6

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read `10/s`, and remember its unit."""
        made = super().read(given)
        unit = given.lstrip("0123456789") if isinstance(given, str) else ""
        return cls(made.amount, unit) if unit else made

    @property
    def milliseconds(self) -> int:
        """The length of the unit in milliseconds."""
        return self.lengths[self.unit]

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


def is_not_zero(given: Duration) -> Duration:
    """Refuse 0 where it could mean `at once` or `no limit`."""
    if given.amount == 0:
        raise refused("must be more than 0: nothing could be done in no time")
    return given


PositiveDuration = Annotated[Duration, AfterValidator(is_not_zero)]


def is_not_nothing(given: Size) -> Size:
    """Refuse 0 where no limit would mean memory without a bound."""
    if given.amount == 0:
        raise refused("must be more than 0")
    return given


PositiveSize = Annotated[Size, AfterValidator(is_not_nothing)]


@dataclass(frozen=True, order=True)
class Percent(FromText):
    """A share in whole percent: `50%`."""

    amount: int

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read `50%`, or 0, which needs no sign."""
        if isinstance(given, cls):
            return given
        text = "0%" if str(given) == "0" and not isinstance(given, bool) else str(given)
        match = re.fullmatch(r"([0-9]{1,3})%", text)
        if match and int(match[1]) <= 100:
            return cls(int(match[1]))
        hint = f"as `{given}%`" if re.fullmatch(r"[0-9]{1,2}|100", str(given)) else ""
        raise refused(f"must be a share of 0% to 100%, not {show(given)}", hint)

    def __str__(self) -> str:
        return f"{self.amount}%"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": "^([0-9]{1,2}|100)%$"}, {"const": 0}]}
