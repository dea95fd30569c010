"""What a process spends its CPU time on: each moment counts for the innermost of the calls that are watched.

It is the time of the thread that calls, in Python, in C and in the kernel, so that what lets go of its lock counts.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REST = "the rest"


class Cipher:
    """AES-256-GCM as `cohortium.sealed` calls it, in a class whose calls can be watched."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, nonce: bytes, content: bytes, about: bytes) -> bytes:
        return self._cipher.encrypt(nonce, content, about)

    def decrypt(self, nonce: bytes, content: bytes, about: bytes) -> bytes:
        return self._cipher.decrypt(nonce, content, about)


class Shares:
    """CPU seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._mine = threading.local()

    def watch(self, what: str, *calls: tuple[Any, str]) -> None:
        """Let every call of these attributes, each of the object or module before it, count as `what`."""
        for owner, name in calls:
            setattr(owner, name, self._timed(what, getattr(owner, name)))

    def _timed(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **more: Any) -> Any:
            with self.of(what):
                return call(*arguments, **more)

        return timed

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Count the block as `what`, but for what within it counts as something else."""
        mine = self._mine
        before = getattr(mine, "what", REST)
        self._turn(what)
        try:
            yield
        finally:
            self._turn(before)

    def _turn(self, what: str) -> None:
        now, mine = time.thread_time(), self._mine
        self.spent[getattr(mine, "what", REST)] += now - getattr(mine, "since", now)
        mine.what, mine.since = what, now

    def show(self, total: float, count: int) -> Iterator[str]:
        """A line for each, of so many CPU seconds for so many files, the dearest first."""
        named = {what: spent for what, spent in self.spent.items() if what != REST}
        for what, spent in sorted(named.items(), key=lambda each: -each[1]):
            yield f"  {what:<30}{spent / count * 1000:8.3f} ms a file{spent / total:7.0%}"
        rest = total - sum(named.values())
        yield f"  {REST:<30}{rest / count * 1000:8.3f} ms a file{rest / total:7.0%}"
