"""`tidegate demo`: the main job on real sockets, in one command."""


def demo() -> int:
    """Start three small backends behind tidegate on 127.0.0.1:8080, and say what to try. Ctrl-C ends all of it.

    Example: tidegate demo
    """
    from tidegate.demo import run

    return run()
