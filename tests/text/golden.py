"""Texts with their sentence boundaries marked by ¶: what the segmenter must find, cut="sentence".

Written for this project. The phenomena are those that sentence segmenters are commonly tested for, and
what language models write when they talk.
"""

from __future__ import annotations

ENGLISH = (
    # plain sentences and marks
    "The door is open.¶ Come in.",
    "Where did you park?¶ The garage is full.",
    "Watch out!¶ The floor is wet.",
    "You did what?!¶ I can't believe it.",
    "No way!!!¶ Tell me more.",
    "Is it raining??¶ Take an umbrella.",
    "hey there. how are you doing? i'm fine".replace(". ", ".¶ ").replace("? ", "?¶ "),
    "Wow! that was quick.".replace("! ", "!¶ "),
    # titles, initials, names
    "I spoke to Dr. Alvarez this morning.¶ She agreed.",
    "Mr. and Mrs. Okafor arrived.¶ They sat down.",
    "Prof. Lindqvist teaches here.¶ Gen. Ortega does not.",
    "My doctor is Jane E. Mercer.¶ Call her.",
    "We read T. S. Eliot in class.¶ It was hard.",
    "The author J.R.R. Tolkien wrote it.¶ Everyone knows that.",
    "It was only you and I.¶ Did you hear that Nadia I. Petrov left?",
    "Let's go with plan B.¶ Then we can leave early.",
    "Oranges have vitamin C.¶ They taste good too.",
    "He moved to St. Louis.¶ We live in Ft. Worth.",
    "Sen. Hall voted no.¶ So did Rep. Cho.",
    # companies and abbreviations in and at the end of a sentence
    "She joined Hartley & Co. last May.¶ It is a small firm.",
    "The deal with Brandt, Cole & Co.¶ It closed on Friday.",
    "Acme Inc. makes anvils.¶ Contoso Ltd. makes maps.",
    "We bought apples, pears, etc.¶ Nadia paid.",
    "Bring tea, milk, etc. when you come.¶ Thanks.",
    "Use a list, e.g. a tuple, i.e. something fixed.¶ It helps.",
    "Try a mammal, e.g. Whales are big.",
    "It is Smith vs. Jones tonight.¶ Who wins?",
    "Turn left on Main St. and stop.¶ The shop is on Fifth Ave.¶ You can park there.",
    "See Fig. 3 and pp. 12 to 15.¶ They explain vol. 2.",
    "Is that right? No.¶ I don't think so.".replace("? ", "?¶ "),
    "It is item No. 12 on the list.¶ Look again.",
    "The study by Moreau et al. was small.¶ However, it was careful.",
    "The meeting is on Jan. 5 or Feb. 7.¶ Choose one.",
    "It is 5 ft. tall and 20 lbs. heavy.¶ The box is bigger.",
    "We met on Sat. and again on Sun.¶ The weather was fine.",
    "The cat sat.¶ Dogs ran.",
    "He earned a Ph.D. in physics.¶ Now he cooks.",
    "She has a B.Sc. from M.I.T.¶ She likes it there.",
    # acronyms with full stops
    "They moved to the U.S. in March.¶ They like it.",
    "I live in the U.K.¶ Where do you live?",
    "I work for the U.S. Government in Ohio.¶ It pays well.",
    "She has lived in the U.S. for ten years.¶ He has not.",
    # clock times
    "The train leaves at 5 p.m. from platform two.¶ Don't be late.",
    "We open at 9 a.m.¶ The bakery opens earlier.",
    "He went home at 6 P.M.¶ Mr. Ito stayed until ten.",
    "At 7 a.m. Mr. Ito unlocked the door.¶ Nobody came.",
    "The call is at 3 p.m. Eastern.¶ I will send a link.",
    "It starts at 7:30.¶ Doors open at 7:00 sharp.",
    # numbers, money, versions
    "It costs $3.50 today.¶ Yesterday it was $4.",
    "The total is $1,234.50.¶ Shall I pay?",
    "Pi is about 3.14159.¶ Round it.",
    "It happened in 2020.¶ The world changed.",
    "He scored 7.¶ She scored 9.5.",
    "Upgrade to v2.0.1 or Python 3.11.¶ Older ones fail.",
    "The rate rose by 0.5%.¶ That is a lot.",
    "He paid .75 cents.¶ Fine.",
    "Call 555.123.4567 now.¶ Ask for Ruth.",
    "The answer: 4.¶ Next question.",
    # addresses and file names
    "Write to anna.b@example.com.¶ She will answer.",
    "Open https://example.com/a.b?c=d&e=1.2 first.¶ Then log in.",
    "Visit www.example.org.¶ It is free.",
    "Edit config.yaml and main.py.¶ Then run it.",
    "I use Node.js and ASP.NET every day.¶ .NET is fine too.",
    "Add !important to the rule.¶ It wins.",
    "Yahoo! is a company.¶ So is Google.",
    # quotes and brackets
    'He whispered, "It is late." and left.¶ We stayed.',
    'She looked up, "This is it."¶ Then she laughed.',
    "She looked up, 'This is it.' she said.¶ He nodded.",
    "She looked up, “This is it.”¶ Then she laughed.",
    '"Are you there?" she asked.¶ Nobody answered.',
    '"I came. I saw. I left." That was all.'.replace('" That', '"¶ That'),
    "He teaches maths (he used to be a baker.) at the school.¶ It works.",
    "(It was dark. Nobody saw us.)¶ We ran.",
    "I agree (mostly).¶ Do you?",
    'He saw a 6" pipe.¶ It leaked.',
    # ellipses
    "Well... maybe later.¶ We will see.",
    "I waited....¶ Nobody came.",
    "Let me think…¶ The answer is nine.",
    "I... I don't know.¶ Sorry.",
    "Hmm... so you mean the red one?¶ Yes.",
    "The habit faded . . . and was lost.¶ It came back.",
    "It ended with a sigh . . . .¶ Next came silence.",
    "The custom was old. . . .¶ It died.".replace(". . . .¶ It", ".¶ . . . It"),
    # no space after the full stop
    "It works.Try it now.¶ Good.".replace("works.Try", "works.¶Try"),
    "Hello there.¶Today is Monday.¶Mr. Ito paid 1,000.¶That is much.",
    # lists
    "1. Wash the rice. 2. Boil the water. 3. Wait.".replace(". 2", ".¶ 2").replace(". 3", ".¶ 3"),
    "1) Wash the rice¶ 2) Boil the water¶ 3) Wait",
    "1.) Wash the rice¶ 2.) Boil the water",
    "1. The first one¶ 2. The second one",
    "• First thing¶ • Second thing¶ • Third thing",
    "• 9. The ninth¶ • 10. The tenth",
    "a. The red one b. The blue one".replace(" b.", "¶ b."),
    "Steps: 1. Open the lid¶ 2. Press the button",
    "- milk\n¶- eggs\n¶- bread",
    "Here is the plan:\n¶1. Pack\n¶2. Go",
    # lines
    "# Heading\n¶The text begins here.",
    "First paragraph\n\n¶second paragraph",
    "features\n¶contact list\n¶events and tasks",
    "This line of a letter was wrapped by an editor long\nago and goes on here.¶ It ends.",
    "It was a warm \nnight by the sea.",
    # emoji
    "Great job! 🎉¶ Let's move on.",
    "Done. ✅ 🚀¶ What is next?",
    "That is so kind 😊 of you.¶ Thank you!",
    "Sure!😊¶ Here it is.",
    # markdown
    "This is **important.** Do it.".replace("** Do", "**¶ Do"),
    "**Note:** save first.¶ *Then* quit.",
    "Read [the guide. It helps](https://example.com/a.b) today.¶ Bye.",
)

AGENT = (
    "Sure, I can help with that!¶ What's your order number?",
    "I've booked a table for four at 7:30 p.m. on Friday.¶ Would you like a reminder?",
    (
        "Your balance is $1,204.77, and the next payment of $89.99 is due on Dec. 3.¶ "
        "Shall I pay it now?"
    ),
    "Thanks for calling Dr. Patel's office.¶ She's out until 2 p.m.¶ Can I take a message?",
    (
        "Okay, let me check... I see two flights.¶ The first leaves at 6:05 a.m. and costs $240.¶ "
        "The second leaves at noon."
    ),
    "You can reach us at support@example.com or on +1 (555) 010-9999.¶ We're open 24/7.",
    "It's about 3.5 miles from here, i.e. a ten-minute drive.¶ Traffic is light.",
    (
        "Got it!¶ Your package, no. 48213, was shipped on Mon. and arrives on Thu. or Fri.¶ "
        "Anything else?"
    ),
    "Python 3.12 is out.¶ You should upgrade, e.g. with pip install -U.¶ Need the command?",
    (
        "The capital of Australia is Canberra, not Sydney.¶ Many people get that wrong! 😄¶ "
        "Want another question?"
    ),
    'So you said, "I never got the e-mail."¶ Let me look.',
    (
        "Here's what I found:\n¶- A hotel near 5th Ave.\n¶- A hostel on Main St.\n¶"
        "Which one do you prefer?"
    ),
    "The U.S. team won 3-1.¶ What a game!",
    "Please say yes or no.¶ Yes?¶ Great.",
    "iPhone prices start at $799.¶ iPads are cheaper.",
    "We ship to the U.S., the U.K. and the E.U.¶ It takes 3 to 5 days.",
)

OTHER = {
    "zh": (
        "今天天气很好。¶我们去公园吧！¶你想去吗？",
        "他看了《摔跤吧！爸爸》这部电影。¶很好看。",
        "价格是3.5元。¶可以吗？",
        "好的！😊¶马上来。",
        "“你好。”¶他走了。",
    ),
    "ja": (
        "今日は暑いです。¶水を飲みましょう！",
        "彼は「行きます。」と言いました。¶本当ですか？",
        "（静かに。誰もいない。）¶行こう。",
    ),
    "ko": (
        "안녕하세요. 저는 민수입니다.".replace(". 저", ".¶ 저"),
        "회의는 2024. 5. 3. 오후에 있습니다.¶ 오세요!",
        "정말요?¶ 네, 정말이에요.",
    ),
    "de": (
        "Das Wetter ist schön.¶ Wir gehen raus!",
        "Es kostet 3,50 Euro.¶ Ist das viel?",
        "Er sagte: „Ich komme. Warte.“¶ Dann ging er.",
    ),
    "fr": (
        "Où est la gare ?¶ Elle est loin !¶ Merci.",
        "Il a dit « bonjour. » et partit.¶ Voilà.",
    ),
    "es": (
        "¿Dónde está el baño?¶ ¡Qué bien!¶ Gracias.",
        "Son las tres.¶ ¿Vamos?",
    ),
    "it": ("Che ore sono?¶ Sono le due.¶ Andiamo!",),
    "pt": ("Bom dia!¶ Tudo bem?¶ São três horas.",),
    "ru": ("Привет!¶ Как дела?¶ Всё хорошо.",),
    "hi": ("यह अच्छा है।¶ चलो चलें।",),
    "ar": ("كيف حالك؟¶ أنا بخير.",),
}


def segments(case: str) -> tuple[str, list[str]]:
    """The text of a case, and its segments."""
    return case.replace("¶", ""), [part.strip() for part in case.split("¶")]
