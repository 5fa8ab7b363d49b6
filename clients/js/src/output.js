// Where the queue of sound is read: in an AudioWorklet, or, where a page may have none, on the page itself.
import { Jitter, source } from "./jitter.js";

/** One module of a name per AudioContext, however many players. @type {WeakMap<BaseAudioContext, Promise<void>>} */
const loaded = new WeakMap();

/** @param {AudioContext} context @param {string | URL} [workletUrl] */
async function load(context, workletUrl) {
  const worklet = context.audioWorklet;
  if (workletUrl) return worklet.addModule(String(workletUrl));
  const blob = URL.createObjectURL(new Blob([source()], { type: "text/javascript" }));
  try {
    await worklet.addModule(blob);
  } catch {
    // A strict Content-Security-Policy: the same module as a file.
    await worklet.addModule(String(new URL("./worklet.js", import.meta.url)));
  } finally {
    URL.revokeObjectURL(blob);
  }
}

/**
 * @param {AudioContext} context @param {AudioNode} target
 * @param {{ workletUrl?: string | URL, prebufferMs: number }} options
 * @param {(notice: any) => void} tell
 */
export async function worklet(context, target, options, tell) {
  let loading = loaded.get(context);
  if (!loading) loaded.set(context, (loading = load(context, options.workletUrl)));
  await loading.catch((error) => {
    loaded.delete(context);
    throw error;
  });
  const node = new AudioWorkletNode(context, "streamer-player", {
    numberOfInputs: 0, outputChannelCount: [1], processorOptions: { prebufferMs: options.prebufferMs },
  });
  node.port.onmessage = ({ data }) => tell(data);
  node.onprocessorerror = () => tell({ type: "broken" });
  node.connect(target);
  return {
    /** @param {string} name @param {any[]} values */
    post(name, ...values) {
      const buffers = values.filter((value) => value instanceof Float32Array).map((value) => value.buffer);
      node.port.postMessage([name, ...values], buffers);
    },
    close() {
      node.port.postMessage(["close"]);
      node.disconnect();
    },
  };
}

/**
 * The queue on the page, in pieces of 20 ms that are handed to the context ahead of their time.
 * @param {AudioContext} context @param {AudioNode} target @param {{ prebufferMs: number }} options
 * @param {(notice: any) => void} tell @param {any} clock
 */
export function scheduled(context, target, options, tell, clock) {
  const rate = context.sampleRate, block = Math.round(rate / 50);
  const queue = /** @type {any} */ (new Jitter(rate, tell, options.prebufferMs));
  /** @type {Set<AudioBufferSourceNode>} */
  let sources = new Set();
  let gain = context.createGain();
  let next = 0;
  gain.connect(target);
  const timer = setInterval(pump, 20);

  function pump() {
    if (context.state !== "running") return;
    const now = Math.ceil(context.currentTime * rate), soonest = now + block;
    // A hidden page's timers come once a second.
    const lead = document.hidden ? 1.5 * rate : 0.15 * rate;
    if (next < soonest) next = soonest;
    while (next < now + lead) {
      const track = queue.tracks[0];
      // Half a block is no reason to run dry while there is time.
      if (track && track.ahead < block && track.total === Infinity && next > now + 3 * block) break;
      const out = new Float32Array(block), count = queue.read(out, next);
      if (!count) break;
      play(out.subarray(0, count));
      next += count;
    }
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  function play(samples) {
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(context, { buffer });
    node.connect(gain);
    node.start(next / rate);
    sources.add(node);
    node.onended = () => sources.delete(node);
  }

  /** Fades what is scheduled, and tells the queue where that cut it off. @param {number} id */
  function hush(id) {
    const now = context.currentTime, frame = Math.ceil((now + 0.005) * rate);
    gain.gain.setValueAtTime(1, now);
    gain.gain.linearRampToValueAtTime(0, frame / rate);
    for (const node of sources) node.stop(frame / rate);
    sources = new Set();
    const heard = clock.position(id, frame);
    clock.cut(frame);
    clock.add({ id, media: heard, frame, running: false });
    gain = context.createGain();
    gain.connect(target);
    next = 0;
    queue.sounding = false;
    queue.frame = frame;
    queue.back(id, heard);
  }

  return {
    /** @param {string} name @param {any[]} values */
    post(name, ...values) {
      const stops = name === "flush" || name === "hold";
      if (stops && clock.anchors.some((/** @type {any} */ anchor) => anchor.id === values[0])) hush(values[0]);
      queue[name](...values);
      pump();
    },
    close() {
      clearInterval(timer);
      gain.disconnect();
    },
  };
}
