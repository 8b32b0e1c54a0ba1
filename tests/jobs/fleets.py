"""Clusters for tests: the real fleet over nodes that the test adds and takes away."""

from jobs.cluster.fleet import Fleet, Machine
from jobs.cluster.resources import Resources


class Nodes:
    """A ``jobs.cluster.fleet.Eyes``; what each node lacks, the test says."""

    def __init__(self, *machines, lacks=()):
        self.there = list(machines)
        self.lacks = dict(lacks)
        self.asked = []
        self.slow = set()
        """Nodes that do not answer yet."""

    def machines(self):
        return self.there

    def examine(self, machine):
        self.asked.append(machine.id)

    def verdicts(self):
        found = {key: self.lacks.get(key) for key in self.asked if key not in self.slow}
        self.asked = [key for key in self.asked if key in self.slow]
        return found


def machine(name, cpus=1.0, gpus=0.0, leaving=False):
    return Machine(name, name, {"CPU": cpus, "GPU": gpus}, leaving)


def steady(slots=1):
    """Return a fleet of one node on which so many packs run at once."""
    fleet = Fleet(Resources(), Nodes(machine("n1", float(slots))))
    fleet.gather(lambda _text: None)
    return fleet
