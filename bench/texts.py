"""The texts that are measured with."""

from __future__ import annotations

SENTENCE = "The next train to the coast leaves the station soon."
"""10 words."""

PARAGRAPH = (
    "When the morning fog has finally lifted from the river, the first boats leave the harbour and"
    " turn slowly towards the open sea. Nobody on board speaks much at that hour. The skipper drinks"
    " his coffee, listens to the forecast and watches the gulls above the bow. Two hours later the"
    " nets are out, and there is time for a story or a song. Old Martha, who has sailed here for"
    " forty years, always tells the one about the whale. Everyone has heard it before. Still they"
    " laugh in the right places, because the day is long, bright and warm."
)
"""100 words that begin with a clause of 10."""

VARIED = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "She opened the window, looked down at the street, and waved to her neighbour.",
    "Please remember to bring your passport, your ticket and a warm jacket.",
    "After the storm had passed, the whole village came out to repair the bridge.",
    "I would like a table for two people, if possible close to the window.",
    "Why did nobody tell me that the meeting had been moved to the afternoon?",
    "The doctor said that a short walk every evening would do him good.",
    "When the music stopped, everyone in the room turned towards the door.",
    "My grandmother keeps her old letters in a wooden box under the bed.",
    "Cooking rice is simple: rinse it well, add water, and let it rest.",
    "Several students from the school have already finished their science project.",
    "Turn left at the church, and then follow the road for about a mile.",
    "It isn't easy to learn a new language, but it certainly is worth it.",
    "The museum opens at nine in the morning and closes late on Thursday.",
    "Our flight was delayed, so we spent the night in a small hotel.",
    "He paid twenty dollars for the book, which was more than he expected.",
    "Nobody knew where the cat had gone, until we heard it in the kitchen.",
    "Thank you for calling, your order will be shipped on Monday morning.",
    "In winter the lake freezes, and children skate there until it gets dark.",
    "Could you please speak a little more slowly, so that I can take notes?",
)
"""20 sentences, plain words only: what is judged is the speech, not how Whisper spells numbers."""

NUMBERS = (
    "Your total is $1,234.50, due on March 5th.",
    "The train leaves at 7:30 p.m. from platform 12.",
    "Version 2.5 was released in 1998 by Dr. Smith.",
)
"""Reported beside the others: here a word is spelled otherwise than it is spoken."""
