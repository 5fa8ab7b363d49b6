"""Texts: some that are hard to get right, some that nobody in their senses would send."""

from __future__ import annotations

from random import Random

_PIECES = (
    *(
        "Hello there. ",
        "It costs $1,234.50, or 5% more. ",
        "Is it 7:30 p.m. yet? ",
        "Dr. A. B. Smith ",
    ),
    *(
        "**bold** _and_ `code` ",
        "[label](https://example.org/a?b=c) ",
        "[text](/foʊn/) ",
        "# Head\n",
    ),
    *("- item\n- item\n", "| a | b |\n|---|---|\n", "```\nx = 1\n```\n", "> quoted\n\n", "~~no~~ "),
    *(
        "https://example.org/",
        "a@b.example ",
        "v1.2.3-rc.4 ",
        "... … ",
        "?!?!?! ",
        "«guten» ",
        "“quoted.” ",
    ),
    *(
        "你好，世界。",
        "こんにちは。",
        "Привет, мир! ",
        "שלום עולם. ",
        "مرحبا بالعالم. ",
        "ไทย ",
        "हिन्दी ",
    ),
    *("👩‍👩‍👧‍👦", "🇩🇪", "❤️", "é́́́", "\u200d", "\u202e", "\ufeff", "\u00ad", "ﬁ", "ß", "İ"),
    *(
        "\x00",
        "\x1b[31m",
        "\r\n",
        "\t",
        "\u2028",
        "\x85",
        "\\",
        '"',
        "<b>&amp;</b>",
        "%s{}",
        "\U0010ffff",
    ),
    *(
        "a" * 300,
        "1" * 60,
        "(((((",
        "*****",
        "_____",
        "[[[[[",
        "!!!!",
        "    ",
        ".",
        ",",
        "—",
        "-",
        "$",
        "&",
    ),
)


def odd_text(random: Random) -> str:
    """Anything from nothing to some hundred characters."""
    if random.random() < 0.05:
        return "".join(chr(random.randrange(0xD800)) for _ in range(random.randrange(80)))
    text = "".join(random.choice(_PIECES) for _ in range(random.randrange(6)))
    cut = random.randrange(len(text) + 1) if random.random() < 0.3 else len(text)
    return text[:cut]
