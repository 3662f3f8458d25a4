"""What is wrong with a configuration, as a person reads it."""

from dataclasses import dataclass

from tidegate.config.place import Place


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration. Lines and columns count from 1; a secret in `line` comes masked."""

    at: Place
    says: str
    line: str
    width: int  # of what is wrong, in columns
    hint: str = ""  # as "did you mean `balance`?", by difflib.get_close_matches over the keys allowed here

    def __str__(self) -> str:
        if not self.line:  # a file that cannot be read, or is empty
            return f"{self.at}: error: {self.says}" + (f"\n      | {self.hint}" if self.hint else "")
        caret = " " * (self.at.column - 1) + "^" * self.width
        return f"{self.at}: error: {self.says}\n{self.at.line:>5} | {self.line}\n      | {caret} {self.hint}".rstrip()
