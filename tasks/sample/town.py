"""Paints buildings and streets, with their facades and cars."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tasks.sample.easel import (
    AUTUMN,
    LAMP,
    ROW,
    TARMAC,
    WALLS,
    WHITE,
    Easel,
    Point,
    leaves,
    rgb,
    soft,
)

CELL = 8  # pixels of a window and the wall around it


def buildings(easel: Easel, road: bool = False) -> None:
    """Houses or high-rises, upright or leaning back as seen from the pavement."""
    rng = easel.rng
    base = rng.uniform(0.7, 0.86) if road else rng.uniform(0.85, 1.1)
    height, lean = rng.uniform(0.55, 1.0), rng.uniform(0.05, 0.3) * (rng.random() < 0.5)
    for distance in sorted(rng.uniform(0, 0.65, rng.integers(5, 10)), reverse=True):
        block(easel, base, height * rng.uniform(0.6, 1.1), lean, distance)
    easel.paint(soft(ROW - base), easel.light(easel.pick(TARMAC), 0.4 + 0.4 * easel.noise(20, 6)))
    if rng.random() < 0.5:
        easel.dab(leaves(easel), 90, (base - 0.1, base + 0.01), 0.02)
    for x in np.arange(rng.uniform(-0.2, 0), 1.2, 0.22) if road else ():
        dash = ((x, 0.0), (x + 0.12, 0.0), (x + 0.11, 0.02), (x - 0.01, 0.02))
        easel.fill([np.add(dash, (0, base + 0.6 * (1 - base)))], easel.light(WHITE, 0.6))
    for _ in range(rng.integers(1, 4) if road else rng.integers(0, 2)):
        car(easel, rng.uniform(0.05, 0.95), base + rng.uniform(0.04, 0.1), 0.14)


def street(easel: Easel) -> None:
    """A road running to its vanishing point between two rows of houses."""
    rng = easel.rng
    eye, drop, width = rng.uniform((0.3, 0.42), (0.7, 0.62)), rng.uniform(0.16, 0.3), rng.uniform(0.2, 0.65)

    def at(x: float, depth: float, height: float = 0.0) -> Point:
        """Where the canvas shows a point of the street."""
        return float(eye[0] + x / depth), float(eye[1] + (drop - height) / depth)

    easel.paint(soft(ROW - eye[1]), easel.light(easel.pick(TARMAC) * 1.3, 0.3 + 0.5 * easel.noise(24, 8)))
    for side in (-1, 1):
        houses(easel, partial(at, side * (width + 0.1)), 0.9 if (easel.sun[0] > 0.5) == (side < 0) else 0.35)
    tarmac = easel.light(easel.pick(TARMAC), 0.2 + 0.5 * easel.noise(40, 12))
    easel.fill([(at(-width, 0.2), at(width, 0.2), at(width, 30), at(-width, 30))], tarmac)
    stripes = [(-0.02, near, 0.04) for near in np.arange(rng.uniform(0.5, 0.7), 6, 0.5)]
    if rng.random() < 0.4:
        stripes += [(x, rng.uniform(0.6, 0.65), 0.07) for x in np.arange(-width, width - 0.05, 0.14)]
    for x, near, stripe_width in stripes:
        right = x + stripe_width
        ends = (at(x, near), at(right, near), at(right, near + 0.25), at(x, near + 0.25))
        easel.fill([ends], easel.light(WHITE, 0.7))
    for depth in np.arange(5.0, 0.8, -1.0):
        for x in (-width - 0.04, width + 0.04):
            easel.fill([(at(x, depth), at(x + 0.012, depth), at(x + 0.006, depth, 0.42))], easel.shaded * 0.4)
            disc = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=1)
            for radius, opacity in ((0.09, 0.25 * easel.night), (0.018, 0.9)):
                easel.fill([disc * radius / depth + at(x, depth, 0.42)], LAMP, opacity)
        if rng.random() < 0.5:
            car(easel, *at(rng.choice([-0.6, 0.6]) * width, depth), 0.3 * width / depth)


def block(easel: Easel, base: float, height: float, lean: float, distance: float) -> None:
    """One building with two visible walls, which converge towards the top by `lean`.

    base: the row of its foot.
    """
    rng = easel.rng
    x, width = rng.uniform(-0.1, 0.9), rng.uniform(0.18, 0.45) * (1 - 0.5 * distance)
    is_left_of_view = x + width / 2 < 0.5
    corner, outer, far = (
        (x + width, x, x + width * 1.5) if is_left_of_view else (x, x + width, x - width * 0.5)
    )
    top, side_is_sunlit = base - height * (1 - 0.35 * distance), (easel.sun[0] > 0.5) == is_left_of_view
    floors, bays = int(2 + 14 * (base - top) * rng.uniform(0.6, 1.3)), int(2 + 12 * width)
    walls = ((far, 0.1, bays // 2 + 1, side_is_sunlit), (outer, 0.0, bays, not side_is_sunlit))
    for edge, drop, wall_bays, is_sunlit in walls:
        wall = facade(easel, floors, wall_bays, 0.95 if is_sunlit else 0.4, distance)
        sides = sorted([(edge, drop * width), (corner, 0.0)])
        tops = [(column + (0.5 - column) * lean, top + fall) for column, fall in sides]
        easel.hang(wall, [*tops, (sides[1][0], base), (sides[0][0], base)])
    if height < 0.5 and rng.random() < 0.6:
        roof = ((x - 0.01, top), (x + width * 0.5, top - 0.35 * width), (x + width + 0.01, top))
        easel.fill([roof], easel.light(easel.pick(AUTUMN) * 0.7, 0.7, distance))


def houses(easel: Easel, at: Callable[..., Point], sunlit: float) -> None:
    """The houses on one side of a street, the far ones first. at: gives the point at a depth and a height."""
    rng = easel.rng
    depths, height = 0.25 + np.cumsum(rng.uniform(0.4, 1.1, 7)) - 0.4, rng.uniform(0.4, 1.1)
    for near, far in reversed(list(zip(np.maximum(depths[:-1], 0.25), depths[1:], strict=True))):
        house_height = height * rng.uniform(0.7, 1.25)
        wall = facade(easel, int(3 + 6 * house_height), int(2 + 5 * (far - near)), sunlit, min(0.8, far / 6))
        wall[2 - CELL :, :, :3] = easel.light(easel.pick(AUTUMN) * 0.8, sunlit)
        easel.hang(wall, [at(near, house_height), at(far, house_height), at(far), at(near)])


def facade(easel: Easel, floors: int, bays: int, sunlit: float, distance: float) -> np.ndarray:
    """A wall of windows seen from the front: RGBA [floors * CELL, bays * CELL, 4].

    sunlit: how far the sun reaches it, 0 to 1.
    """
    rng, image = easel.rng, np.ones((floors * CELL, bays * CELL, 4), np.float32)
    wall = easel.light(easel.pick(WALLS), sunlit)
    image[..., :3] = wall
    image[:: CELL * rng.integers(1, 4), :, :3] = wall * rng.choice([0.8, 1.15])
    x0, y0 = rng.integers(1, 4, 2)
    window = np.zeros((CELL, CELL, 1), np.float32)
    window[y0 : CELL - 1, x0 : CELL - x0 + 1] = 1
    panes = easel.zenith * 0.4 + easel.horizon * 0.6 * rng.uniform(0, 0.9, (floors, bays, 1)) ** 2
    panes = np.where(rng.random((floors, bays, 1)) < (0.45 if easel.night else 0.03), LAMP, panes)
    glass = panes.astype(np.float32).repeat(CELL, 0).repeat(CELL, 1)
    image[..., :3] += (glass - image[..., :3]) * np.tile(window, (floors, bays, 1))
    image[..., :3] += (easel.horizon - image[..., :3]) * np.float32(distance * easel.haze)
    return image


def car(easel: Easel, x: float, y: float, size: float) -> None:
    """A car seen from behind (with its headlights, from the front, at night), its wheels at the row `y`."""
    body = easel.light(easel.rng.uniform(0.1, 0.9, 3).astype(np.float32), 0.7)
    lamps = LAMP if easel.night else rgb(0xE63326)
    parts = (
        (((-0.32, -0.62), (0.32, -0.62), (0.42, -0.34), (-0.42, -0.34)), easel.zenith * 0.5),
        (((-0.5, -0.38), (0.5, -0.38), (0.52, -0.1), (-0.52, -0.1)), body),
        (((-0.46, -0.12), (-0.26, -0.12), (-0.26, 0.02), (-0.46, 0.02)), body * 0.15),
        (((0.46, -0.12), (0.26, -0.12), (0.26, 0.02), (0.46, 0.02)), body * 0.15),
        (((-0.48, -0.3), (-0.36, -0.3), (-0.36, -0.2), (-0.48, -0.2)), lamps),
        (((0.48, -0.3), (0.36, -0.3), (0.36, -0.2), (0.48, -0.2)), lamps),
    )
    for shape, colour in parts:
        easel.fill([np.array(shape) * size + (x, y)], colour)
