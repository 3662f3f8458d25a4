"""From a configuration to what every thread of the worker serves, or the reason why not; then nothing has changed."""

import time
from typing import Any

from tidegate.compile import machine
from tidegate.compile.found import Found
from tidegate.compile.persist import Keys, read_keys
from tidegate.compile.snapshot import compile_snapshot
from tidegate.compile.upstream import compile_upstream
from tidegate.config.config import Config
from tidegate.config.secret import Secret, SecretUnreadable
from tidegate.config.upstream import Upstream
from tidegate.supervisor import access_log
from tidegate.supervisor.control_socket import MOST_PATH
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.log import Log
from tidegate.supervisor.overrides import Override, Overrides, weights_of
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.rollout import Rollout, Target
from tidegate.supervisor.rollouts import Rollouts
from tidegate.supervisor.secrets import ReadSecret, read_secret, read_secrets
from tidegate.supervisor.sockets import Sockets
from tidegate.supervisor.sources import Sources
from tidegate.supervisor.state import State
from tidegate.supervisor.worker import Worker, WorkerRefused


class NotReloaded(Exception):
    """The configuration is not served; the text has every problem."""


class Snapshots:
    """The snapshot that is served, and how the next one comes to be."""

    def __init__(
        self,
        source: str,
        config: Config,
        state: State,
        sockets: Sockets,
        sources: Sources,
        open_secret: ReadSecret | None,
        log: Log,
    ) -> None:
        self.source = source
        self.config = config
        self.bound = config
        self.number = 0
        self.since = 0.0
        self.overrides = Overrides(state, log)
        self.rollouts = Rollouts(state, log)
        self._configured: dict[str, Target] = {}
        """Where routes lead without rollouts, by name; as the document has it."""
        self._state = state
        self._api = state.folder / "api.sock"
        self._sockets = sockets
        self._sources = sources
        self._open_secret = open_secret
        self._keys: Keys = {}
        self._log = log
        self._document: dict[str, Any] | None = None
        self.secrets: dict[str, str] = {}
        self._told: tuple[Worker | None, frozenset[str]] = (None, frozenset())
        """The sets and databases that a worker has, by digest."""

    @property
    def threads(self) -> int:
        """With how many threads the configuration is served."""
        return self.config.threads or machine.threads()

    @property
    def connections(self) -> int:
        """The most client connections; 0 is no limit."""
        given = self.config.limits.connections
        return machine.connections() if given == "auto" else given

    def adopt(self, number: Any) -> None:
        """Go on from what an adopted worker serves: its number, and the last good answers for names."""
        kept = self._state.read("snapshot.json") or {}
        document = kept.get("document")
        if isinstance(number, int):
            self.number = number
            if isinstance(document, dict) and document.get("number") == number:
                self._document = document
        self._sources.names.remember({str(key): list(value) for key, value in (kept.get("resolved") or {}).items()})

    async def serve(self, worker: Worker, config: Config) -> None:
        """Serve a configuration. Raises `NotReloaded`, `Refused`, `WorkerRefused` or `Gone`."""
        try:
            secrets, keys = read_secrets(config, self._open_secret), read_keys(config, self._read_secret)
        except (SecretUnreadable, Refused) as error:
            raise NotReloaded(str(error)) from None
        access_log.check(config)
        taken = self._sockets.take(config)
        self._tell_of_a_long_path(config)
        before = self.config, self.bound, self._keys
        self.config, self.bound, self._keys = config, taken.config, keys
        overtaken = self.overrides.look_at(config, self._sources.resolved, self._sources.found)
        ended = self.rollouts.look_at(config)
        since = time.time()
        try:
            written = self._compile(self.number + 1, since, self._sockets.ids_with(taken))
            document = {**written, "routes": self.rollouts.applied(written)}
            fresh = [(number, at, sock) for at, lot in taken.fresh.items() for number, sock in lot]
            if fresh:
                await worker.give(fresh)
            await self._send(worker, document, secrets)
        except (WorkerRefused, Gone) as error:
            self.config, self.bound, self._keys = before
            self.overrides.take_back()
            self.rollouts.take_back()
            taken.give_back()
            if isinstance(error, WorkerRefused) and self._document is not None:
                await worker.ask("snapshot", snapshot=self._document)  # so that it closes what is named no longer
            raise
        self._sockets.keep(taken)
        self._end(overtaken)
        self._end_rollouts(ended)
        self._configured = {each["name"]: each["to"] for each in written["routes"]}
        self.number, self.since = self.number + 1, since
        self._document, self.secrets = document, secrets
        named = (*(each["digest"] for each in document["sets"]), *filter(None, document["geo"].values()))
        self._told = (worker, frozenset(named))
        self._write()

    def _end(self, overtaken: list[Override]) -> None:
        for each in overtaken:
            self._log.info(f"endpoints: what was asked of {each.address} of {each.upstream} ended: the file changed it")
        try:
            if overtaken:
                self.overrides.keep()
        except OSError as error:
            self._log.warning(f"what was asked of endpoints could not be kept in the state folder: {error.strerror}")

    def _end_rollouts(self, ended: list[Rollout]) -> None:
        for each in ended:
            self._log.warning(f"rollout: {each.route} to {each.to} ended: the file changed the route")
        try:
            if ended:
                self.rollouts.keep()
        except OSError as error:
            self._log.warning(f"the rollouts could not be kept in the state folder: {error.strerror}")

    def _tell_of_a_long_path(self, config: Config) -> None:
        length = len(str(self._api).encode())
        if config.admin is not None and length > MOST_PATH:
            says = f"the API is not served under /api: the path of its socket, {self._api}, has {length} bytes"
            self._log.warning(f"{says}, and the kernel takes {MOST_PATH}; a shorter `state` mends that")

    async def serve_again(self, worker: Worker) -> None:
        """Serve the last good snapshot, in a new worker."""
        if self._document is None:
            raise Gone("there is no snapshot yet")
        await self._send(worker, self._document, self.secrets)

    async def change_name(self, worker: Worker, entry: str) -> None:
        """Serve what a name stands for now, wherever it is an endpoint."""
        found = self._sources.found
        for name, upstream in self.config.upstreams.items():
            listed = (each for provider in upstream.providers for each in found.get(provider.key, Found()).endpoints)
            if any(str(endpoint.address) == entry for endpoint in (*upstream.listed, *listed)):
                await self.change_upstream(worker, name)

    async def change_provider(self, worker: Worker, key: str) -> None:
        """Serve what a provider lists now, in each upstream that has it."""
        for name, upstream in self.config.upstreams.items():
            if any(provider.key == key for provider in upstream.providers):
                await self.change_upstream(worker, name)

    async def change_route(self, worker: Worker, name: str) -> None:
        """Lead a route as its rollout says now."""
        if self._document is None or name not in self._configured:
            raise Gone("there is no snapshot yet")
        to = self.rollouts.target(name, self._configured[name], self._document)
        routes = [{**each, "to": to} if each["name"] == name else each for each in self._document["routes"]]
        self._document = {**self._document, "routes": routes}
        self._write()
        await worker.ask("route", name=name, to=to)

    def weights_of(self, upstream: Upstream) -> dict[str, int]:
        """The weight of each address that an upstream has now, but for what was asked of it."""
        return weights_of(upstream, self._sources.resolved, self._sources.found)

    async def change_upstream(self, worker: Worker, name: str) -> None:
        """Serve an upstream as it is now."""
        await worker.ask("upstream", upstream=self.write_upstream(name))

    def write_upstream(self, name: str) -> dict[str, Any]:
        """Write an upstream as it is now into the snapshot, from which a new worker will learn it."""
        if self._document is None:
            raise Gone("there is no snapshot yet")
        upstream, asked, zone = self.config.upstreams[name], self.overrides.of(name), self.config.zone
        keys, found = self._keys.get(name, ()), self._sources.found
        part = compile_upstream(name, upstream, self._sources.resolved, found, asked, zone, keys)
        # What routes ask of an upstream changes only with the configuration.
        before = next(each for each in self._document["upstreams"] if each["name"] == name)
        part |= {"subsets": before.get("subsets", [])}
        upstreams = [part if each["name"] == name else each for each in self._document["upstreams"]]
        self._document = {**self._document, "upstreams": upstreams}
        self._write()
        return part

    def _read_secret(self, secret: Secret) -> str:
        return read_secret(secret, self._open_secret)

    async def _send(self, worker: Worker, document: dict[str, Any], secrets: dict[str, str]) -> None:
        if secrets:
            await worker.ask("secrets", secrets=secrets)
        told = self._told[1] if self._told[0] is worker else frozenset()
        for named in {each.digest: each for each in self.config.sets.values()}.values():
            if named.digest not in told:  # each in a frame of its own: a set may be large
                await worker.ask("sets", sets={named.digest: named.lines})
        for digest, content in self.config.geo.contents.items() if self.config.geo is not None else ():
            if digest not in told:
                await worker.give_database(digest, content)
        await worker.ask("snapshot", snapshot=document)

    def _compile(self, number: int, since: float, ids: dict[str, list[int]]) -> dict[str, Any]:
        return compile_snapshot(
            self.bound,
            number=number,
            source=self.source,
            since=since,
            threads=self.threads,
            connections=self.connections,
            sockets=ids,
            resolved=self._sources.resolved,
            found=self._sources.found,
            api_socket=str(self._api) if len(str(self._api).encode()) <= MOST_PATH else None,
            asked=self.overrides.all(),
            keys=self._keys,
        )

    def keep(self) -> None:
        """Write down what is served, in place of what a program that was tried has written."""
        if self._document is not None:
            self._write()

    def _write(self) -> None:
        assert self._document is not None
        resolved = {entry: answer.addresses for entry, answer in self._sources.resolved.items() if answer.addresses}
        try:
            self._state.write("snapshot.json", {"document": self._document, "resolved": resolved})
        except OSError as error:
            self._log.warning(f"the snapshot could not be kept in the state folder: {error.strerror}")
