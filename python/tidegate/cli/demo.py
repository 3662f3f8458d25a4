"""`tidegate demo`: the main job on real sockets, in one command."""


def demo(*, listen: str = "127.0.0.1:8080", admin: str = "127.0.0.1:9901") -> int:
    """Start three small backends behind tidegate, and say what to try. Ctrl-C ends all of it.

    A page in the browser shows who answers, how fast, and that nothing fails while a backend is stopped there.

    Example: tidegate demo

    Parameters
    ----------
    listen
        Where tidegate listens, should 8080 be taken; port 0 is any that is free.
    admin
        Where its admin listens.
    """
    from tidegate.demo import run

    return run(listen, admin)
