// What passes through it, quantum by quantum, with its frame.
registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([[input]], [[output]]) {
    const samples = input ?? new Float32Array(128);
    output.set(samples);
    this.port.postMessage([currentFrame, samples.slice()]);
    return true;
  }
});
