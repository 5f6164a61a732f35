"""Paints forests, glaciers, mountains and seas, and any scene by the name of its class."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from tasks.sample.easel import (
    AUTUMN,
    COLUMN,
    FROST,
    GREENS,
    ICE,
    ROCKS,
    ROW,
    SAND,
    SEAS,
    SIDE,
    WALLS,
    WHITE,
    Easel,
    leaves,
    mix,
    rgb,
    set_up_easel,
    soft,
)
from tasks.sample.town import buildings, street


def draw_scene(name: str, rng: np.random.Generator) -> np.ndarray:
    """Paint one picture of the class `name`: float32 RGB, 0 to 1, SIDE x SIDE."""
    painters, shares = zip(*SCENES[name], strict=True)
    painter: Callable[[Easel], None] = painters[rng.choice(len(painters), p=shares)]
    easel = set_up_easel(rng)
    sky(easel)
    painter(easel)
    return np.clip(easel.canvas, 0, 1)


def sky(easel: Easel) -> None:
    """The sky over the whole canvas, with the glow of the sun, sometimes its disc, and clouds."""
    rng = easel.rng
    ramp = np.clip(ROW / rng.uniform(0.5, 0.8), 0, 1)[..., None]
    easel.canvas[:] = easel.zenith + (easel.horizon - easel.zenith) * ramp
    distance = np.hypot(COLUMN - easel.sun[0], ROW - easel.sun[1])
    easel.paint(0.5 * np.exp(-distance * 5), easel.sunlit)
    if rng.random() < 0.3:
        easel.paint(soft(0.035 - distance), np.minimum(easel.sunlit * 1.2, 1))
    cover = np.clip((easel.noise(7, 3, 5) - rng.uniform(0.42, 0.75)) * 4, 0, 0.9)
    easel.paint(cover, easel.light(rgb(0xFFFFFF), 1.1 - 0.5 * cover))


def massif(easel: Easel, line: np.ndarray, snow: float, distance: float) -> None:
    """A mountain range below the skyline `line`, its facets turned to the sun or from it.

    snow: how far it reaches down from the crest.
    """
    depth = np.clip(ROW - line, 0, 1)
    sun_side = 1 if easel.sun[0] < 0.5 else -1
    slope = sun_side * np.gradient(cv2.GaussianBlur(line[None], (0, 0), 3)[0]) * SIDE
    wander = 1.3 * (easel.noise(4, 5, 3) - 0.5) * depth + 0.06 * (easel.noise(14, 14, 3) - 0.5)
    facing = slope[(np.clip(COLUMN + wander, 0, 1) * (SIDE - 1)).astype(np.int32)]
    facets = 1 / (1 + np.exp(3 * facing + 5 * (easel.noise(9, 16, 4) - 0.5)))
    drifts = soft(snow - depth - 0.05 + 0.5 * snow**0.5 * (easel.noise(8, 16) - 0.5), 0.04) * (snow > 0.05)
    rock = easel.pick(ROCKS)
    rock = mix(rock * 0.75, rock * 1.25, easel.noise(16, 16, 3))
    easel.paint(soft(ROW - line), easel.light(mix(rock, WHITE, drifts), facets, distance))


def mountains(easel: Easel, snow: float = 0.2, ground: str = "") -> None:
    """Mountain ranges, one behind another, above a lake, a wood or a meadow."""
    rng = easel.rng
    level, cover = rng.uniform(0.46, 0.64), snow * rng.uniform(0.0, 1.5)
    for distance in (0.9, 0.55, 0.0)[rng.integers(0, 3) :]:
        height = rng.uniform(0.3, 0.55) * (1 - 0.4 * distance)
        line = easel.skyline(level - 0.1 * distance, height, int(rng.integers(1, 5)), 0.48)
        line += min(0.0, level - height * 0.6 - float(line.min()))
        massif(easel, np.minimum(line, level + 0.08), cover, distance)
    ground = ground or rng.choice(["lake", "wood", "meadow", "none"], p=(0.1, 0.3, 0.5, 0.1))
    shore = level + rng.uniform(0.08, 0.2)
    if ground == "lake":
        mirror(easel, shore)
    elif ground == "wood":
        conifers(easel, shore, rows=2)
    elif ground == "meadow":
        colours = FROST if cover > 0.3 else GREENS
        grass = easel.light(easel.pick(colours), 0.3 + 0.7 * easel.noise(30, 8, 3))
        easel.paint(soft(ROW - easel.skyline(shore, 0.06, 3, 0.3)), grass)
        easel.dab(colours, int(rng.integers(0, 90)), (shore + 0.08, 1.0), 0.012)


def mirror(easel: Easel, shore: float) -> None:
    """A lake that mirrors what is painted above its shore."""
    rows = np.abs(2 * shore - ROW + 0.03 * (easel.noise(40, 5, 2) - 0.5)) * (SIDE - 1)
    columns = np.repeat(COLUMN * (SIDE - 1), SIDE, axis=0)
    image = cv2.remap(easel.canvas, columns, rows.astype(np.float32), cv2.INTER_LINEAR)
    easel.paint(soft(ROW - shore), image * 0.8 + easel.light(easel.pick(SEAS), 0.4) * 0.2)


def glacier(easel: Easel) -> None:
    """A river of ice winding down between rock walls, torn by crevasses."""
    rng = easel.rng
    mountains(easel, snow=0.35, ground="none")
    top, phase = rng.uniform(0.36, 0.5), rng.uniform(0, 6)
    depth = np.clip((ROW - top) / (1 - top), 0, 1)
    centre = rng.uniform(0.35, 0.65) + 0.16 * np.sin(depth * rng.uniform(2, 5) + phase) * (0.25 + depth)
    half_width = rng.uniform(0.05, 0.12) + rng.uniform(0.25, 0.6) * depth + 0.08 * (easel.noise(6, 4) - 0.5)
    across = (COLUMN - centre) / half_width
    bands = np.sin(45 * np.sqrt(depth) - 5 * across**2 + 9 * easel.noise(4, 4))
    cracks = np.clip(bands + 2.4 * easel.noise(14, 18, 3) - 1.4, 0, 1) * (0.3 + 0.7 * depth)
    ice = mix(WHITE, ICE * 0.9, cracks)
    easel.paint(
        soft(1.15 - np.abs(across), 0.3) * soft(ROW - top, 0.08) * 0.7, easel.light(easel.pick(ROCKS), 0.1)
    )
    easel.paint(
        soft(1 - np.abs(across), 0.08) * soft(ROW - top, 0.03),
        easel.light(ice, 0.35 + 0.65 * easel.noise(5, 6)),
    )
    for side in (COLUMN[0], 1 - COLUMN[0]):
        fall = rng.uniform(0.4, 0.62) + side * rng.uniform(0.7, 3.0) + easel.skyline(0, 0.1, 6)
        massif(easel, fall.astype(np.float32), rng.uniform(0.0, 0.16), 0.0)


def ice_front(easel: Easel) -> None:
    """The wall of ice in which a glacier ends, above its bay."""
    rng = easel.rng
    mountains(easel, snow=0.5, ground="none")
    shore = rng.uniform(0.74, 0.92)
    line = easel.skyline(shore - rng.uniform(0.2, 0.36), 0.07, 9)
    easel.paint(
        soft(ROW - line + rng.uniform(0.04, 0.12)), easel.light(WHITE, 0.4 + 0.6 * easel.noise(16, 4))
    )
    blue = np.clip(1.7 * easel.noise(2, 20, 3) - 0.6 + 0.4 * (ROW - line), 0, 1)
    wall = mix(WHITE, ICE * 0.9, blue)
    easel.paint(soft(ROW - line), easel.light(wall, np.clip(1.8 * easel.noise(3, 14) - 0.4, 0, 1)))
    water(easel, shore)
    floes(easel, shore, int(rng.integers(0, 12)), 0.05)


def water(easel: Easel, shore: float) -> None:
    """Waves in perspective below `shore`, which reflect the sky and the sun."""
    rng = easel.rng
    depth = np.clip((ROW - shore) / (1.2 - shore), 0.012, 1)
    columns = np.abs((COLUMN - 0.5) * 0.3 / depth + 0.5) * SIDE
    rows = np.repeat(0.14 / depth * SIDE, SIDE, axis=1)
    swell = cv2.remap(easel.noise(26, 10, 3), columns, rows, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT_101)
    waves = 0.5 + (swell - 0.5) * np.clip(0.25 + 2.5 * depth, 0, 1)
    shine = np.clip(0.8 - 1.1 * depth + (waves - 0.5) * rng.uniform(0.4, 1.4), 0, 0.9)
    surface = mix(easel.light(easel.pick(SEAS), 0.3 + 0.7 * waves), easel.horizon * 0.92, shine)
    easel.paint(soft(ROW - shore), surface)
    sun_path = np.exp(-(((COLUMN - easel.sun[0]) / (0.04 + 0.14 * depth)) ** 2)) * np.clip(
        7 * waves - 3.3, 0, 0.8
    )
    crests = np.clip(9 * (waves - rng.uniform(0.68, 0.9)), 0, 0.9)
    easel.paint(soft(ROW - shore) * np.maximum(sun_path, crests), easel.sunlit)


def sea(easel: Easel, ice: bool = False) -> None:
    """Water to the horizon with islands, sails or drifting ice."""
    rng = easel.rng
    horizon = rng.uniform(0.2, 0.6)
    if rng.random() < 0.5:
        line = easel.skyline(horizon + 0.02, rng.uniform(0.06, 0.24), 2)
        massif(easel, line, 0.2 * ice + rng.choice([0.0, 0.08]), rng.uniform(0.4, 0.9))
    water(easel, horizon)
    if ice:
        floes(easel, horizon, int(rng.integers(3, 8)), rng.uniform(0.14, 0.26))
    for _ in range(0 if ice else rng.integers(0, 4)):
        x, y, size = rng.uniform(0.1, 0.9), horizon + rng.uniform(0.01, 0.2), rng.uniform(0.04, 0.1)
        sail, hull = WHITE if rng.random() < 0.7 else easel.pick(AUTUMN), easel.pick(WALLS) * 0.5
        easel.fill([size * np.array(((0, -1.6), (0.75, -0.2), (0, -0.2))) + (x, y)], easel.light(sail, 1.0))
        easel.fill(
            [size * np.array(((-0.08, -1.4), (-0.5, -0.2), (-0.08, -0.2))) + (x, y)], easel.light(sail, 0.6)
        )
        deck = np.array(((-0.6, -0.15), (0.8, -0.15), (0.5, 0.1), (-0.4, 0.1)))
        easel.fill([size * deck + (x, y)], easel.light(hull, 0.6))


def floes(easel: Easel, shore: float, count: int, size: float) -> None:
    """Blocks of ice with their reflections, the far and small ones first."""
    rng = easel.rng
    for y in np.sort(rng.uniform(0.05, 0.9, count)):
        scale, x, base = size * (0.35 + y) * rng.uniform(0.6, 1.5), rng.uniform(0, 1), shore + y * (1 - shore)
        across = np.r_[-1, np.sort(rng.uniform(-1, 1, 7)), 1]
        tops = rng.uniform(0.1, 0.8, 9) * np.sqrt(1 - across**2)
        facets = np.clip(1.8 * easel.noise(7, 14, 3) - 0.4, 0, 1)
        surface = easel.light(mix(ICE, WHITE, facets), 0.3 + 0.7 * facets)
        for stretch, opacity in ((-1.0, 1.0), (0.5, 0.4)):
            easel.fill(
                [np.stack([x + across * scale, base + stretch * scale * tops], axis=1)], surface, opacity
            )


def beach(easel: Easel) -> None:
    """Surf on sand or pebbles, sometimes seen from above without a horizon."""
    rng = easel.rng
    horizon = rng.uniform(-0.3, 0.45)
    water(easel, horizon)
    start = horizon + rng.uniform(0.3, 0.5) * (1 - horizon)
    line = start + rng.uniform(-0.3, 0.5) * COLUMN + 0.05 * np.sin(COLUMN * rng.uniform(4, 12))
    edge = ROW - line + 0.05 * (easel.noise(6, 8) - 0.5)
    dry = np.clip(edge / 0.25, 0.4, 1) * (0.75 + 0.3 * easel.noise(40, 40, 2))
    easel.paint(soft(edge, 0.02), easel.light(easel.pick(SAND), dry))
    for offset, strength in ((0.0, 0.95), (-0.09, 0.6), (-0.2, 0.35)):
        foam = np.exp(-(((edge - offset) / 0.022) ** 2)) * np.clip(2.4 * easel.noise(18, 14) - 0.5, 0, 1)
        easel.paint(foam * strength, easel.light(WHITE, 0.9))


def trunks(easel: Easel) -> None:
    """Inside a wood: trunks that fade into the light, leaves above, the ground below."""
    rng, colours, floor = easel.rng, leaves(easel), easel.rng.uniform(0.6, 0.8)
    glow = easel.horizon * 0.5 + easel.light(easel.pick(colours), 0.8) * 0.6
    easel.canvas[:] = mix(glow * 0.55, glow * 1.15, easel.noise(5, 5))
    earth = easel.light(easel.pick(colours) * 0.75, easel.noise(24, 10))
    easel.paint(soft(ROW - easel.skyline(floor, 0.06), 0.05), earth)
    bark = easel.pick((0x57423A, 0x8C7B6E, 0xC4BAB0))
    for distance in (0.85, 0.6, 0.3, 0.0):
        surface = easel.light(bark, np.clip(1.3 * easel.noise(3, 50, 2) - 0.2, 0, 1))
        surface = surface + (glow - surface) * np.float32(distance * 0.9)
        for _ in range(rng.integers(2, 5 + int(9 * distance))):
            x, half_width, foot_shift = (
                rng.uniform(0, 1),
                rng.uniform(0.012, 0.045) * (1.1 - distance),
                rng.normal(0, 0.03),
            )
            base = floor + 0.02 + 0.35 * (1 - distance) ** 2
            ends = (
                (x - half_width, -0.1),
                (x + half_width, -0.1),
                (x + foot_shift + 1.3 * half_width, base),
                (x + foot_shift - 1.3 * half_width, base),
            )
            easel.fill([ends], surface)
        easel.dab(colours, 90, (0.0, 0.45 - 0.15 * distance), 0.012 + 0.014 * (1 - distance))
    easel.dab(colours, 50, (floor + 0.05, 1.0), 0.012)


def woods(easel: Easel) -> None:
    """Rows of conifers or round crowns climbing a slope out of the mist."""
    level = easel.rng.uniform(-0.1, 0.4)
    easel.paint(soft(ROW - easel.skyline(level, 0.14)), easel.light(easel.pick(GREENS), 0.3, 0.9))
    conifers(easel, level + 0.06, rows=5)


def conifers(easel: Easel, level: float, rows: int) -> None:
    """Rows of conifers from `level` down, the far and small ones first."""
    rng = easel.rng
    green = easel.pick(FROST[1:3] if rng.random() < 0.25 else GREENS) * 0.85
    tiers, steps = np.repeat(np.linspace(0, 1, 5), 2)[1:], np.where(np.arange(9) % 2, 1.0, 0.55)
    outline = np.stack(
        [np.r_[tiers * steps, -(tiers * steps)[::-1]] * 0.2, np.r_[tiers, tiers[::-1]] - 1], axis=1
    )
    for step in np.linspace(0, 1, rows):
        line = easel.skyline(level + step * (0.95 - level), 0.10)
        surface = easel.light(green, np.clip(1.3 * easel.noise(12, 24, 3) - 0.2, 0, 1), 0.85 * (1 - step))
        height = 0.06 + 0.16 * step
        for x in np.arange(-0.02, 1.02, height * 0.3) + rng.normal(0, 0.01):
            size = height * rng.uniform(0.6, 1.3)
            easel.fill([outline * size + (x, np.interp(x, COLUMN[0], line) + 0.02)], surface)
        easel.paint(soft(ROW - line), surface)
        easel.paint(np.clip((ROW - line) / 0.2, 0, 0.7) * (1 - step) * easel.haze, easel.horizon)


# Classes that resemble each other share some painters, so that either label fits a few pictures.
icy_peaks, wooded_peaks = partial(mountains, snow=0.7), partial(mountains, ground="wood")
icy_sea, road_side = partial(sea, ice=True), partial(buildings, road=True)
# The painters of each class, and how often each paints.
SCENES: dict[str, tuple[tuple[Callable[[Easel], None], float], ...]] = {
    "buildings": ((buildings, 0.94), (road_side, 0.06)),
    "forest": ((trunks, 0.46), (woods, 0.49), (wooded_peaks, 0.05)),
    "glacier": ((glacier, 0.52), (ice_front, 0.37), (icy_peaks, 0.06), (icy_sea, 0.05)),
    "mountain": ((mountains, 0.9), (icy_peaks, 0.05), (wooded_peaks, 0.05)),
    "sea": ((sea, 0.52), (beach, 0.44), (icy_sea, 0.04)),
    "street": ((street, 0.95), (road_side, 0.05)),
}
