"""Trees of vessels and airways, grown from a hilum towards scattered targets.

A branch is as wide as the branches that it feeds ask for (Murray's law), so calibres taper as they do in a lung.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cohortium.demo.canvas import Beads

__all__ = ["grow", "tube"]

Points = NDArray[np.float32]
STEP = 7.0
MURRAY = 2.7


def grow(
    random: np.random.Generator,
    root: tuple[float, float, float],
    scatter: Callable[[int], Points],
    leaves: int,
    leaf: float,
) -> Beads:
    """A tree from `root` to `leaves` points of `scatter`; `leaf` is the radius (mm) of its last twigs."""
    targets = scatter(leaves)
    targets = targets[np.argsort(np.linalg.norm(targets - root, axis=1))]
    nodes, parents, depth = [np.array(root, np.float32)], [-1], [0.0]
    places = np.empty((1 + 40 * leaves, 3), np.float32)
    lengths = np.zeros(len(places), np.float32)
    places[0] = root
    for target in targets:
        count = len(nodes)
        reach = np.linalg.norm(places[:count] - target, axis=1)
        start = int(np.argmin(reach + 0.45 * lengths[:count]))
        steps = max(1, int(reach[start] / STEP))
        for step in range(1, steps + 1):
            point = nodes[start] + (target - nodes[start]) * (1 / (steps - step + 1))
            if step < steps:
                point = point + random.normal(0, 0.9, 3)
            places[len(nodes)] = point
            lengths[len(nodes)] = depth[start] + np.linalg.norm(point - nodes[start])
            depth.append(float(lengths[len(nodes)]))
            nodes.append(point.astype(np.float32))
            parents.append(start)
            start = len(nodes) - 1
    return _strung(np.array(nodes, np.float32), np.array(parents), leaf)


def tube(points: list[tuple[float, float, float]], radius: tuple[float, float]) -> Beads:
    """One unbranched tube through `points`, tapering from the first radius to the second."""
    path = np.array(points, np.float32)
    radii = np.linspace(*radius, len(path)).astype(np.float32)
    return _beads(path[:-1], path[1:], radii[:-1], radii[1:])


def _strung(nodes: Points, parents: NDArray[np.int_], leaf: float) -> Beads:
    feeds = np.zeros(len(nodes))
    childless = np.ones(len(nodes), bool)
    childless[parents[1:]] = False
    feeds[childless] = 1
    for child in range(len(nodes) - 1, 0, -1):  # children stand after their parents
        feeds[parents[child]] += feeds[child]
    radii = (leaf * feeds ** (1 / MURRAY)).astype(np.float32)
    narrow = radii[1:]
    return _beads(nodes[parents[1:]], nodes[1:], np.minimum(radii[parents[1:]], narrow * 1.25), narrow)


def _beads(start: Points, end: Points, first: NDArray[np.float32], last: NDArray[np.float32]) -> Beads:
    length = np.linalg.norm(end - start, axis=1)
    count = np.maximum(2, (length / np.clip(np.minimum(first, last) * 0.7, 0.45, 2.5)).astype(int))
    index = np.repeat(np.arange(len(start)), count)
    share = (np.concatenate([np.linspace(0, 1, n, dtype=np.float32) for n in count]))[:, None]
    centre = start[index] + (end - start)[index] * share
    radius = first[index] + (last - first)[index] * share[:, 0]
    return Beads(centre.astype(np.float32), radius.astype(np.float32))
