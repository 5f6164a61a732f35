"""How many bytes LZW data decode to, without decoding them.

The decoders of GIF and TIFF stop when the picture is full: damaged data that decode to more go unnoticed.
Lengths suffice to notice. After a clear code each code but the first adds a string to the table, one byte
longer than that of the code before; so it is known beforehand where each code lies, and all up to the next
clear code are read at once.
Sources: GIF89a, appendix F; TIFF 6.0, section 13.
"""

import numpy as np

MOST_STRINGS, MOST_BITS = 4096, 12


def gif_length(data: bytes, code_bits: int) -> int:
    """The length of what LZW data of a GIF decode to; -1 where they hold a code not yet in the table."""
    return _Codes(data, code_bits, big_endian=False, early=0).length()


def tiff_length(data: bytes) -> int:
    """The length of what LZW data of a TIFF decode to; -1 where they hold a code not yet in the table."""
    return _Codes(data, 8, big_endian=True, early=1).length()


class _Codes:
    """LZW data, and the widths that codes have after a clear code, until the table is full.

    early: 1 where codes grow one entry before the table needs it, as in TIFF.
    """

    def __init__(self, data: bytes, code_bits: int, big_endian: bool, early: int):
        raw = np.frombuffer(data + bytes(3), np.uint8).astype(np.uint32)
        parts = (raw[:-2], raw[1:-1], raw[2:]) if big_endian else (raw[2:], raw[1:-1], raw[:-2])
        self.words = parts[0] << 16 | parts[1] << 8 | parts[2]  # the 24 bits from each byte on
        self.bits, self.big_endian = 8 * len(data), big_endian
        self.clear = 1 << code_bits
        self.first = self.clear + 2  # string of the table that is not a single byte
        strings = self.first + np.maximum(np.arange(MOST_STRINGS - self.first + 1) - 1, 0)
        widths = np.floor(np.log2(strings + early)).astype(np.int64) + 1
        widths[:2] = code_bits + 1
        self.widths = np.minimum(widths, MOST_BITS)
        self.starts = np.cumsum(self.widths) - self.widths
        self.full_widths = np.full(MOST_STRINGS, MOST_BITS)
        self.full_starts = self.full_widths * np.arange(MOST_STRINGS)

    def length(self) -> int:
        at = total = 0
        while True:
            codes, at, last = self.read(at, self.starts, self.widths)
            lengths = self.lengths_of(codes)
            if lengths is None:
                return -1
            total += int(lengths.sum())
            table = np.concatenate([np.ones(self.first, np.int64), lengths + 1])
            while last is None:  # the table is full
                codes, at, last = self.read(at, self.full_starts, self.full_widths)
                total += int(table[codes].sum())
            if last != self.clear:
                return total

    def read(self, at: int, starts: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, int, int | None]:
        """The codes from bit `at` on up to the next clear or end code, the bit behind that, and that code.

        It is None where all of `widths` were read before one came, and -1 where the data end.
        """
        fit = int(np.searchsorted(starts + widths, self.bits - at, side="right"))
        offsets, widths = at + starts[:fit], widths[:fit]
        words, within = self.words[offsets >> 3], offsets & 7
        shifts = 24 - within - widths if self.big_endian else within
        codes = (words >> shifts.astype(np.uint32)).astype(np.int64) & ((1 << widths) - 1)
        [stops] = np.nonzero((codes == self.clear) | (codes == self.clear + 1))
        if len(stops):
            stop = int(stops[0])
            return codes[:stop], int(offsets[stop] + widths[stop]), int(codes[stop])
        if fit < len(starts):
            return codes, self.bits, -1
        return codes, int(at + starts[-1] + widths[-1]), None

    def lengths_of(self, codes: np.ndarray) -> np.ndarray | None:
        """The lengths of the strings of codes after a clear code; None where one is not yet in the table."""
        before = np.where(codes >= self.first, codes - self.first, -1)  # the code that its string prolongs
        if (before >= np.arange(len(codes))).any():
            return None
        lengths = np.ones(len(codes), np.int64)
        while (longer := before >= 0).any():  # each round doubles how far back it looks
            lengths[longer] += lengths[before[longer]]
            before[longer] = before[before[longer]]
        return lengths
