"""The same picture more than once: equal bytes, equal pixels, nearly equal pixels; not all pairs compared."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

MAX_DISTANCE = 6  # bits of 64: on 60 million pairs of photographs none within it was another scene, at 8 some
MIN_CORRELATION = 0.5  # of details; of 2,900 pairs 12 to 14 bits apart, so unlike, one in a hundred has more
FLAT = 2.0  # grey levels: with less detail than this there is nothing to compare
MOST_NEIGHBOURS = 512  # bounds the work where hashes crowd, such as X-rays that all look alike
EDGES_AT_ONCE = 100_000

Thumbnails = Callable[[np.ndarray], np.ndarray]


class Copies(NamedTuple):
    """What matches each image, int [images] each.

    group: the number of the first image of its group. exact, near: the highest rank among the images with
    the same pixels, itself one of them, and among those that nearly match it, -1 where none does.
    """

    group: np.ndarray
    exact: np.ndarray
    near: np.ndarray


def find_copies(pixels: np.ndarray, hashes: np.ndarray, ranks: np.ndarray, thumbnails: Thumbnails) -> Copies:
    """Which images show the same.

    pixels: int [images], equal where the decoded pixels are. hashes: perceptual hashes, uint64 [images].
    ranks: int [images] from 0; of pictures with one hash those of the highest rank are compared first.
    thumbnails: gives the grey thumbnails, uint8 [n, side, side], of image numbers int [n].

    Images match nearly when their perceptual hashes differ in at most MAX_DISTANCE of 64 bits and the
    details of their thumbnails correlate by MIN_CORRELATION or more. Groups are chains of such pairs.
    That finds 98 to 100 % of copies saved anew as JPEG (quality 15 and up), resized, or made brighter,
    darker or grey, 85 % of those cropped by 2 %; also photographs taken in a row. Mirrored copies and
    pictures without detail are not found.
    """
    _, first, picture = np.unique(pixels, return_index=True, return_inverse=True)
    exact, near = np.full((2, len(first)), -1)
    np.maximum.at(exact, picture, ranks)
    edges = _candidates(hashes[first], exact)
    edges = edges[_alike(first[edges], thumbnails)]
    for one, other in (edges.T, edges.T[::-1]):
        np.maximum.at(near, one, exact[other])
    graph = coo_matrix((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (len(first), len(first)))
    _, group = connected_components(graph, directed=False)
    of_image = group[picture]
    _, first_of_group, inverse = np.unique(of_image, return_index=True, return_inverse=True)
    return Copies(first_of_group[inverse], exact[picture], near[picture])


def _candidates(hashes: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Pairs of different pictures with equal or near hashes, int [pairs, 2].

    Of pictures with one hash each is paired with the first and with the next; the first, of the highest
    rank, stands for all where pictures with near hashes are paired with it.
    """
    order = np.lexsort((-ranks, hashes))
    unique, start, of, images = np.unique(
        hashes[order], return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(order))
    later = place > start[of]
    to_first = np.stack([start[of][later], place[later]], 1)
    to_next = np.stack([place[later] - 1, place[later]], 1)
    pairs = near_pairs(unique)
    to_higher = _to_higher(pairs, start, images, ranks[order])
    return order[np.concatenate([to_first, to_next, start[pairs], to_higher])]


def _to_higher(pairs: np.ndarray, start: np.ndarray, images: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Each place but the first of a hash, with the first of a near hash if that ranks higher, int [n, 2]."""
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    later = images[one] - 1
    place = np.repeat(start[one] + 1 - (np.cumsum(later) - later), later) + np.arange(later.sum())
    first = np.repeat(start[other], later)
    higher = ranks[first] > ranks[place]
    return np.stack([place[higher], first[higher]], 1)


def near_pairs(hashes: np.ndarray) -> np.ndarray:
    """Pairs of hashes at most MAX_DISTANCE bits apart, int [pairs, 2], each once. hashes: sorted, distinct.

    Six differing bits leave two of eight bytes alone. So for each of the 28 choices of two bytes all hashes
    are sorted by these first, and those are compared that share them and stand within MOST_NEIGHBOURS.
    Source: Manku et al. 2007, "Detecting Near-Duplicates for Web Crawling".
    """
    found = [_pairs_that_share(hashes, chosen) for chosen in combinations(range(8), 2)]
    codes = np.unique(np.concatenate([first * len(hashes) + second for first, second in found]))
    return np.stack(np.divmod(codes, max(len(hashes), 1)), 1)


def _pairs_that_share(hashes: np.ndarray, chosen: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    order = [*chosen, *(byte for byte in range(8) if byte not in chosen)]
    table = np.sort(_reordered(hashes, order))
    shared = table >> np.uint64(8 * (8 - len(chosen)))
    end = np.searchsorted(shared, shared, side="right")
    here = np.arange(len(table))
    lower, upper = [table[:0]], [table[:0]]
    for step in range(1, MOST_NEIGHBOURS + 1):
        here = here[here + step < end[here]]
        if not len(here):
            break
        near = here[np.bitwise_count(table[here] ^ table[here + step]) <= MAX_DISTANCE]
        lower.append(table[near])
        upper.append(table[near + step])
    back = np.argsort(order)
    ends = [np.searchsorted(hashes, _reordered(np.concatenate(side), back)) for side in (lower, upper)]
    return np.minimum(*ends), np.maximum(*ends)


def _reordered(hashes: np.ndarray, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """The same hashes with their eight bytes in another order."""
    octets = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)[:, order]
    return np.ascontiguousarray(octets).view(">u8").ravel().astype(np.uint64)


def _alike(edges: np.ndarray, thumbnails: Thumbnails) -> np.ndarray:
    """Which pairs of images agree in their details, bool [pairs]."""
    agree = [np.zeros(0, bool)]
    for start in range(0, len(edges), EDGES_AT_ONCE):
        images, pairs = np.unique(edges[start : start + EDGES_AT_ONCE], return_inverse=True)
        details = _details(thumbnails(images))
        first, second = pairs.reshape(-1, 2).T
        agree.append(np.einsum("nd,nd->n", details[first], details[second]) >= MIN_CORRELATION)
    return np.concatenate(agree)


def _details(thumbnails: np.ndarray) -> np.ndarray:
    """Laplacian of grey thumbnails as unit vectors, float32 [n, side * side]; zeros for flat pictures.

    Hashes are made of coarse shapes, in which unlike landscapes agree; what they leave out tells them apart.
    """
    grey = np.pad(thumbnails.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    sides = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian = (sides - 4 * grey[:, 1:-1, 1:-1]).reshape(len(grey), -1)
    laplacian -= laplacian.mean(axis=1, keepdims=True)
    length = np.linalg.norm(laplacian, axis=1, keepdims=True)
    flat = length < FLAT * np.sqrt(laplacian.shape[1])
    return np.where(flat, 0, laplacian / np.maximum(length, 1e-6))
