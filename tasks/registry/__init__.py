"""Model versions, which of them is champion and why, and what may be removed from a store."""

from tasks.registry.announcements import announce_labels, try_to_announce
from tasks.registry.gate import Verdict, promote, promote_by_hand
from tasks.registry.news import inputs_of, last_finished, news_since, same_as_before, tell_nothing_new
from tasks.registry.promotions import (
    champion,
    champion_stack,
    hold_champion,
    hold_reason,
    is_promotion_by_run,
    read_promotions,
    release_champion,
    roll_back,
)
from tasks.registry.retention import outdated
from tasks.registry.since import data_changes
from tasks.registry.versions import list_versions, package_versions, read_record, read_version, register
from tasks.registry.witness import witness_champion

__all__ = [
    "Verdict",
    "announce_labels",
    "champion",
    "champion_stack",
    "data_changes",
    "export",
    "hold_champion",
    "hold_reason",
    "inputs_of",
    "is_promotion_by_run",
    "last_finished",
    "list_versions",
    "news_since",
    "outdated",
    "package_versions",
    "promote",
    "promote_by_hand",
    "read_promotions",
    "read_record",
    "read_version",
    "register",
    "release_champion",
    "roll_back",
    "same_as_before",
    "tell_nothing_new",
    "try_to_announce",
    "witness_champion",
]
