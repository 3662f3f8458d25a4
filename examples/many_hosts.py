"""Many hosts, as a Python file: `tidegate run many_hosts.py`. It runs anew at each reload, without root's rights."""

from tidegate import Config, Listener, Match, Respond, Route, Upstream

SITES = {"blog": ["127.0.0.1:9001"], "wiki": ["127.0.0.1:9002"]}

config = Config(
    listeners={"web": Listener(bind=":8080")},
    routes=[
        *(Route(name=site, match=Match(host=f"{site}.example.com"), to=site) for site in SITES),
        Route(match=Match(path="/"), respond=Respond(status=404, body="no such site\n")),
    ],
    upstreams={site: Upstream(endpoints=endpoints) for site, endpoints in SITES.items()},
)
