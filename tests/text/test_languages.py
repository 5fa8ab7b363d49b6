"""What a voice can't say is found before synthesis; what it can say is never refused."""

from __future__ import annotations

import pytest

from streamer.text.languages import unspeakable

ENGLISH = """
Hello.
OK.
No.
Yes, no problem.
Hi, I'm Max.
Sure, I can help with that!
What's your order number?
One moment, please.
Me too.
Thanks, Pierre.
Bitte is German for please.
He said Guten Tag and left.
She answered, "Ich liebe dich," and hung up.
Say "Guten Tag" when you arrive.
Dr. Müller will see you at 3 p.m.
Meet Anna at Café Central.
Turn left on Avenida Santos Dumont.
I am Juan Carlos de la Cruz.
Your table at La Casa de Papel is ready.
We stayed in San José, Costa Rica.
The Los Angeles office is closed.
Las Vegas is hot.
Die Hard is on tonight.
The war was long and the men were tired.
He played Für Elise on the piano.
Order one crème brûlée and a piña colada.
The soup du jour is French onion.
It has a certain je ne sais quoi.
C'est la vie, as they say.
Et tu, Brute?
Try 'Como agua para chocolate' tonight.
Mi casa es su casa.
Hasta la vista, baby.
Ciao Maria!
Que sera, sera.
Bon appétit!
Voilà, it's done.
Your flight to São Paulo leaves at noon.
Zürich, Köln and München are cities.
Björn Borg won.
Łukasz Kowalski called you.
Run npm install react first.
Set up the server config.
git commit -m fix
The var is null.
Call foo.bar() in the loop.
Use sudo apt install ffmpeg.
It costs 3.50 euros.
Order 48213 is on its way.
Dial 555 0199.
3 2 1 go
Version 2.0.1 is out.
Open example.com/de/index.html now.
The URL is https://www.spiegel.de/.
Add 200 g of Mehl and stir.
My name is Wie Zhang.
IST is five and a half hours ahead of GMT.
The DAS and the NAS are both offline.
Que, the dog, ran.
Van der Berg scored twice.
Von Neumann and von Braun met once.
Ludwig van Beethoven was born in Bonn.
Nous Research released a model.
El Niño brings rain.
Pad thai, pho, and banh mi.
El Al, KLM, Iberia and TAP fly there.
Jag and Land Rover are brands.
Du Pont makes it.
Como, Italy, is lovely.
Sinn Féin won seats.
Please spell Schadenfreude.
Alas, poor Yorick!
Well, hm, let me think.
Au revoir, my friend.
""".strip().splitlines()

FOREIGN = {
    "de": (
        "Guten Tag, wie geht es Ihnen?",
        "Das ist gut.",
        "Ich hätte gern einen Kaffee.",
        "Wo ist der Bahnhof?",
        "Wir können heute leider nicht kommen.",
        "Die Rechnung wurde gestern an Sie geschickt.",
    ),
    "fr": (
        "Bonjour, comment puis-je vous aider ?",
        "Je ne sais pas où il est.",
        "Merci beaucoup, c'est très gentil.",
        "Nous avons une table pour quatre personnes.",
        "Qu'est-ce que vous voulez manger ce soir ?",
    ),
    "es": (
        "Hola, ¿qué tal?",
        "¿Dónde está el baño?",
        "No tengo tiempo para eso.",
        "Quiero una mesa para dos personas, por favor.",
        "Muchas gracias por su ayuda, señor.",
    ),
    "it": (
        "Buongiorno, vorrei un caffè.",
        "Dove sono i miei occhiali? Non lo so.",
        "Questo è molto bello.",
    ),
    "pt": ("Olá, como você está?", "Eu não sei onde ele mora.", "Muito obrigado pela ajuda."),
    "nl": ("Goedemorgen, hoe gaat het met jou?", "Ik weet het niet.", "Waar is het station?"),
    "sv": ("Jag vill inte gå hem nu.", "Hej, hur mår du idag?"),
    "da": ("Jeg ved det ikke.", "Hvor er du henne?"),
    "pl": ("Dzień dobry, jak się masz?", "Nie wiem, gdzie on jest."),
    "tr": ("Merhaba, nasıl yardımcı olabilirim? Bu çok iyi.",),
}


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_never_refused(text: str) -> None:
    assert unspeakable(text, ("en",)) is None


@pytest.mark.parametrize("text", [text for texts in FOREIGN.values() for text in texts])
def test_another_language_is_found_at_its_first_character(text: str) -> None:
    assert unspeakable(text, ("en-US",)) == 0


@pytest.mark.parametrize("language", FOREIGN)
def test_a_voice_of_the_language_can_say_it(language: str) -> None:
    for text in FOREIGN[language]:
        assert unspeakable(text, (language,)) is None


def test_the_offset_is_that_of_the_first_foreign_sentence() -> None:
    text = "That is easy. Das ist nicht gut. The end."
    assert unspeakable(text, ("en",)) == text.index("Das")


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("Привет", 0),
        ("Say привет now", 4),
        ("你好", 0),
        ("Tokyo is 東京 here", 9),
        ("안녕", 0),
        ("The angle α is 30", 10),
        ("مرحبا", 0),
        ("Room ٣", 5),
        ("नमस्ते", 0),
        ("שלום", 0),
        ("สวัสดี", 0),
        ("Great 👍 мир", 8),
    ],
)
def test_a_letter_of_another_script_is_found(text: str, offset: int) -> None:
    assert unspeakable(text, ("en",)) == offset


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "😊 🎉",
        "5 µm, 20 °C, ½ and m²",
        "naïve café résumé Ærø łódź",
        "𝗯𝗼𝗹𝗱 and １２",
        "→ ✓ € £ ¥ © ™ №",
        "zero\u200bwidth",
        "cafe\u0301",
    ],
)
def test_marks_accents_and_symbols_are_of_no_other_script(text: str) -> None:
    assert unspeakable(text, ("en",)) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Привет, iPhone!"),
        ("zh", "你好, OK"),
        ("ja", "今日はOpenAIです"),
        ("ko", "안녕하세요"),
        ("el", "Γειά σου"),
        ("ar", "مرحبا ٣"),
        ("hi", "नमस्ते"),
        ("th", "สวัสดี"),
    ],
)
def test_a_voice_can_say_its_own_script(language: str, text: str) -> None:
    assert unspeakable(text, (language,)) is None


def test_a_voice_of_another_script_does_not_take_latin_text_alone() -> None:
    assert unspeakable("1. Hello", ("ru",)) == 3
    assert unspeakable("今日は", ("zh",)) == 2


def test_a_declared_language_the_voice_lacks_is_refused_at_the_first_letter() -> None:
    assert unspeakable("1. Hello", ("en",), "de") == 3
    assert unspeakable("123 !", ("en",), "de") is None
    assert unspeakable("Hello", ("en-US",), "en-GB") is None


def test_a_declared_language_is_believed_but_for_its_script() -> None:
    assert unspeakable("Das ist gut.", ("en",), "en") is None
    assert unspeakable("Das ist мир.", ("en",), "en") == 8


def test_a_voice_without_languages_takes_everything() -> None:
    assert unspeakable("Привет", ()) is None
