"""`tidegate completions`: what a shell needs to complete our commands."""

from typing import Literal

from tidegate.cli.exits import DONE


def completions(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print completions for bash, zsh or fish.

    Example: tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate

    Parameters
    ----------
    shell
        The shell that reads them.
    """
    from tidegate.cli.main import make_app

    print(make_app().generate_completion(shell=shell))
    return DONE
