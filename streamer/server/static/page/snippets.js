// What this page does, as curl, Python and JavaScript.

const quoted = JSON.stringify;
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (value) => (value === true ? "True" : value === false ? "False" : quoted(value));

/** `wish`: text, voice, options and format as the form has them; `keyed`: the server asks for a key. */
export function snippet(language, wish, keyed) {
  return { curl, python: pythonClient, js }[language](wish, keyed);
}

function curl({ text, options, audio }, keyed) {
  const body = JSON.stringify({ text, ...options, ...(audio.codec === "opus" ? {} : { audio }) });
  const lines = [`curl -N ${location.origin}/v1/speech`];
  if (keyed) lines.push('-H "Authorization: Bearer $STREAMER_KEY"');
  lines.push(`-d ${shell(body)}`, `-o speech.${extension(audio.codec)}`);
  return lines.join(" \\\n  ");
}

function pythonClient({ text, options, audio }, keyed) {
  const named = Object.entries({ ...options, audio: audio.codec }).map(([name, value]) => `, ${name}=${python(value)}`).join("");
  const key = keyed ? ', os.environ["STREAMER_KEY"]' : "";
  return `import asyncio${keyed ? "\nimport os" : ""}

import streamer
from streamer.types import Audio, Words


async def main() -> None:
    async with streamer.connect(${quoted(location.origin)}${key}) as client:
        async for event in client.speak(${quoted(text)}${named}):
            match event:
                case Audio():
                    print(event.packet.pts, len(event.packet.data))
                case Words():
                    print([word.text for word in event.words])


asyncio.run(main())`;
}

function js({ text, options }, keyed) {
  const stated = { ...(keyed && { key: "a token of POST /v1/tokens" }), ...options };
  const fields = Object.entries(stated).map(([name, value]) => `  ${name}: ${quoted(value)},\n`).join("");
  const wish = `, {\n${fields}  audio: Player.audio(),\n}`;
  return `import { Player } from "${location.origin}/client/player.js";
import { StreamerClient } from "${location.origin}/client/streamer.js";

const client = new StreamerClient(${quoted(location.origin)}${wish});
const player = new Player(client);
player.addEventListener("word", ({ detail }) => console.log(detail.word.text));

document.body.addEventListener("click", async () => {
  await player.unlock(); // a page may sound only after a gesture
  client.push(${quoted(text)});
  client.end();
  await player.play();
});`;
}

/** The usual ending of a file that holds this codec as `POST /v1/speech` sends it. */
export function extension(codec) {
  const others = { opus: "ogg", mp3: "mp3", aac: "aac", flac: "flac" };
  return others[codec] ?? "wav";
}
