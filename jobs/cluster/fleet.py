"""The fleet: which nodes of a cluster train, which are left out and why, and how much fits."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from jobs.cluster.resources import Node, Resources, Slots, count_packs, lacks_all, plan_slots
from tass_core.errors import SweepError

logger = logging.getLogger(__name__)

STRIKES = 3
"""Failures alike, with no success between them, after which a node is left out."""
PAUSE = 1.0
"""Seconds between two looks at the cluster."""


class Machine(NamedTuple):
    """A node as the cluster shows it."""

    id: str
    name: str
    """What a person calls it."""
    resources: Node
    leaving: bool = False
    """Whether it is being drained: it takes no work and goes soon."""


class Eyes(Protocol):
    """Sees a cluster."""

    def machines(self) -> Sequence[Machine]:
        """Return the nodes that are alive."""

    def examine(self, machine: Machine) -> None:
        """Begin to find out whether a node can train."""

    def verdicts(self) -> Mapping[str, str | None]:
        """Return what was found since the last call: node -> why it cannot train, or None."""


class Strike(NamedTuple):
    """A pack that failed on a node."""

    pack: str
    reason: str
    of_place: bool
    """Whether the place is to blame, whatever the pack."""


class Fleet:
    """The nodes of a cluster. Nobody but ``gather`` waits here for anything.

    A node gets work once it was examined. One where packs fail alike ``STRIKES`` times is left
    out; the last one only where the place is to blame, since trials may be at fault, too.

    Args:
        resources: what a person asked for.
        eyes: sees the cluster.
    """

    def __init__(self, resources: Resources, eyes: Eyes) -> None:
        self._resources, self._eyes = resources, eyes
        self._slots: Slots | None = None
        self._machines: dict[str, Machine] = {}
        self._asked: set[str] = set()
        self._able: set[str] = set()
        """Nodes that were found able to train."""
        self._out: dict[str, str] = {}
        """Node -> why it is left out."""
        self._strikes: dict[str | None, list[Strike]] = defaultdict(list)
        self._news: list[str] = []
        self._empty = False
        self._closed = threading.Event()

    def gather(self, say: Callable[[str], None]) -> Slots:
        """Wait until some node can train; return what a pack asks for and how many run at once.

        Args:
            say: told what it waits for, and which nodes are left out.

        Raises:
            SweepError: no node can train, or a pack fits on none.
        """
        waits = False
        while True:
            self.look()
            nodes = [it.resources for it in self._machines.values() if not it.leaving]
            if not lacks_all(self._resources, nodes):
                self._slots = plan_slots(self._resources, nodes)
                self.look()
                if self.hopeless is not None:
                    raise SweepError(self.hopeless)
                if self.room and not self._unsettled():
                    break
            elif not waits:
                say("Waiting for nodes: the cluster has none yet that could train.")
                waits = True
            self._closed.wait(PAUSE / 4)
        for text in self.news():
            say(text)
        able = [machine.resources for machine in self._training()]
        self._slots = plan_slots(self._resources, able)
        idle = sum(node.get("GPU", 0.0) for node in able)
        if idle and not self._slots.gpus:
            say(f"Training on CPUs, and {idle:g} GPU(s) stay idle: see --gpus-per-worker.")
        return self._slots

    def watch(self) -> None:
        """Look again and again in a thread, until ``close``."""
        threading.Thread(target=self._watch, name="fleet", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def look(self) -> None:
        """See which nodes there are, and have the new ones examined."""
        found = {machine.id: machine for machine in self._eyes.machines()}
        for key, machine in found.items():
            was = self._machines.get(key)
            if machine.leaving and was is not None and not was.leaving:
                self._news.append(f"Node {machine.name} leaves; its packs go on elsewhere.")
            if key not in self._asked and self._fits(machine):
                self._asked.add(key)
                self._eyes.examine(machine)
        self._machines = found
        for key, reason in self._eyes.verdicts().items():
            if reason is None:
                self._able.add(key)
            elif key in found:
                self._leave_out(key, reason)
        empty = not self._training()
        if empty and not self._empty and self._able:
            self._news.append("No node can train at the moment; waiting for one.")
        self._empty = empty

    @property
    def room(self) -> int:
        """How many packs run at once on the nodes that train."""
        able = [machine.resources for machine in self._training()]
        return count_packs(self._slots, able) if self._slots else 0

    @property
    def shunned(self) -> tuple[str, ...]:
        """The ids of the nodes that get no pack."""
        training = {machine.id for machine in self._training()}
        return tuple(sorted(key for key in self._machines if key not in training))

    @property
    def hopeless(self) -> str | None:
        """Why no node can train, or None when one can, or may soon."""
        if None in self._strikes and self._is_out(self._strikes[None], last=True):
            return f"packs fail wherever they start: {self._strikes[None][-1].reason}"
        there = [machine for machine in self._machines.values() if self._fits(machine)]
        reasons = [f"{it.name}: {self._out[it.id]}" for it in there if it.id in self._out]
        if not reasons or len(reasons) < len(there):
            return None
        return f"no node can train: {'; '.join(reasons)}"

    def news(self) -> list[str]:
        """Return what a person should hear, once."""
        news, self._news = self._news, []
        return news

    def keeps(self, node: str | None) -> bool:
        """Whether a pack may stay on a node: it is neither leaving nor left out."""
        machine = self._machines.get(node or "")
        return node not in self._out and (machine is None or not machine.leaving)

    def left(self, node: str | None) -> bool:
        """Whether a node goes or went with notice: what ends there is nobody's failure."""
        machine = self._machines.get(node or "")
        return machine is not None and machine.leaving

    def stranded(self, shunned: Collection[str]) -> bool:
        """Whether a pack that shuns these nodes could start on none, while others train.

        Nodes that were not examined yet are shunned; when all others go, Ray would keep such a
        pack waiting for ever.
        """
        open_to_it = [
            key
            for key, machine in self._machines.items()
            if self._fits(machine) and key not in self._out and key not in shunned
        ]
        return bool(self._training()) and not open_to_it

    def worked(self, node: str | None) -> None:
        """Take note of a result from a node."""
        self._strikes.pop(node, None)
        self._strikes.pop(None, None)

    def failed(self, node: str | None, strike: Strike) -> None:
        """Take note of a pack that failed on a node; None for one that never got to say where."""
        strikes = self._strikes[node]
        strikes.append(strike)
        last = len(self._training()) < 2
        if node is not None and self._is_out(strikes, last=last):
            self._leave_out(node, f"{STRIKES} failures alike: {strike.reason}")

    def expel(self, node: str | None, reason: str) -> None:
        """Leave a node out at once."""
        if node is not None:
            self._leave_out(node, reason)

    def _watch(self) -> None:
        while not self._closed.wait(PAUSE):
            try:
                self.look()
            except Exception as error:
                # The cluster's head may be away for a while; what was seen last stays true.
                logger.warning("the cluster cannot be seen: %s", error)

    def _is_out(self, strikes: Sequence[Strike], *, last: bool) -> bool:
        recent = [strike for strike in strikes[-STRIKES:] if strike.reason == strikes[-1].reason]
        if len(recent) < STRIKES:
            return False
        if all(strike.of_place for strike in recent):
            return True
        return not last and len({strike.pack for strike in recent}) == STRIKES

    def _leave_out(self, node: str, reason: str) -> None:
        if node not in self._out:
            name = self._machines[node].name if node in self._machines else node
            self._out[node] = reason
            self._able.discard(node)
            self._news.append(f"Node {name} is left out: {reason}")

    def _training(self) -> list[Machine]:
        return [it for key, it in self._machines.items() if key in self._able and not it.leaving]

    def _unsettled(self) -> bool:
        """Whether a node that could train was not found able or unable yet."""
        return any(
            self._fits(machine) and key not in self._able and key not in self._out
            for key, machine in self._machines.items()
        )

    def _fits(self, machine: Machine) -> bool:
        """Whether a worker fits on a node that stays."""
        if self._slots is None or machine.leaving:
            return False
        return count_packs(self._slots.alone(), [machine.resources]) > 0
