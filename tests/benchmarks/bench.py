"""What every topic is given: how many rounds to measure, and where it may write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FLOWS", "PEERS", "ROOT", "Bench"]

ROOT = Path(__file__).resolve().parents[2]
FLOWS = Path(__file__).with_name("flows")
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """One run of the benchmarks."""

    scratch: Path
    """An empty folder on the file system of the checkout; removed afterwards."""
    quick: bool = False

    def rounds(self, count: int) -> int:
        """The number of rounds: a tenth of them, but two, in a quick run."""
        return max(2, count // 10) if self.quick else count
