"""A byte-level vocabulary of a few words, for checkpoints of noise. Nothing is downloaded for it."""

from __future__ import annotations

_WORDS = (
    "assistant|user| the| a| and| is| to| of| you| it| in| that| was| for| this| voice| speech| test"
    "|Hello| hello| world| calm| deep| reads|ing|tion|er|ed| re|你好|世界|，|。|こんにちは| été| где"
    "|HelloWorld|//\n/"
).split("|")
SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|>"
    " <|box_end|> <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|>"
    " <|image_pad|> <|video_pad|> <tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|>"
    " <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response> </tool_response> <think> </think>"
    " <|audio_start|> <|audio_end|> <tts_pad> <tts_text_bos> <tts_text_eod> <tts_text_bos_single>"
    " <|audio_pad|>"
).split()
"""Control tokens, whose ids follow on the vocabulary's."""
SMALLEST = 387
"""Tokens of `vocabulary` with nothing to fill it up."""


def vocabulary(size: int = SMALLEST) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens (in the alphabet of byte-level BPE) to ids, and merges by rank. `size`: filled up to so many,
    with tokens that no text has."""
    letters = _letters()
    words = {letter: index for index, letter in enumerate(sorted(letters.values()))}
    merges = []
    for word in _WORDS:
        left, *rest = (letters[byte] for byte in word.encode())
        for right in rest:
            if left + right not in words:
                words[left + right] = len(words)
                merges.append((left, right))
            left += right
    words |= {f"<{index}>": index for index in range(len(words), size)}
    return words, merges


def _letters() -> dict[int, str]:
    """Bytes to the characters that stand for them: printable ones for themselves (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (byte for byte in range(256) if byte not in plain)
    return {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + index) for index, byte in enumerate(others)
    }
