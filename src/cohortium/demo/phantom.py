"""A thorax that a radiologist recognises, made of shapes: wall, ribs, spine, lungs, heart, great vessels, liver.

`Thorax.slice(z)` gives the tissue in Hounsfield units and what contrast medium would add; `expose` makes of it what a
scanner would reconstruct. The same seed always makes the same patient; z runs from cranial to caudal in mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohortium.demo.canvas import AXIS, SIZE, Canvas, Plane, Texture, soft
from cohortium.demo.tree import grow, tube

__all__ = ["THICKNESS", "Build", "Exposure", "Nodule", "Thorax"]

THICKNESS = 1.25
WARP = 2.2
RIB_PITCH, RIB_DROP = 22.0, 92.0
VERTEBRA, DISC = 23.0, 5.0
Point = tuple[float, float, float]
Scatter = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Build:
    """What differs from one patient to the next: half widths and fat in mm."""

    seed: int
    width: float
    depth: float
    fat: float
    breasts: bool


@dataclass(frozen=True, slots=True)
class Nodule:
    centre: Point
    radius: float


class Thorax:
    """One patient's chest."""

    def __init__(self, build: Build) -> None:
        self.build = build
        random = np.random.default_rng(build.seed)
        self._phases = random.uniform(0, 2 * np.pi, 12)
        self._coarse = Texture(random, 7.0, 60)
        self._fine = Texture(random, 1.7, 14)
        self._cage = (build.width - build.fat - 21, build.depth - build.fat - 13)
        self._vessels = [
            grow(random, root, self._scatter(random, side), 1700, 0.5)
            for side, root in ((-1, (-36, 6, 24)), (1, (42, 8, 18)), (-1, (-28, 14, 44)), (1, (30, 18, 42)))
        ]
        self._airways = [tube([(2, 12, -60), (2, 13, 6), (1, 14, 14)], (8.2, 8.0))] + [
            tube([(1, 14, 12), *path], (6.6, 4.6))
            for path in ([(-16, 14, 22), (-33, 12, 31)], [(20, 18, 26), (40, 14, 36)])
        ]
        self._bronchi = [
            grow(random, root, self._scatter(random, side), 26, 0.6)
            for side, root in ((-1, (-33, 12, 31)), (1, (40, 14, 36)))
        ]
        self._hepatic = grow(random, (-40, 5, 110), self._in_liver(random), 160, 0.7)

    def slice(self, z: float) -> tuple[Plane, Plane]:
        """(HU, uptake) of the cut at z."""
        canvas = Canvas.warped(z, self._phases, WARP)
        coarse, fine = self._coarse.at(z), self._fine.at(z)
        self._table(canvas)
        self._wall(canvas, coarse, fine)
        cage = canvas.distance((0, 2), self._cage)
        lung = self._lungs(canvas, z, cage, fine)
        self._ribs(canvas, z, cage, fine)
        self._mediastinum(canvas, z, fine)
        self._tubes(canvas, z, lung)
        self._abdomen(canvas, z, fine, soft(cage + 7))
        self._spine(canvas, z, fine)
        return canvas.hu, canvas.uptake

    def _table(self, canvas: Canvas) -> None:
        """A carbon shell with a foam core, hollow like a trough, under the patient."""
        top = self.build.depth - 3
        x, y = AXIS[None, :], AXIS[:, None]
        sag = top + 8 - 104 * (x / 330) ** 2
        for low, high, hu in ((0.0, 9.0, -930.0), (9.0, 11.0, -200.0), (11.0, 27.0, -965.0), (27.0, 29.0, -220.0)):
            band = np.maximum(sag + low - y, y - sag - high)
            canvas.lay(soft(np.maximum(band, np.abs(x) - 190)), hu)

    def _wall(self, canvas: Canvas, coarse: Plane, fine: Plane) -> None:
        build = self.build
        square = np.abs(canvas.x / build.width) ** 2.35 + np.abs(canvas.y / build.depth) ** 2.35
        body = ((square ** (1 / 2.35) - 1) * min(build.width, build.depth)).astype(np.float32)
        if build.breasts:
            for side in (-1, 1):
                breast = canvas.distance((side * 78, -build.depth + 16), (56, 34), side * 0.3)
                body = np.minimum(body, breast)
        canvas.lay(soft(body), np.where(body > -1.7, 25, -104 + 6 * fine))
        if build.breasts:
            for side in (-1, 1):
                gland = canvas.distance((side * 80, -build.depth + 2), (30, 13), side * 0.3) + 5 * coarse
                canvas.lay(soft(np.maximum(gland, body + 6)) * np.clip(0.55 + 0.5 * fine, 0, 1), 30, 12)
        depth = build.fat + 1.5 * coarse
        muscle = np.abs(canvas.x / (build.width - depth)) ** 2.3 + np.abs(canvas.y / (build.depth - depth)) ** 2.3
        inside = soft(((muscle ** (1 / 2.3) - 1) * build.depth).astype(np.float32))
        ring = np.abs(canvas.distance((0, 2), (self._cage[0] + 13, self._cage[1] + 8)) + 2 * coarse)
        planes = np.clip(1.3 - np.minimum(np.abs(coarse - 0.9) * 9.0, ring / 1.2), 0, 0.8)  # fat between the muscles
        canvas.lay(inside, 56 + 4 * fine - 140 * planes, 12)

    def _lungs(self, canvas: Canvas, z: float, cage: Plane, fine: Plane) -> Plane:
        """Both lungs with their pleura; what they cover is returned."""
        pleura = cage + 7
        low = np.clip((z - 20) / 55, 0, 1)
        middle = np.minimum.reduce(
            [
                canvas.distance((0, -12), (30 + 4 * low, 34)),  # great vessels
                canvas.distance((2, -55), (11 + 6 * low, 40), 0.08),  # anterior junction
                canvas.distance((0, 24), (20, 30)),
                canvas.distance((0, 0.5 * self._cage[1] + 10), (22, 22)),  # paravertebral
            ]
        )
        heart = max(0.0, 1 - ((z - 80) / 46) ** 2) ** 0.5
        if heart > 0.05:
            middle = np.minimum(middle, canvas.distance((16, -20), (58 * heart, 45 * heart), 0.55))
        inside = np.maximum(pleura, -middle)
        share = soft(inside)
        dependent = 90 * np.exp((pleura + 2) / 4) * np.clip((canvas.y - 40) / 20, 0, 1)
        slope = -868 + 0.42 * canvas.y + np.minimum(dependent, 120)
        canvas.lay(soft(middle) * soft(pleura), -98 + 8 * fine)  # mediastinal fat
        canvas.lay(share, slope + 14 * fine)
        return share

    def _ribs(self, canvas: Canvas, z: float, cage: Plane, fine: Plane) -> None:
        shell = np.abs(cage) < 9
        x, y, depth = canvas.x[shell], canvas.y[shell], cage[shell]
        around = np.arctan2(np.abs(x) / self._cage[0], (y - 2) / self._cage[1]) / np.pi
        bent = np.clip(around / 0.78, 0, 1)
        drop = RIB_DROP * (bent**1.15) - 120 * np.clip(around - 0.8, 0, 1)
        level = (z - drop + np.where(x > 0, 2.5, 0) + RIB_PITCH / 2) % RIB_PITCH - RIB_PITCH / 2
        thick, high = 4.0, 6.4
        rho = np.sqrt((depth / thick) ** 2 + (level / high) ** 2)
        distance = (rho - 1) * thick
        cartilage = np.clip((around - 0.8) * 40, 0, 1)
        bone = np.where(distance > -1.5, 720, 210 + 50 * fine[shell])
        share = soft(distance) * (around > 0.085) * (around < 0.955)
        canvas.hu[shell] += share * ((1 - cartilage) * bone + cartilage * 95 - canvas.hu[shell])
        canvas.uptake[shell] *= 1 - share
        canvas.ellipse((0, -self._cage[1] + 1), (17, 6.2), 0, rim=lambda d: np.where(d > -1.4, 480, 140))
        taper = np.clip((58 - z) / 60, 0, 1)
        for side in (-1, 1):
            canvas.ellipse(
                (side * (self._cage[0] - 17), 0.72 * self._cage[1]),
                (30 * taper, 3.4),
                0,
                turn=-side * 0.82,
                rim=lambda d: np.where(d > -1.2, 640, 260),
            )

    def _mediastinum(self, canvas: Canvas, z: float, fine: Plane) -> None:
        blood = 42.0
        sway = 0.12 * (z - 30)
        canvas.ball((16, -20, 80), (56, 43, 44), z, -92, turn=0.55)  # epicardial fat
        canvas.ball((17, -20, 80), (52, 39, 41), z, 48 + 2 * fine, 70, turn=0.55)  # myocardium
        canvas.ball((40, -8, 82), (27, 16, 36), z, blood, 210, turn=0.6)  # left ventricle
        canvas.ball((3, -40, 78), (30, 13, 34), z, blood, 150, turn=0.35)  # right ventricle
        canvas.ball((-25, -20, 72), (16, 20, 34), z, blood, 150, turn=0.2)  # right atrium
        canvas.ball((8, 10, 56), (30, 15, 19), z, blood, 205)  # left atrium
        for side in (-1, 1):
            canvas.ball((8 + side * 34, 14, 50), (14, 6, 6), z, blood, 200, turn=side * 0.35)
        canvas.ellipse((-14 - sway, -28), (15.5, 15) if z < 56 else (0, 0), blood, 225)  # ascending aorta
        canvas.ellipse((24 - sway / 2, 38), (12.2, 12.6), 0, 220, rim=lambda d: np.where(d > -1.3, 52, blood))
        canvas.ball((18, -30, 22), (13.5, 14, 26), z, blood, 185, turn=0.3)  # pulmonary trunk
        canvas.ball((-10, -8, 25), (32, 8, 10), z, blood, 180, turn=0.25)  # right pulmonary artery
        canvas.ball((32, -6, 14), (15, 9, 11), z, blood, 180, turn=0.8)  # left pulmonary artery
        canvas.ellipse((-33, -14 + 0.1 * z), (8.5, 9.5) if z < 60 else (0, 0), blood, 260)  # superior vena cava
        canvas.ellipse((5 + sway, 31), (8.5, 5.5), 38, 25)  # oesophagus
        canvas.ellipse((6 + sway, 30), (2.6, 1.3), -850)
        canvas.ellipse((-7, 37), (4, 4), blood, 170)  # azygos vein
        for x, y, centre in ((-4.0, 2, 18), (10.0, -6, 24), (-20.0, -4, 8), (12.0, 22, 40)):  # lymph nodes
            canvas.ball((x, y, centre), (5, 3.2, 5), z, 45, 30)
        for x, y, centre in ((12.5, 41, 10), (33, 46, 62), (14, -45, 52), (34, -36, 60)):  # calcified plaques
            canvas.ball((x, y, centre), (2.4, 1.1, 3.0), z, 620)

    def _tubes(self, canvas: Canvas, z: float, lung: Plane) -> None:
        fissure = np.abs(canvas.y - 14 - 0.9 * (z - 40) + 0.0022 * (np.abs(canvas.x) - 80) ** 2)
        canvas.lay(np.asarray(0.16 * np.clip(1.4 - fissure, 0, 1) * lung, np.float32), -500)
        for tree in self._vessels:
            canvas.lay(tree.coverage(z, THICKNESS) * np.clip(lung + 0.15, 0, 1), 38, 165)
        for grown, hu in ((0.8, -60), (-0.1, -985)):
            for tree in self._bronchi:
                canvas.lay(tree.coverage(z, THICKNESS, grown) * lung, hu)
        for grown, hu in ((1.2, 15), (0.0, -985)):
            for tree in self._airways:
                canvas.lay(tree.coverage(z, THICKNESS, grown), hu)

    def _abdomen(self, canvas: Canvas, z: float, fine: Plane, inside: Plane) -> None:
        """The domes of the diaphragm and what rises under them, nowhere beyond the pleura."""
        above = canvas.hu.copy(), canvas.uptake.copy()
        canvas.ball((-64, -4, 132), (74, 72, 79), z, 45, 15)
        canvas.ball((-64, -4, 134), (74, 72, 78.5), z, 58 + 3 * fine, 52)
        canvas.ball((74, 30, 140), (52, 52, 74), z, 45, 15)
        canvas.ball((74, 28, 142), (50, 50, 73), z, -95)
        canvas.ball((86, 42, 140), (32, 34, 70), z, 48 + 3 * fine, 75)
        canvas.ball((-24, 14, 96), (12, 13, 34), z, 40, 120)  # inferior vena cava
        liver = max(0.0, 1 - ((z - 134) / 78.5) ** 2) ** 0.5
        if liver > 0.1:
            within = soft(canvas.distance((-64, -4), (70 * liver, 68 * liver)))
            canvas.lay(self._hepatic.coverage(z, THICKNESS) * within, 46, 88)
        for plane, before in zip((canvas.hu, canvas.uptake), above, strict=True):
            plane += (1 - inside) * (before - plane)

    def _spine(self, canvas: Canvas, z: float, fine: Plane) -> None:
        centre = 0.5 * self._cage[1] + 8
        back = centre + 22
        level = (z + 6) % VERTEBRA
        disc = level < DISC
        end = min(level - DISC, VERTEBRA - level)

        def body(distance: Plane) -> Plane:
            if disc:
                return np.asarray(np.where(distance > -4, 95, 75), np.float32)
            spongy = 330.0 if end < 1.3 else 165.0
            return np.asarray(np.where(distance > -1.2, 430, spongy), np.float32)

        for side in (-1, 1):
            canvas.ellipse((side * 27, back + 18), (22, 15), 58 + 4 * fine, 12, turn=side * 0.2)  # erector spinae
            if 6 < level < 17:
                canvas.ellipse(
                    (side * 24, back + 1), (14, 3.2), 0, turn=side * 0.3, rim=lambda d: np.where(d > -1.3, 560, 230)
                )
                canvas.ellipse(
                    (side * 20, centre + 9), (9, 3.4), 0, turn=side * 0.8, rim=lambda d: np.where(d > -1.2, 600, 240)
                )
        arch = 540 if not disc else 420
        if level > 3:
            canvas.ellipse((0, back), (14, 12.5), arch)
            canvas.ellipse((0, back + 18), (2.8, 13), 0, rim=lambda d: np.where(d > -1.1, 520, 260))
        canvas.ellipse((0, centre), (18.5, 14.5), 0, rim=body)
        if not disc:
            spongy = canvas.distance((0, centre), (17, 13))
            canvas.lay(soft(spongy) * 0.5, 190 + 60 * fine)
        canvas.ellipse((0, back), (9.8, 8.6), -60)
        canvas.ellipse((0, back), (8.4, 7.2), 12)
        canvas.ellipse((0, back), (4.8, 4.0), 38)

    def with_nodule(self, tissue: Plane, z: float, nodule: Nodule, contrast: float) -> Plane:
        """The slice at z with a spiculated nodule in it."""
        x, y, centre = nodule.centre
        if abs(z - centre) > 2 * nodule.radius:
            return tissue
        canvas = Canvas.warped(z, self._phases, WARP)
        canvas.hu = tissue.copy()
        canvas.ball(nodule.centre, (nodule.radius, nodule.radius * 0.9, nodule.radius), z, 32 + 45 * contrast, turn=0.4)
        random = np.random.default_rng(self.build.seed + 1)
        for angle in random.uniform(0, 2 * np.pi, 9):
            reach = nodule.radius * random.uniform(1.3, 1.9)
            tip = (x + reach * np.cos(angle), y + reach * np.sin(angle), centre + random.uniform(-2, 2))
            canvas.lay(0.7 * tube([nodule.centre, tip], (1.0, 0.3)).coverage(z, THICKNESS), 0)
        return canvas.hu

    def _scatter(self, random: np.random.Generator, side: int) -> Scatter:
        a, b = self._cage[0] - 9, self._cage[1] - 9

        def points(count: int) -> NDArray[np.float32]:
            found = np.empty((0, 3), np.float32)
            while len(found) < count:
                trial = random.uniform((8, -b, -70), (a, b, 150), (4 * count, 3)).astype(np.float32)
                keep = (trial[:, 0] / a) ** 2 + (trial[:, 1] / b) ** 2 < 1
                keep &= trial[:, 0] > np.where(trial[:, 1] > 30, 24, 32)
                found = np.concatenate([found, trial[keep]])
            found[:, 0] *= side
            return found[:count]

        return points

    def _in_liver(self, random: np.random.Generator) -> Scatter:
        def points(count: int) -> NDArray[np.float32]:
            return random.normal((-66, -4, 95), (30, 32, 20), (count, 3)).astype(np.float32)

        return points


class Exposure:
    """What a scanner adds: its blur, its correlated noise, and nothing outside the circle it reconstructs."""

    def __init__(self, seed: int, noise: float, sharpness: float) -> None:
        self._random = np.random.default_rng(seed)
        frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None, :])
        spectrum = frequency * np.exp(-((frequency / sharpness) ** 2))  # a ramp, rolled off: filtered back-projection
        self._tiles = []
        for _ in range(4):
            tile = np.fft.irfft2(np.fft.rfft2(self._random.standard_normal((SIZE, SIZE))) * spectrum, s=(SIZE, SIZE))
            self._tiles.append((tile / tile.std() / np.sqrt(2)).astype(np.float32))
        axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
        circle = axis[:, None] ** 2 + axis[None, :] ** 2
        self.outside = circle > 1
        self._level = (noise * (0.45 + 0.75 * np.exp(-2.2 * circle))).astype(np.float32)

    def expose(self, tissue: Plane) -> Plane:
        """The slice in HU as reconstructed."""
        blurred = _smooth(_smooth(tissue).T).T
        first, second = self._random.choice(4, 2, replace=False)
        noise = self._rolled(first) + self._rolled(second)
        return np.asarray(np.clip(blurred + noise * self._level, -1024, 3071), np.float32)

    def _rolled(self, which: int) -> Plane:
        return np.roll(self._tiles[which], tuple(self._random.integers(0, SIZE, 2)), (0, 1))


def _smooth(plane: Plane) -> Plane:
    smoothed = plane.copy()
    smoothed[1:-1] = 0.23 * (plane[:-2] + plane[2:]) + 0.54 * plane[1:-1]
    return smoothed
