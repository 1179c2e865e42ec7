"""Assembles classic BPF, the language of seccomp's filters: instructions with named targets, jumps filled in."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = [
    "Instruction",
    "assemble",
    "jump_if_any",
    "jump_if_equal",
    "jump_if_not_less",
    "label",
    "load",
    "mask",
    "stop",
]

LOAD_WORD = 0x20  # <linux/bpf_common.h>: BPF_LD | BPF_W | BPF_ABS
AND = 0x54
JUMP_EQUAL = 0x15
JUMP_NOT_LESS = 0x35
JUMP_ANY = 0x45
RETURN = 0x06
FARTHEST = 255

Instruction = tuple[int, int, str | None, str | None]
"""Code, constant, where to go if true, and if false; None is the next one. A code of -1 is a label, named third."""


def load(offset: int) -> Instruction:
    """Load 32 bits of what is looked at."""
    return (LOAD_WORD, offset, None, None)


def mask(bits: int) -> Instruction:
    """Keep these bits of what was loaded."""
    return (AND, bits, None, None)


def jump_if_equal(value: int, target: str | None, otherwise: str | None = None) -> Instruction:
    """Go to `target` if what was loaded is `value`."""
    return (JUMP_EQUAL, value, target, otherwise)


def jump_if_not_less(value: int, target: str | None, otherwise: str | None = None) -> Instruction:
    """Go to `target` if what was loaded is `value` or more."""
    return (JUMP_NOT_LESS, value, target, otherwise)


def jump_if_any(bits: int, target: str | None, otherwise: str | None = None) -> Instruction:
    """Go to `target` if any of these bits is set in what was loaded."""
    return (JUMP_ANY, bits, target, otherwise)


def stop(value: int) -> Instruction:
    """End with this answer."""
    return (RETURN, value, None, None)


def label(name: str) -> Instruction:
    """Name the next instruction."""
    return (-1, 0, name, None)


def assemble(program: Sequence[Instruction]) -> bytes:
    """The bytes of a program: struct sock_filter, one after another. Raises ValueError where a jump is too far or goes
    nowhere."""
    places: dict[str | None, int] = {}
    instructions: list[Instruction] = []
    for instruction in program:
        if instruction[0] == -1:
            places[instruction[2]] = len(instructions)
        else:
            instructions.append(instruction)
    assembled = []
    for place, (code, constant, target, otherwise) in enumerate(instructions):
        jumps = [0 if name is None else places.get(name, -1) - place - 1 for name in (target, otherwise)]
        if not all(0 <= jump <= FARTHEST for jump in jumps):
            raise ValueError(f"instruction {place} jumps to {target} or {otherwise}, which is not within reach")
        assembled.append(struct.pack("=HBBI", code, *jumps, constant))
    return b"".join(assembled)
