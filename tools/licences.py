"""Checks the licence of every crate that Tidegate is linked with, and of every Python package that it needs to run.

An equal of `cargo deny check licenses`, which takes minutes to compile on each machine that lints.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

HOUSE = Path(__file__).parent.parent
ALLOWED = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
}
"""Licences that ask for nothing but to be named."""
EXCEPTIONS = {"certifi": "MPL-2.0"}
"""Packages that ask for more, and why that is no matter: certifi is a list of authorities, which is taken as it is."""
CLASSIFIERS = {"MIT License": "MIT", "ISC License (ISCL)": "ISC", "Apache Software License": "Apache-2.0"}
TEXTS = {"mit license": "MIT", "mit": "MIT", "isc": "ISC", "apache 2.0": "Apache-2.0", "bsd": "BSD-3-Clause"}
"""What packages without an SPDX expression write instead."""


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression lets us choose allowed licences only. Precedence: WITH, AND, OR."""
    expression = re.sub(r"\s*/\s*", " OR ", expression).strip()  # the old form of Cargo
    while (inner := re.search(r"\(([^()]*)\)", expression)) is not None:
        verdict = "MIT" if is_allowed(inner[1]) else "refused"
        expression = expression[: inner.start()] + verdict + expression[inner.end() :]
    return any(all(part.strip() in ALLOWED for part in choice.split(" AND ")) for choice in expression.split(" OR "))


def crates() -> Iterator[tuple[str, str]]:
    """Name and licence of each crate in the lock file that is not ours."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=HOUSE)
    for package in json.loads(done.stdout)["packages"]:
        if package["source"] is not None:
            yield f"{package['name']} {package['version']}", package["license"] or "no licence"


def packages(root: str = "tidegate") -> Iterator[tuple[str, str]]:
    """Name and licence of each Python package that is needed to run."""
    waiting, seen = [root], {root}
    while waiting:
        found = metadata.distribution(waiting.pop())
        for requirement in found.requires or []:
            name = re.match(r"[\w.-]+", requirement)
            if name and "extra ==" not in requirement and name[0].lower() not in seen:
                seen.add(name[0].lower())
                try:
                    metadata.distribution(name[0])
                except metadata.PackageNotFoundError:
                    continue  # for another Python or system
                waiting.append(name[0])
        if found.name != root:
            yield f"{found.name} {found.version}", licence_of(found.metadata)


def licence_of(about: metadata.PackageMetadata) -> str:
    """The licence in what a package says of itself: an expression, a classifier, or words."""
    said = about.json
    if "license_expression" in said:
        return str(said["license_expression"])
    for classifier in said.get("classifier", []):
        if classifier.startswith("License ::") and (known := CLASSIFIERS.get(classifier.rpartition(" :: ")[2])):
            return known
    words = str(said.get("license", "no licence"))
    return TEXTS.get(words.lower(), words.splitlines()[0])


if __name__ == "__main__":
    named = [each for each in [*crates(), *packages()] if EXCEPTIONS.get(each[0].partition(" ")[0]) != each[1]]
    refused = [f"{name}: {licence}" for name, licence in named if not is_allowed(licence)]
    for line in refused:
        print(f"licence not in the list of tools/licences.py: {line}", file=sys.stderr)
    sys.exit(1 if refused else 0)
