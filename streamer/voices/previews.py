"""What a voice says to be heard by, where nobody says what: something of everything, in eight seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PREVIEWS: Mapping[str, str] = {
    "en": "Hello! This is how I sound. Shall we meet at seven, by the old bridge across the river?",
    "zh": "你好!这就是我的声音。我们七点在河上的老桥边见面,好吗?",
    "de": "Hallo! So klinge ich. Wollen wir uns um sieben an der alten Brücke über den Fluss treffen?",
    "fr": "Bonjour ! Voilà ma voix. On se retrouve à sept heures, près du vieux pont sur la rivière ?",
    "es": "¡Hola! Así suena mi voz. ¿Nos vemos a las siete, junto al viejo puente sobre el río?",
    "it": "Ciao! Questa è la mia voce. Ci vediamo alle sette, vicino al vecchio ponte sul fiume?",
    "pt": "Olá! Esta é a minha voz. Vamos nos encontrar às sete, junto à velha ponte sobre o rio?",
    "ru": "Привет! Вот так я звучу. Встретимся в семь часов у старого моста через реку?",
    "ja": "こんにちは。これが私の声です。七時に、川にかかる古い橋のそばで会いましょうか。",
    "ko": "안녕하세요! 제 목소리는 이렇습니다. 일곱 시에 강 위의 오래된 다리 옆에서 만날까요?",
}
"""By the first part of a language's tag."""


def preview_text(languages: Sequence[str]) -> str:
    """In the first of these languages (BCP 47) that there is one in, else in English."""
    for language in languages:
        if (text := PREVIEWS.get(language.lower().partition("-")[0])) is not None:
            return text
    return PREVIEWS["en"]
