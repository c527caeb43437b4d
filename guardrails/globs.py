"""Globs as a ruleset file writes them. Pure."""

import fnmatch
import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for lower-cased ids: case does not matter, `*` crosses slashes, a scope covers all below it."""
    body = fnmatch.translate(pattern.rstrip("/").lower()).removeprefix("(?s:").removesuffix(")\\Z").removesuffix(")\\z")
    return re.compile(f"(?s:{body})(/.*)?")


@lru_cache(maxsize=1024)
def text_glob(pattern: str) -> re.Pattern[str]:
    """Compile a glob for lower-cased texts, such as owners."""
    return re.compile(fnmatch.translate(pattern.strip().lower()))
