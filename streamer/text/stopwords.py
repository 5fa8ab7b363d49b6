"""Common little words of the big languages in Latin script, and the letters only they use.

For telling clearly foreign sentences apart, so words that English (or a foreign name within English)
also has are left out: "die", "war", "on", "de", "la", "van", "el".
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    "en": """
        the and are were been of that this these those with from you your i'm i'll i've we our they
        them their his him its not can't does did don't didn't won't isn't have has had would could
        should what when where which who why how there my if but or about please yes thanks thank
        okay let's it's that's what's you're we're they're he's she's it to she he be by get go make
        take want need know see just like time new now will can do one two out up all some more any
        here back good great sure help try then than into over after before first last next very
        hello hi for at as so
    """,
    "de": """
        ich wir ihr ihnen ihm ihn mich dich uns euch mir dir mein meine meinen meinem meiner dein
        deine deinen seine seinen unser unsere ist sind bist seid waren wird wirst werden wurde
        wurden habe haben hast hatte hatten kann kannst können könnte könnten möchte möchten müssen
        muss soll sollte sollten nicht kein keine keinen und oder aber auch noch schon nur sehr wenn
        weil dass daß ob wie wer wo warum wann dort jetzt heute morgen gestern ein eine einen einem
        einer eines das dem mit zu zum zur nach für über auf durch gegen ohne zwischen geht gehen
        gibt gut guten danke bitte hallo nein mehr viel viele immer wieder dann denn doch es sie hier
        ja vom beim ins diese dieser dieses diesen welche etwas nichts
    """,
    "fr": """
        je tu elle nous vous ils elles mon mes tes ses notre nos votre vos leur leurs suis êtes
        sommes sont était étaient c'est j'ai n'est qu'il une des du aux mais donc que qui quoi où quand
        pourquoi combien avec dans sur chez très bien merci bonjour bonsoir oui pas fait faire
        être avoir avez avons ont voudrais voulez peux peut pouvez cette ces ce il ne sais aussi
        toujours jamais rien tout tous toute toutes aujourd'hui demain hier maintenant ici là après
        avant depuis comme parce plaît est les au
    """,
    "es": """
        yo tú él ella nosotros ellos ellas usted ustedes que qué quien quién cómo cuál dónde cuándo
        cuánto por porque para pero muy más también sí estoy estás está están estamos soy eres es
        somos fue hay tengo tiene tienes tienen quiero quieres quiere puedo puedes puede hola gracias
        buenos buenas días noches una este esta esto eso ese esa hacer hace aquí ahora mañana ayer hoy
        siempre nunca todos cuando donde desde hasta como en se nos ya algo nada bien qué
    """,
    "it": """
        io lui lei noi voi loro mio mia tuo tua suo sua nostro vostro sono sei siamo siete hai abbiamo
        avete hanno che chi cosa dove quando perché quanto senza della dello delle degli dei nel nella
        nei sul sulla questo questa quello quella molto più anche una gli il bene grazie prego
        buongiorno buonasera vorrei posso può puoi fatto oggi domani ieri sempre già è sta stai
        sto allo alle tutto tutti ancora adesso così
    """,
    "pt": """
        eu você vocês ele ela nós eles elas meu minha seu sua não sim é são está estou estão foi tem
        tenho temos que quem onde quando como porque por para sem mas mais muito também um uma os nos
        nas ao pelo pela isso isto este esta aqui agora hoje amanhã ontem sempre obrigado obrigada olá
        bom noite tarde bem fazer pode posso quero já só até depois
    """,
    "nl": """
        gaat jou ik jij je hij zij wij jullie mijn jouw zijn haar ons onze bent waren wordt worden heb hebt
        heeft hebben kan kunnen moet moeten zou niet geen en maar ook nog wel als dat wat wie
        waar waarom wanneer hier daar nu het een voor naar uit bij onder tussen goed
        bedankt alstublieft goedemorgen goedendag vandaag gisteren deze dit meer veel zeer aan er
    """,
    "sv": """
        jag du vi ni mitt ditt är varit har hade kan ska skulle vill inte ingen och eller också att
        som när vad vem varför hur här där nu ett en det dem på av från med för efter mycket
        tack hej idag imorgon igår oss mig
    """,
    "da": """
        jeg du hun vi er hvor har havde kan skal skulle vil ikke ingen og eller også som når hva hvad hvem
        hvorfor hvordan nå nu et en det på av af til fra med etter efter mye meget godt takk tak hei
        hej dag deg meg mig oss os noe noget
    """,
    "pl": """
        ja ty ona wy oni jest są był była było być mam masz nie tak lub albo oraz że kto gdzie kiedy
        dlaczego jak tego tej tym od dla przez przed bez się mnie ciebie jego jej czy bardzo
        dobrze dziękuję proszę dzień dobry cześć już jeszcze tylko na za w z
    """,
    "tr": """
        siz onlar bu şu ve veya ama için ile gibi çok daha değil mı nerede nasıl neden yok bir
        iyi merhaba teşekkür ederim lütfen evet hayır bugün yarın şimdi olarak kadar sonra bana sana
    """,
}

LETTERS: dict[str, str] = {
    "de": "äöüß",
    "fr": "àâçèêëîïôùûœé",
    "es": "ñáéíóú",
    "it": "àèéìòù",
    "pt": "ãõçáéíóúâê",
    "nl": "ëï",
    "sv": "åäö",
    "da": "æøå",
    "pl": "ąćęłńóśźż",
    "tr": "çğışöü",
}
"""Letters of a language that English doesn't use but in borrowed words."""


def _speakers() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for language, words in WORDS.items():
        for word in words.split():
            table.setdefault(word, set()).add(language)
    return {word: frozenset(languages) for word, languages in table.items()}


SPEAKERS = _speakers()
"""Each word and the languages that have it."""
