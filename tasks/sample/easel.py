"""What scenes are painted with: a canvas with its light, palettes, relief, brushes and masks."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

SIDE = 160  # of the canvas, in pixels
ROW = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None]
COLUMN = np.linspace(0, 1, SIDE, dtype=np.float32)[None, :]  # like ROW, from 0 to 1 over the canvas

HOURS = (  # probability; colours of zenith, horizon, sunlit and shaded surfaces
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
    """A canvas, float32 RGB 0 to 1, and the light of its hour.

    Lengths and positions are shares of its side, as (column, row) from the top left. sunlit, shaded: the
    colours that light and shadow give to a white surface. haze: how far distance fades into the horizon.
    """

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
        """One of the colours at random, varied a little."""
        return rgb(colours[self.rng.integers(len(colours))]) * self.rng.uniform(0.88, 1.12, 3).astype(
            np.float32
        )

    def light(self, colour: Colour, amount: np.ndarray | float, distance: float = 0.0) -> Colour:
        """A surface that the sun reaches by `amount`, in the haze of `distance`, both 0 to 1."""
        if colour.ndim == 1:
            ends = [
                mix(colour * extreme, self.horizon, distance * self.haze)
                for extreme in (self.shaded, self.sunlit)
            ]
            return mix(ends[0], ends[1], amount)
        return mix(colour * mix(self.shaded, self.sunlit, amount), self.horizon, distance * self.haze)

    def noise(self, rows: int, columns: int, octaves: int = 4) -> np.ndarray:
        """A random relief, 0 to 1 [SIDE, SIDE]: about `rows` x `columns` bumps, with finer ones on them."""
        half = SIDE // 2
        total = np.zeros((half, half), np.float32)
        for octave in range(octaves):
            shape = (min(rows << octave, half) + 1, min(columns << octave, half) + 1)
            grid = self.rng.random(shape, dtype=np.float32) * np.float32(0.5**octave)
            total += cv2.resize(grid, (half, half), interpolation=cv2.INTER_CUBIC)
        relief = cv2.resize(total, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        return np.clip(relief / (2 - 0.5 ** (octaves - 1)), 0, 1)

    def skyline(self, level: float, height: float, peaks: int = 4, roughness: float = 0.5) -> np.ndarray:
        """A jagged line from left to right, around the row `level`: its row in every column."""
        line = np.zeros(SIDE)
        for octave in range(6):
            knots = np.linspace(-0.1, 1.1, (peaks << octave) + 2) + self.rng.normal(
                0, 0.12 / (peaks << octave)
            )
            line += np.interp(COLUMN[0], knots, self.rng.uniform(-1, 1, len(knots))) * roughness**octave
        return (level - 0.5 * height * line).astype(np.float32)

    def paint(self, mask: np.ndarray, colour: Colour) -> None:
        """Lay a colour or a picture over the canvas, as far as the mask (0 to 1) covers it."""
        self.canvas[:] = mix(self.canvas, colour, mask)

    def fill(self, shapes: Iterable, colour: Colour, opacity: float = 1.0) -> None:
        """Fill polygons with a colour, or with the part of a picture of the canvas's size that lies there."""
        for shape in shapes:
            points = np.asarray(shape, np.float64) * SIDE
            (x0, y0), (x1, y1) = bounding_box(points)
            if x1 <= x0 or y1 <= y0:
                continue
            mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
            corners = np.clip((points - (x0, y0)) * 16, -1e6, 1e6).round().astype(np.int32)
            cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
            part = colour[y0:y1, x0:x1] if colour.ndim == 3 else colour
            view = self.canvas[y0:y1, x0:x1]
            view += (part - view) * (mask * np.float32(opacity / 255))[..., None]

    def hang(self, texture: np.ndarray, corners: Iterable[Point]) -> None:
        """Paint an RGBA picture warped to four corners: top left, top right, bottom right, bottom left."""
        points = np.asarray(list(corners), np.float32) * SIDE
        (x0, y0), (x1, y1) = bounding_box(points)
        if x1 <= x0 or y1 <= y0:
            return
        height, width = texture.shape[:2]
        flat = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32)
        matrix = cv2.getPerspectiveTransform(flat, points - np.array((x0, y0), np.float32))
        warped = cv2.warpPerspective(texture, matrix, (x1 - x0, y1 - y0))
        view = self.canvas[y0:y1, x0:x1]
        view += warped[..., :3] - view * warped[..., 3:]

    def dab(self, colours: tuple[int, ...], count: int, rows: Point, size: float) -> None:
        """Strokes of foliage between two rows, the shaded ones first and the sunlit ones over them."""
        spots = self.rng.uniform((0, min(rows)), (1, max(rows)), (count, 2)) * SIDE
        radii = np.maximum(1, size * SIDE * self.rng.uniform(0.5, 1.4, (count, 2)))
        for spot, radius, amount in zip(
            spots.astype(int), radii.astype(int), np.linspace(0, 1, count), strict=True
        ):
            colour = self.light(self.pick(colours), amount).tolist()
            cv2.ellipse(
                self.canvas, spot.tolist(), radius.tolist(), 180 * float(amount * 7 % 1), 0, 360, colour, -1
            )


def set_up_easel(rng: np.random.Generator) -> Easel:
    """An empty canvas at a random hour of the day.

    The order of the random draws, here and in every scene, is part of the sample: another order gives other
    pictures.
    """
    hour = HOURS[rng.choice(len(HOURS), p=[hour[0] for hour in HOURS])]
    zenith, horizon, sunlit, shaded = (
        rgb(code) * rng.uniform(0.96, 1.04, 3).astype(np.float32) for code in hour[1:]
    )
    return Easel(
        rng=rng,
        canvas=np.zeros((SIDE, SIDE, 3), np.float32),
        zenith=zenith,
        horizon=horizon,
        sunlit=sunlit,
        shaded=shaded,
        sun=(rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.4)),
        night=hour in HOURS[4::3],
        haze=rng.uniform(0.3, 0.85),
    )


def leaves(easel: Easel) -> tuple[int, ...]:
    """The palette of the foliage, of a random season."""
    return (GREENS, AUTUMN, FROST)[easel.rng.choice(3, p=(0.74, 0.16, 0.1))]


def rgb(code: int) -> Colour:
    return np.array((code >> 16, code >> 8 & 255, code & 255), np.float32) / 255


def mix(low: Colour, high: Colour, share: np.ndarray | float) -> Colour:
    """Blend colours or pictures: `low` where the share is 0, `high` where it is 1."""
    weight = np.asarray(share, np.float32)
    if weight.ndim == 0:
        return low + (high - low) * weight
    if low.ndim == high.ndim == 3 and weight.shape == low.shape[:2]:
        return cv2.blendLinear(low, high, 1 - weight, weight)
    return cv2.merge([low[..., i] + (high[..., i] - low[..., i]) * weight for i in range(3)])


def soft(distance: np.ndarray, width: float = 0.008) -> np.ndarray:
    """A mask with a soft edge: from 0 to 1 where `distance` goes from below to above zero."""
    return np.clip(0.5 + distance / width, 0, 1)


def bounding_box(points: np.ndarray) -> tuple[list[int], list[int]]:
    """The first and the last corner, in pixels, of the part of the canvas that holds all points."""
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    return np.clip(low, 0, SIDE).astype(int).tolist(), np.clip(high, 0, SIDE).astype(int).tolist()
