// Captions to try: two who speak, one too dense for its time, one that can't be heard in time, a sound, a line said twice.

export const SAMPLE = `WEBVTT

00:00:00.500 --> 00:00:03.200
<v Anna>Good evening, and welcome to the town hall.

00:00:03.400 --> 00:00:05.400
<v Ben>Thank you. It is good to be here.

00:00:05.600 --> 00:00:07.000
[applause]

00:00:07.200 --> 00:00:09.000
<v Anna>This cue has more words than there is time for, so it is hurried.

00:00:09.000 --> 00:00:10.000
<v Anna>The next ones come so fast that even a hurried voice falls behind them.

00:00:10.000 --> 00:00:11.000
<v Ben>So I begin late,

00:00:11.000 --> 00:00:13.500
<v Ben>So I begin late,
and the page says by how much.

00:00:15.500 --> 00:00:17.500
<v Anna>Then there is silence, and time is made up for.

00:00:18.500 --> 00:00:21.000
<v Ben>Every cue is heard when its time has come.
`;
