"""Finds pictures that occur more than once, their pixels equal or nearly so, without comparing all pairs."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy

from tasks.dataset.looks import THUMBNAIL_PX, describe_picture

# Bits of 64. Of 60 million pairs of photographs, none this close showed different scenes; at 8 bits some did.
MAX_DISTANCE = 6
# Of details. Of 2,900 pairs 12 to 14 bits apart, which show different scenes, one in a hundred reaches it.
MIN_CORRELATION = 0.5
FLAT = 2.0  # grey levels: pictures with less detail than this have nothing to compare
MOST_NEIGHBOURS = 512  # bounds the work where very many hashes are alike, as of X-rays
PAIRS_AT_ONCE = 100_000

Thumbnails = Callable[[np.ndarray], np.ndarray]


class Copies(NamedTuple):
    """What matches each image; every field is int [images].

    group: the number of the first image of its group. exact_rank: the highest rank among the images with
    the same pixels, this one included. near_rank: the highest rank among the images that nearly match it,
    -1 where there is none.
    """

    group: np.ndarray
    exact_rank: np.ndarray
    near_rank: np.ndarray


def find_copies(
    pixels: np.ndarray,
    hashes: np.ndarray,
    ranks: np.ndarray,
    thumbnails: Thumbnails,
    scenes: np.ndarray | None = None,
) -> Copies:
    """Find the images that show the same picture.

    pixels: int [images], equal for images with equal decoded pixels. hashes: perceptual hashes, uint64
    [images]. ranks: int [images], 0 or more; among pictures with the same hash, those of the highest rank
    are compared first. thumbnails: a function from image numbers, int [n], to grey thumbnails, uint8
    [n, side, side]. scenes: int [images], which belong together by the user's word; pictures of two
    scenes are not near copies, however alike they are.

    Two images nearly match when their perceptual hashes differ in at most MAX_DISTANCE of 64 bits and the
    details of their thumbnails correlate by MIN_CORRELATION or more. Images linked by such pairs, directly
    or through others, form a group.

    That finds 98 to 100 % of the copies saved again as JPEG (quality 15 and up), resized, or made brighter,
    darker or grey, and 85 % of those cropped by 2 %; also photographs taken in a row. It does not find
    mirrored copies and pictures without detail.
    """
    _, first_image, picture = np.unique(pixels, return_index=True, return_inverse=True)
    pictures = len(first_image)
    exact_rank, near_rank = np.full((2, pictures), -1)
    np.maximum.at(exact_rank, picture, ranks)
    pairs = _candidates(hashes[first_image], exact_rank)
    if scenes is not None:
        pairs = pairs[np.equal(*scenes[first_image][pairs].T)]
    pairs = pairs[_details_agree(first_image[pairs], thumbnails)]
    for source, target in (pairs.T, pairs.T[::-1]):
        np.maximum.at(near_rank, source, exact_rank[target])
    graph = scipy.sparse.coo_matrix(
        (np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (pictures, pictures)
    )
    _, component = scipy.sparse.csgraph.connected_components(graph, directed=False)
    _, first_of_group, group = np.unique(component[picture], return_index=True, return_inverse=True)
    return Copies(first_of_group[group], exact_rank[picture], near_rank[picture])


def group_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The number of the first of those that show the same picture, for each, int [pictures].

    pictures: uint8 RGB [side, side, 3], all of one side. See `find_copies`.
    """
    looks = [describe_picture(picture) for picture in pictures]
    hashes = np.array([look["perceptual_hash"] for look in looks], np.uint64)
    _, pixels = np.unique([look["pixels_sha256"] for look in looks], return_inverse=True)
    small = np.frombuffer(b"".join(look["thumbnail"] for look in looks), np.uint8)
    thumbnails = small.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
    return find_copies(pixels, hashes, np.zeros(len(looks), int), lambda images: thumbnails[images]).group


def _candidates(hashes: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Pairs of pictures that may nearly match, int [pairs, 2]. hashes, ranks: of each picture.

    Comparing all pictures with nearby hashes would be too much where many share one hash. So among those
    with one hash, each is paired with the first, which has the highest rank, and with the next. The first
    stands for all of them in pairs with pictures of a nearby hash, but for the pairs of `_to_higher_rank`.
    """
    order = np.lexsort((-ranks, hashes))
    distinct, first, hash_of, counts = np.unique(
        hashes[order], return_index=True, return_inverse=True, return_counts=True
    )
    place = np.arange(len(order))
    is_repeat = place > first[hash_of]
    to_first = np.stack([first[hash_of][is_repeat], place[is_repeat]], 1)
    to_next = np.stack([place[is_repeat] - 1, place[is_repeat]], 1)
    hash_pairs = near_pairs(distinct)
    to_higher = _to_higher_rank(hash_pairs, first, counts, ranks[order])
    return order[np.concatenate([to_first, to_next, first[hash_pairs], to_higher])]


def _to_higher_rank(
    hash_pairs: np.ndarray, first: np.ndarray, counts: np.ndarray, ranks: np.ndarray
) -> np.ndarray:
    """Pair all pictures of a hash but the first with the first of a nearby hash, if its rank is higher.

    Else only the first picture of a hash would be compared with those of a higher rank and a nearby hash.

    hash_pairs: int [n, 2], numbers of nearby hashes. first, counts: for each hash, the place of its first
    picture and how many it has. ranks: of the picture at each place. Returns places, int [pairs, 2].
    """
    source, target = np.concatenate([hash_pairs, hash_pairs[:, ::-1]]).T
    repeats = counts[source] - 1
    # For each pair of hashes in turn, the places first + 1, first + 2, ... of the source's repeats.
    place = np.repeat(first[source] + 1 - (np.cumsum(repeats) - repeats), repeats) + np.arange(repeats.sum())
    target_place = np.repeat(first[target], repeats)
    is_higher = ranks[target_place] > ranks[place]
    return np.stack([place[is_higher], target_place[is_higher]], 1)


def near_pairs(hashes: np.ndarray) -> np.ndarray:
    """Pairs of hashes at most MAX_DISTANCE bits apart, int [pairs, 2], each once. hashes: sorted, distinct.

    If six bits differ, at least two of the eight bytes are equal. So for each of the 28 choices of two
    bytes, all hashes are sorted with these two in front, and each is compared with those that share them
    and follow within MOST_NEIGHBOURS places.
    Source: Manku et al. 2007, "Detecting Near-Duplicates for Web Crawling".
    """
    pairs_by_bytes = [_pairs_that_share(hashes, equal_bytes) for equal_bytes in combinations(range(8), 2)]
    codes = np.unique(np.concatenate([first * len(hashes) + second for first, second in pairs_by_bytes]))
    return np.stack(np.divmod(codes, max(len(hashes), 1)), 1)


def _pairs_that_share(hashes: np.ndarray, equal_bytes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The near pairs that agree in these bytes: the number of each first and second hash, int [pairs]."""
    order = [*equal_bytes, *(byte for byte in range(8) if byte not in equal_bytes)]
    table = np.sort(_reordered(hashes, order))
    prefixes = table >> np.uint64(8 * (8 - len(equal_bytes)))
    end = np.searchsorted(prefixes, prefixes, side="right")
    places = np.arange(len(table))
    first, second = [table[:0]], [table[:0]]
    for step in range(1, MOST_NEIGHBOURS + 1):
        places = places[places + step < end[places]]
        if not len(places):
            break
        near_places = places[np.bitwise_count(table[places] ^ table[places + step]) <= MAX_DISTANCE]
        first.append(table[near_places])
        second.append(table[near_places + step])
    back = np.argsort(order)
    numbers = [np.searchsorted(hashes, _reordered(np.concatenate(side), back)) for side in (first, second)]
    return np.minimum(*numbers), np.maximum(*numbers)


def _reordered(hashes: np.ndarray, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """The same hashes with their eight bytes in another order."""
    octets = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)[:, order]
    return np.ascontiguousarray(octets).view(">u8").ravel().astype(np.uint64)


def _details_agree(pairs: np.ndarray, thumbnails: Thumbnails) -> np.ndarray:
    """Whether the details of each pair of images correlate by MIN_CORRELATION or more, bool [pairs]."""
    agree = [np.zeros(0, bool)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        images, places = np.unique(pairs[start : start + PAIRS_AT_ONCE], return_inverse=True)
        details = _details(thumbnails(images))
        first, second = places.reshape(-1, 2).T
        agree.append(np.einsum("nd,nd->n", details[first], details[second]) >= MIN_CORRELATION)
    return np.concatenate(agree)


def _details(thumbnails: np.ndarray) -> np.ndarray:
    """Laplacian of grey thumbnails as unit vectors, float32 [n, side * side]; zeros for flat pictures.

    Perceptual hashes are made of coarse shapes, which different landscapes share; their details differ.
    """
    grey = np.pad(thumbnails.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    sides = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian = (sides - 4 * grey[:, 1:-1, 1:-1]).reshape(len(grey), -1)
    laplacian -= laplacian.mean(axis=1, keepdims=True)
    length = np.linalg.norm(laplacian, axis=1, keepdims=True)
    flat = length < FLAT * np.sqrt(laplacian.shape[1])
    return np.where(flat, 0, laplacian / np.maximum(length, 1e-6))
