// Compiled, never run: what index.d.ts promises is what the sources are, and can be used as README.md does.
import * as said from "../index.js";
import * as built from "../src/streamer.js";
import * as player from "../src/player.js";
import type { Player } from "../player.js";

const exports: typeof said = built;
const backwards: keyof typeof said = "" as keyof typeof built;
const client: said.StreamerClient = new built.StreamerClient("ws://a");
const players: new (client: said.StreamerClient) => Player = player.Player;

export async function uses(signal: AbortSignal): Promise<string> {
  const one = new said.StreamerClient("ws://a", { key: async () => "k", voice: "heart", audio: { codec: "opus" }, signal });
  one.addEventListener("state", ({ detail }) => detail.state === "reconnecting");
  const ready: said.Ready = await one.connect({ signal });
  const context = one.start({ audio: "pcm_s16le", pacing: { lead_ms: 200 } });
  context.push(ready.session, { mark: "m", speed: 1.2 });
  context.end();
  try {
    for await (const event of context) {
      switch (event.type) {
        case "audio":
          return String(event.pts + event.data.length);
        case "words":
          return event.words.map((word) => context.text.slice(word.offset)).join();
        case "done":
          return event.reason;
      }
    }
  } catch (error) {
    if (error instanceof said.StreamerError && error.retryable) return error.code;
  }
  const captions = one.start({ input: "captions", captions: true, channel: "hall-1", cues: { origin_ms: "first", overrun: "merge" } });
  const id: string = captions.cue({ text: "Good evening.", start_ms: 0, end_ms: 900, voice: "Anna" });
  for await (const event of one.subscribe("hall-1", { back_ms: 5000, audio: "opus" })) {
    if (event.type === "late") return `${event.cue} ${event.by_ms} ${event.into ?? id}`;
    if (event.type === "skipped") return event.reason;
    if (event.type === "segment") return `${event.cue} ${event.rate}`;
    if (event.type === "caption") return event.words.map(({ text }) => text).join();
  }
  // @ts-expect-error a listener has no voice
  one.subscribe("hall-1", { voice: "heart" });
  // @ts-expect-error no such option
  one.start({ volumen: 1 });
  // @ts-expect-error a number
  context.played("far");
  const { heard_text }: said.Interrupted = await one.interrupt({ played_ms: 3 });
  return heard_text + String([exports, backwards, client, players]);
}
