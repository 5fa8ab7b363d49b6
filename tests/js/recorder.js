// What passes through it, quantum by quantum, with its frame.
registerProcessor("recorder", class extends AudioWorkletProcessor {
  frame = 0;

  process([[input]], [[output]]) {
    const samples = input ?? new Float32Array(128);
    output.set(samples);
    // Chromium leaves `currentFrame` as it was where the page holds its lock.
    this.frame = Math.max(this.frame, currentFrame);
    this.port.postMessage([this.frame, samples.slice()]);
    this.frame += samples.length;
    return true;
  }
});
