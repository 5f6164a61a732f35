"""Paints stylised buildings, forests, glaciers, mountains, seas and streets, each from a random generator."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

SIDE = 160
CELL = 8
ROW = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None]
COLUMN = np.linspace(0, 1, SIDE, dtype=np.float32)[None, :]

HOURS = (  # share of the day, colours of zenith, horizon, sunlit and shaded surfaces
    (0.08, 0x5C6EA3, 0xFCC7AD, 0xFFDCBE, 0x706B94),  # dawn
    (0.29, 0x3375CC, 0xC2E0F5, 0xFFFAF0, 0x758CB2),  # noon
    (0.26, 0x4D8CD1, 0xDBEBF0, 0xFFF8E4, 0x7A8AA8),  # morning
    (0.12, 0x5C80B2, 0xFFD18A, 0xFFD494, 0x665E78),  # golden hour
    (0.04, 0x34336E, 0xF2947A, 0xE8A494, 0x4A4868),  # dusk
    (0.14, 0x99A6B2, 0xD9DEE0, 0xE6E8ED, 0x99A1AD),  # overcast
    (0.04, 0x4D596B, 0xADB5B2, 0xC4C9C9, 0x687280),  # storm
    (0.03, 0x101C3C, 0x405A82, 0x7C92C4, 0x2C3A5C),  # night
)
GREENS = (0x386633, 0x4D7533, 0x29573D, 0x667A38, 0x7D8C4A)
AUTUMN = (0xCC6B24, 0xDB992E, 0x9E4224, 0x7A752E)
FROST = (0xC7D6E6, 0x768F90, 0x5C7C76, 0xE6F0FA)
ROCKS = (0x7A7375, 0x666B7A, 0x8F7A6B, 0x5C6161)
WALLS = (0xCCB899, 0xC2755C, 0xE0D6C2, 0x8F9EAD, 0xEBC785, 0xB2948F, 0xD09C78)
SEAS = (0x145C85, 0x1A758A, 0x24476B, 0x3D757A)
SAND = (0xE6C794, 0xC9B08A, 0xA39A90)
TARMAC = (0x5A5A5F, 0x6B6664)
WHITE = np.array((0.97, 0.985, 1.0), np.float32)
ICE = np.array((0.46, 0.66, 0.76), np.float32)
LAMP = np.array((1.0, 0.85, 0.54), np.float32)

Colour = np.ndarray
Point = tuple[float, float]


@dataclass(frozen=True)
class Easel:
    """A canvas, float32 RGB 0 to 1, with the hour that lights it; lengths are shares of its side."""

    rng: np.random.Generator
    canvas: np.ndarray
    zenith: Colour
    horizon: Colour
    sunlit: Colour
    shaded: Colour
    night: bool
    haze: float
    sun: Point

    def pick(self, colours: tuple[int, ...]) -> Colour:
        return rgb(colours[self.rng.integers(len(colours))]) * self.rng.uniform(0.88, 1.12, 3).astype(
            np.float32
        )

    def lit(self, colour: Colour, amount: np.ndarray | float, distance: float = 0.0) -> Colour:
        """A surface that the sun reaches by `amount`, seen through the haze of `distance`, both 0 to 1."""
        if colour.ndim == 1:
            ends = [
                mix(colour * light, self.horizon, distance * self.haze)
                for light in (self.shaded, self.sunlit)
            ]
            return mix(ends[0], ends[1], amount)
        return mix(colour * mix(self.shaded, self.sunlit, amount), self.horizon, distance * self.haze)

    def noise(self, rows: int, columns: int, octaves: int = 4) -> np.ndarray:
        """Smooth relief, 0 to 1, of about `rows` x `columns` bumps with finer ones upon them."""
        half = SIDE // 2
        total = np.zeros((half, half), np.float32)
        for octave in range(octaves):
            shape = (min(rows << octave, half) + 1, min(columns << octave, half) + 1)
            grid = self.rng.random(shape, dtype=np.float32) * np.float32(0.5**octave)
            total += cv2.resize(grid, (half, half), interpolation=cv2.INTER_CUBIC)
        relief = cv2.resize(total, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        return np.clip(relief / (2 - 0.5 ** (octaves - 1)), 0, 1)

    def skyline(self, level: float, height: float, peaks: int = 4, roughness: float = 0.5) -> np.ndarray:
        """A jagged line from left to right: for every column, the row it passes through."""
        line = np.zeros(SIDE)
        for octave in range(6):
            knots = np.linspace(-0.1, 1.1, (peaks << octave) + 2) + self.rng.normal(
                0, 0.12 / (peaks << octave)
            )
            line += np.interp(COLUMN[0], knots, self.rng.uniform(-1, 1, len(knots))) * roughness**octave
        return (level - 0.5 * height * line).astype(np.float32)

    def paint(self, mask: np.ndarray, colour: Colour) -> None:
        self.canvas[:] = mix(self.canvas, colour, mask)

    def fill(self, shapes: Iterable, colour: Colour, opacity: float = 1.0) -> None:
        """Fill polygons with one colour, or with the part of a picture that lies under them."""
        for shape in shapes:
            points = np.asarray(shape, np.float64) * SIDE
            (left, top), (right, bottom) = box(points)
            if right <= left or bottom <= top:
                continue
            mask = np.zeros((bottom - top, right - left), np.uint8)
            corners = np.clip((points - (left, top)) * 16, -1e6, 1e6).round().astype(np.int32)
            cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
            part = colour[top:bottom, left:right] if colour.ndim == 3 else colour
            view = self.canvas[top:bottom, left:right]
            view += (part - view) * (mask * np.float32(opacity / 255))[..., None]

    def hang(self, texture: np.ndarray, corners: Iterable[Point]) -> None:
        """Warp a picture on to its corners: top left, top right, bottom right, bottom left."""
        points = np.asarray(list(corners), np.float32) * SIDE
        (left, top), (right, bottom) = box(points)
        if right <= left or bottom <= top:
            return
        high, wide = texture.shape[:2]
        flat = np.array(((0, 0), (wide, 0), (wide, high), (0, high)), np.float32)
        matrix = cv2.getPerspectiveTransform(flat, points - np.array((left, top), np.float32))
        warped = cv2.warpPerspective(texture, matrix, (right - left, bottom - top))
        view = self.canvas[top:bottom, left:right]
        view += warped[..., :3] - view * warped[..., 3:]

    def dab(self, colours: tuple[int, ...], count: int, rows: Point, size: float) -> None:
        """Brush strokes of foliage, the shaded ones first and the sunlit ones upon them."""
        spots = self.rng.uniform((0, min(rows)), (1, max(rows)), (count, 2)) * SIDE
        radii = np.maximum(1, size * SIDE * self.rng.uniform(0.5, 1.4, (count, 2)))
        for spot, radius, amount in zip(
            spots.astype(int), radii.astype(int), np.linspace(0, 1, count), strict=True
        ):
            colour = self.lit(self.pick(colours), amount).tolist()
            cv2.ellipse(
                self.canvas, spot.tolist(), radius.tolist(), 180 * float(amount * 7 % 1), 0, 360, colour, -1
            )


def draw_scene(name: str, rng: np.random.Generator) -> np.ndarray:
    """Paint one picture of the class `name`: float32 RGB, 0 to 1, SIDE x SIDE."""
    painters, shares = zip(*SCENES[name], strict=True)
    painter: Callable[[Easel], None] = painters[rng.choice(len(painters), p=shares)]
    hour = HOURS[rng.choice(len(HOURS), p=[hour[0] for hour in HOURS])]
    colours = [rgb(code) * rng.uniform(0.96, 1.04, 3).astype(np.float32) for code in hour[1:]]
    sun = (rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.4))
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    easel = Easel(rng, canvas, *colours, night=hour in HOURS[4::3], haze=rng.uniform(0.3, 0.85), sun=sun)
    sky(easel)
    painter(easel)
    return np.clip(easel.canvas, 0, 1)


def rgb(code: int) -> Colour:
    return np.array((code >> 16, code >> 8 & 255, code & 255), np.float32) / 255


def mix(low: Colour, high: Colour, share: np.ndarray | float) -> Colour:
    """Colours or pictures between `low`, where the share is 0, and `high`, where it is 1."""
    weight = np.asarray(share, np.float32)
    if weight.ndim == 0:
        return low + (high - low) * weight
    if low.ndim == high.ndim == 3 and weight.shape == low.shape[:2]:
        return cv2.blendLinear(low, high, 1 - weight, weight)
    return cv2.merge([low[..., i] + (high[..., i] - low[..., i]) * weight for i in range(3)])


def box(points: np.ndarray) -> tuple[list[int], list[int]]:
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    return np.clip(low, 0, SIDE).astype(int).tolist(), np.clip(high, 0, SIDE).astype(int).tolist()


def soft(distance: np.ndarray, width: float = 0.008) -> np.ndarray:
    """A mask that turns from 0 to 1 where `distance` crosses zero."""
    return np.clip(0.5 + distance / width, 0, 1)


def sky(easel: Easel) -> None:
    rng = easel.rng
    ramp = np.clip(ROW / rng.uniform(0.5, 0.8), 0, 1)[..., None]
    easel.canvas[:] = easel.zenith + (easel.horizon - easel.zenith) * ramp
    distance = np.hypot(COLUMN - easel.sun[0], ROW - easel.sun[1])
    easel.paint(0.5 * np.exp(-distance * 5), easel.sunlit)
    if rng.random() < 0.3:
        easel.paint(soft(0.035 - distance), np.minimum(easel.sunlit * 1.2, 1))
    cover = np.clip((easel.noise(7, 3, 5) - rng.uniform(0.42, 0.75)) * 4, 0, 0.9)
    easel.paint(cover, easel.lit(rgb(0xFFFFFF), 1.1 - 0.5 * cover))


def massif(easel: Easel, line: np.ndarray, snow: float, distance: float) -> None:
    """A range of facets turned to or from the sun, with snow down to a depth below its crest."""
    depth = np.clip(ROW - line, 0, 1)
    toward = 1 if easel.sun[0] < 0.5 else -1
    slope = toward * np.gradient(cv2.GaussianBlur(line[None], (0, 0), 3)[0]) * SIDE
    wander = 1.3 * (easel.noise(4, 5, 3) - 0.5) * depth + 0.06 * (easel.noise(14, 14, 3) - 0.5)
    facing = slope[(np.clip(COLUMN + wander, 0, 1) * (SIDE - 1)).astype(np.int32)]
    facets = 1 / (1 + np.exp(3 * facing + 5 * (easel.noise(9, 16, 4) - 0.5)))
    drifts = soft(snow - depth - 0.05 + 0.5 * snow**0.5 * (easel.noise(8, 16) - 0.5), 0.04) * (snow > 0.05)
    rock = easel.pick(ROCKS)
    rock = mix(rock * 0.75, rock * 1.25, easel.noise(16, 16, 3))
    easel.paint(soft(ROW - line), easel.lit(mix(rock, WHITE, drifts), facets, distance))


def mountains(easel: Easel, snow: float = 0.2, ground: str = "") -> None:
    """Ranges behind each other above a lake, a wood or a meadow."""
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
        grass = easel.lit(easel.pick(colours), 0.3 + 0.7 * easel.noise(30, 8, 3))
        easel.paint(soft(ROW - easel.skyline(shore, 0.06, 3, 0.3)), grass)
        easel.dab(colours, int(rng.integers(0, 90)), (shore + 0.08, 1.0), 0.012)


def mirror(easel: Easel, shore: float) -> None:
    """A lake that shows what stands above it."""
    rows = np.abs(2 * shore - ROW + 0.03 * (easel.noise(40, 5, 2) - 0.5)) * (SIDE - 1)
    columns = np.repeat(COLUMN * (SIDE - 1), SIDE, axis=0)
    image = cv2.remap(easel.canvas, columns, rows.astype(np.float32), cv2.INTER_LINEAR)
    easel.paint(soft(ROW - shore), image * 0.8 + easel.lit(easel.pick(SEAS), 0.4) * 0.2)


def glacier(easel: Easel) -> None:
    """A river of ice winding down between rock walls, torn by crevasses."""
    rng = easel.rng
    mountains(easel, snow=0.35, ground="none")
    top, phase = rng.uniform(0.36, 0.5), rng.uniform(0, 6)
    depth = np.clip((ROW - top) / (1 - top), 0, 1)
    centre = rng.uniform(0.35, 0.65) + 0.16 * np.sin(depth * rng.uniform(2, 5) + phase) * (0.25 + depth)
    half = rng.uniform(0.05, 0.12) + rng.uniform(0.25, 0.6) * depth + 0.08 * (easel.noise(6, 4) - 0.5)
    across = (COLUMN - centre) / half
    bands = np.sin(45 * np.sqrt(depth) - 5 * across**2 + 9 * easel.noise(4, 4))
    cracks = np.clip(bands + 2.4 * easel.noise(14, 18, 3) - 1.4, 0, 1) * (0.3 + 0.7 * depth)
    ice = mix(WHITE, ICE * 0.9, cracks)
    easel.paint(
        soft(1.15 - np.abs(across), 0.3) * soft(ROW - top, 0.08) * 0.7, easel.lit(easel.pick(ROCKS), 0.1)
    )
    easel.paint(
        soft(1 - np.abs(across), 0.08) * soft(ROW - top, 0.03),
        easel.lit(ice, 0.35 + 0.65 * easel.noise(5, 6)),
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
    easel.paint(soft(ROW - line + rng.uniform(0.04, 0.12)), easel.lit(WHITE, 0.4 + 0.6 * easel.noise(16, 4)))
    blue = np.clip(1.7 * easel.noise(2, 20, 3) - 0.6 + 0.4 * (ROW - line), 0, 1)
    wall = mix(WHITE, ICE * 0.9, blue)
    easel.paint(soft(ROW - line), easel.lit(wall, np.clip(1.8 * easel.noise(3, 14) - 0.4, 0, 1)))
    water(easel, shore)
    floes(easel, shore, int(rng.integers(0, 12)), 0.05)


def water(easel: Easel, shore: float) -> None:
    """Waves in perspective from `shore` down, the sky and the sun's path upon them."""
    rng = easel.rng
    depth = np.clip((ROW - shore) / (1.2 - shore), 0.012, 1)
    columns = np.abs((COLUMN - 0.5) * 0.3 / depth + 0.5) * SIDE
    rows = np.repeat(0.14 / depth * SIDE, SIDE, axis=1)
    swell = cv2.remap(easel.noise(26, 10, 3), columns, rows, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT_101)
    waves = 0.5 + (swell - 0.5) * np.clip(0.25 + 2.5 * depth, 0, 1)
    shine = np.clip(0.8 - 1.1 * depth + (waves - 0.5) * rng.uniform(0.4, 1.4), 0, 0.9)
    surface = mix(easel.lit(easel.pick(SEAS), 0.3 + 0.7 * waves), easel.horizon * 0.92, shine)
    easel.paint(soft(ROW - shore), surface)
    path = np.exp(-(((COLUMN - easel.sun[0]) / (0.04 + 0.14 * depth)) ** 2)) * np.clip(
        7 * waves - 3.3, 0, 0.8
    )
    crests = np.clip(9 * (waves - rng.uniform(0.68, 0.9)), 0, 0.9)
    easel.paint(soft(ROW - shore) * np.maximum(path, crests), easel.sunlit)


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
        easel.fill([size * np.array(((0, -1.6), (0.75, -0.2), (0, -0.2))) + (x, y)], easel.lit(sail, 1.0))
        easel.fill(
            [size * np.array(((-0.08, -1.4), (-0.5, -0.2), (-0.08, -0.2))) + (x, y)], easel.lit(sail, 0.6)
        )
        deck = np.array(((-0.6, -0.15), (0.8, -0.15), (0.5, 0.1), (-0.4, 0.1)))
        easel.fill([size * deck + (x, y)], easel.lit(hull, 0.6))


def floes(easel: Easel, shore: float, count: int, size: float) -> None:
    rng = easel.rng
    for y in np.sort(rng.uniform(0.05, 0.9, count)):
        scale, x, base = size * (0.35 + y) * rng.uniform(0.6, 1.5), rng.uniform(0, 1), shore + y * (1 - shore)
        across = np.r_[-1, np.sort(rng.uniform(-1, 1, 7)), 1]
        tops = rng.uniform(0.1, 0.8, 9) * np.sqrt(1 - across**2)
        facets = np.clip(1.8 * easel.noise(7, 14, 3) - 0.4, 0, 1)
        surface = easel.lit(mix(ICE, WHITE, facets), 0.3 + 0.7 * facets)
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
    easel.paint(soft(edge, 0.02), easel.lit(easel.pick(SAND), dry))
    for offset, strength in ((0.0, 0.95), (-0.09, 0.6), (-0.2, 0.35)):
        foam = np.exp(-(((edge - offset) / 0.022) ** 2)) * np.clip(2.4 * easel.noise(18, 14) - 0.5, 0, 1)
        easel.paint(foam * strength, easel.lit(WHITE, 0.9))


def leaves(easel: Easel) -> tuple[int, ...]:
    return (GREENS, AUTUMN, FROST)[easel.rng.choice(3, p=(0.74, 0.16, 0.1))]


def trunks(easel: Easel) -> None:
    """Inside a wood: trunks fading into the light, leaves above, a floor below."""
    rng, colours, floor = easel.rng, leaves(easel), easel.rng.uniform(0.6, 0.8)
    glow = easel.horizon * 0.5 + easel.lit(easel.pick(colours), 0.8) * 0.6
    easel.canvas[:] = mix(glow * 0.55, glow * 1.15, easel.noise(5, 5))
    earth = easel.lit(easel.pick(colours) * 0.75, easel.noise(24, 10))
    easel.paint(soft(ROW - easel.skyline(floor, 0.06), 0.05), earth)
    bark = easel.pick((0x57423A, 0x8C7B6E, 0xC4BAB0))
    for distance in (0.85, 0.6, 0.3, 0.0):
        surface = easel.lit(bark, np.clip(1.3 * easel.noise(3, 50, 2) - 0.2, 0, 1))
        surface = surface + (glow - surface) * np.float32(distance * 0.9)
        for _ in range(rng.integers(2, 5 + int(9 * distance))):
            x, half, foot = (
                rng.uniform(0, 1),
                rng.uniform(0.012, 0.045) * (1.1 - distance),
                rng.normal(0, 0.03),
            )
            base = floor + 0.02 + 0.35 * (1 - distance) ** 2
            ends = (
                (x - half, -0.1),
                (x + half, -0.1),
                (x + foot + 1.3 * half, base),
                (x + foot - 1.3 * half, base),
            )
            easel.fill([ends], surface)
        easel.dab(colours, 90, (0.0, 0.45 - 0.15 * distance), 0.012 + 0.014 * (1 - distance))
    easel.dab(colours, 50, (floor + 0.05, 1.0), 0.012)


def woods(easel: Easel) -> None:
    """Rows of conifers or round crowns climbing a slope out of the mist."""
    level = easel.rng.uniform(-0.1, 0.4)
    easel.paint(soft(ROW - easel.skyline(level, 0.14)), easel.lit(easel.pick(GREENS), 0.3, 0.9))
    conifers(easel, level + 0.06, rows=5)


def conifers(easel: Easel, level: float, rows: int) -> None:
    rng = easel.rng
    green = easel.pick(FROST[1:3] if rng.random() < 0.25 else GREENS) * 0.85
    tiers, steps = np.repeat(np.linspace(0, 1, 5), 2)[1:], np.where(np.arange(9) % 2, 1.0, 0.55)
    outline = np.stack(
        [np.r_[tiers * steps, -(tiers * steps)[::-1]] * 0.2, np.r_[tiers, tiers[::-1]] - 1], axis=1
    )
    for step in np.linspace(0, 1, rows):
        line = easel.skyline(level + step * (0.95 - level), 0.10)
        surface = easel.lit(green, np.clip(1.3 * easel.noise(12, 24, 3) - 0.2, 0, 1), 0.85 * (1 - step))
        height = 0.06 + 0.16 * step
        for x in np.arange(-0.02, 1.02, height * 0.3) + rng.normal(0, 0.01):
            size = height * rng.uniform(0.6, 1.3)
            easel.fill([outline * size + (x, np.interp(x, COLUMN[0], line) + 0.02)], surface)
        easel.paint(soft(ROW - line), surface)
        easel.paint(np.clip((ROW - line) / 0.2, 0, 0.7) * (1 - step) * easel.haze, easel.horizon)


def facade(easel: Easel, floors: int, bays: int, sunlit: float, distance: float) -> np.ndarray:
    """A flat wall of windows, RGBA, CELL pixels a window."""
    rng, image = easel.rng, np.ones((floors * CELL, bays * CELL, 4), np.float32)
    wall = easel.lit(easel.pick(WALLS), sunlit)
    image[..., :3] = wall
    image[:: CELL * rng.integers(1, 4), :, :3] = wall * rng.choice([0.8, 1.15])
    left, top = rng.integers(1, 4, 2)
    window = np.zeros((CELL, CELL, 1), np.float32)
    window[top : CELL - 1, left : CELL - left + 1] = 1
    panes = easel.zenith * 0.4 + easel.horizon * 0.6 * rng.uniform(0, 0.9, (floors, bays, 1)) ** 2
    panes = np.where(rng.random((floors, bays, 1)) < (0.45 if easel.night else 0.03), LAMP, panes)
    glass = panes.astype(np.float32).repeat(CELL, 0).repeat(CELL, 1)
    image[..., :3] += (glass - image[..., :3]) * np.tile(window, (floors, bays, 1))
    image[..., :3] += (easel.horizon - image[..., :3]) * np.float32(distance * easel.haze)
    return image


def block(easel: Easel, base: float, tall: float, lean: float, distance: float) -> None:
    """One building of two visible walls, drawn together towards the top when it leans."""
    rng = easel.rng
    x, width = rng.uniform(-0.1, 0.9), rng.uniform(0.18, 0.45) * (1 - 0.5 * distance)
    right = x + width / 2 < 0.5
    corner, outer, far = (x + width, x, x + width * 1.5) if right else (x, x + width, x - width * 0.5)
    top, bright = base - tall * (1 - 0.35 * distance), (easel.sun[0] > 0.5) == right
    floors, bays = int(2 + 14 * (base - top) * rng.uniform(0.6, 1.3)), int(2 + 12 * width)
    for edge, drop, wide, lit in ((far, 0.1, bays // 2 + 1, bright), (outer, 0.0, bays, not bright)):
        wall = facade(easel, floors, wide, 0.95 if lit else 0.4, distance)
        sides = sorted([(edge, drop * width), (corner, 0.0)])
        tops = [(at + (0.5 - at) * lean, top + fall) for at, fall in sides]
        easel.hang(wall, [*tops, (sides[1][0], base), (sides[0][0], base)])
    if tall < 0.5 and rng.random() < 0.6:
        roof = ((x - 0.01, top), (x + width * 0.5, top - 0.35 * width), (x + width + 0.01, top))
        easel.fill([roof], easel.lit(easel.pick(AUTUMN) * 0.7, 0.7, distance))


def buildings(easel: Easel, road: bool = False) -> None:
    """Houses or high-rises, upright or leaning back as seen from the pavement."""
    rng = easel.rng
    base = rng.uniform(0.7, 0.86) if road else rng.uniform(0.85, 1.1)
    tall, lean = rng.uniform(0.55, 1.0), rng.uniform(0.05, 0.3) * (rng.random() < 0.5)
    for distance in sorted(rng.uniform(0, 0.65, rng.integers(5, 10)), reverse=True):
        block(easel, base, tall * rng.uniform(0.6, 1.1), lean, distance)
    easel.paint(soft(ROW - base), easel.lit(easel.pick(TARMAC), 0.4 + 0.4 * easel.noise(20, 6)))
    if rng.random() < 0.5:
        easel.dab(leaves(easel), 90, (base - 0.1, base + 0.01), 0.02)
    for x in np.arange(rng.uniform(-0.2, 0), 1.2, 0.22) if road else ():
        dash = ((x, 0.0), (x + 0.12, 0.0), (x + 0.11, 0.02), (x - 0.01, 0.02))
        easel.fill([np.add(dash, (0, base + 0.6 * (1 - base)))], easel.lit(WHITE, 0.6))
    for _ in range(rng.integers(1, 4) if road else rng.integers(0, 2)):
        car(easel, rng.uniform(0.05, 0.95), base + rng.uniform(0.04, 0.1), 0.14)


def street(easel: Easel) -> None:
    """A road running to its vanishing point between two rows of houses."""
    rng = easel.rng
    eye, drop, width = rng.uniform((0.3, 0.42), (0.7, 0.62)), rng.uniform(0.16, 0.3), rng.uniform(0.2, 0.65)

    def at(x: float, depth: float, height: float = 0.0) -> Point:
        return float(eye[0] + x / depth), float(eye[1] + (drop - height) / depth)

    easel.paint(soft(ROW - eye[1]), easel.lit(easel.pick(TARMAC) * 1.3, 0.3 + 0.5 * easel.noise(24, 8)))
    for side in (-1, 1):
        houses(easel, partial(at, side * (width + 0.1)), 0.9 if (easel.sun[0] > 0.5) == (side < 0) else 0.35)
    tarmac = easel.lit(easel.pick(TARMAC), 0.2 + 0.5 * easel.noise(40, 12))
    easel.fill([(at(-width, 0.2), at(width, 0.2), at(width, 30), at(-width, 30))], tarmac)
    stripes = [(-0.02, near, 0.04) for near in np.arange(rng.uniform(0.5, 0.7), 6, 0.5)]
    if rng.random() < 0.4:
        stripes += [(x, rng.uniform(0.6, 0.65), 0.07) for x in np.arange(-width, width - 0.05, 0.14)]
    for x, near, wide in stripes:
        ends = (at(x, near), at(x + wide, near), at(x + wide, near + 0.25), at(x, near + 0.25))
        easel.fill([ends], easel.lit(WHITE, 0.7))
    for depth in np.arange(5.0, 0.8, -1.0):
        for x in (-width - 0.04, width + 0.04):
            easel.fill([(at(x, depth), at(x + 0.012, depth), at(x + 0.006, depth, 0.42))], easel.shaded * 0.4)
            disc = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], axis=1)
            for radius, opacity in ((0.09, 0.25 * easel.night), (0.018, 0.9)):
                easel.fill([disc * radius / depth + at(x, depth, 0.42)], LAMP, opacity)
        if rng.random() < 0.5:
            car(easel, *at(rng.choice([-0.6, 0.6]) * width, depth), 0.3 * width / depth)


def houses(easel: Easel, at: Callable[..., Point], sunlit: float) -> None:
    """One side of a street, from the far end to the near one."""
    rng = easel.rng
    depths, height = 0.25 + np.cumsum(rng.uniform(0.4, 1.1, 7)) - 0.4, rng.uniform(0.4, 1.1)
    for near, far in reversed(list(zip(np.maximum(depths[:-1], 0.25), depths[1:], strict=True))):
        tall = height * rng.uniform(0.7, 1.25)
        wall = facade(easel, int(3 + 6 * tall), int(2 + 5 * (far - near)), sunlit, min(0.8, far / 6))
        wall[2 - CELL :, :, :3] = easel.lit(easel.pick(AUTUMN) * 0.8, sunlit)
        easel.hang(wall, [at(near, tall), at(far, tall), at(far), at(near)])


def car(easel: Easel, x: float, y: float, size: float) -> None:
    body = easel.lit(easel.rng.uniform(0.1, 0.9, 3).astype(np.float32), 0.7)
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


# Neighbouring classes share some painters, so that a few pictures could bear either label.
icy_peaks, wooded_peaks = partial(mountains, snow=0.7), partial(mountains, ground="wood")
icy_sea, road_side = partial(sea, ice=True), partial(buildings, road=True)
SCENES: dict[str, tuple[tuple[Callable[[Easel], None], float], ...]] = {
    "buildings": ((buildings, 0.94), (road_side, 0.06)),
    "forest": ((trunks, 0.46), (woods, 0.49), (wooded_peaks, 0.05)),
    "glacier": ((glacier, 0.52), (ice_front, 0.37), (icy_peaks, 0.06), (icy_sea, 0.05)),
    "mountain": ((mountains, 0.9), (icy_peaks, 0.05), (wooded_peaks, 0.05)),
    "sea": ((sea, 0.52), (beach, 0.44), (icy_sea, 0.04)),
    "street": ((street, 0.95), (road_side, 0.05)),
}
