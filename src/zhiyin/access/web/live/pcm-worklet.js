// AudioWorklet: converts the microphone to 16 kHz mono int16 chunks, in the audio thread.

const SAMPLE_RATE = 16000;
const CHUNK = 1600; // samples: 100 ms
const ZERO_CROSSINGS = 12; // of the low-pass filter, on each side
const TABLE_STEPS = 512; // entries of its table between two zero crossings

/** Half of a Hann-windowed sinc: a low-pass filter against aliasing. */
function makeKernel() {
  const kernel = new Float32Array(ZERO_CROSSINGS * TABLE_STEPS + 1);
  kernel[0] = 1;
  for (let i = 1; i < kernel.length; i += 1) {
    const x = (Math.PI * i) / TABLE_STEPS;
    kernel[i] = (Math.sin(x) / x) * 0.5 * (1 + Math.cos(x / ZERO_CROSSINGS));
  }
  return kernel;
}

class Resampler {
  #kernel = makeKernel();
  #pending = new Float32Array(0);
  #position = 0; // of the next output sample, in samples of #pending

  constructor(from) {
    this.step = from / SAMPLE_RATE;
    this.cutoff = Math.min(1, SAMPLE_RATE / from) * 0.95;
    this.reach = Math.ceil(ZERO_CROSSINGS / this.cutoff);
  }

  /** Calls `put` with each 16 kHz sample that this block completes. */
  process(block, put) {
    const joined = new Float32Array(this.#pending.length + block.length);
    joined.set(this.#pending);
    joined.set(block, this.#pending.length);
    while (this.#position + this.reach < joined.length) {
      put(this.#sample(joined, this.#position));
      this.#position += this.step;
    }
    const done = Math.max(0, Math.floor(this.#position) - this.reach);
    this.#pending = joined.slice(done);
    this.#position -= done;
  }

  #sample(samples, at) {
    const first = Math.max(0, Math.ceil(at - this.reach));
    const last = Math.min(samples.length - 1, Math.floor(at + this.reach));
    const scale = this.cutoff * TABLE_STEPS;
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      sum += samples[i] * (this.#kernel[Math.round(Math.abs(i - at) * scale)] ?? 0);
    }
    return sum * this.cutoff;
  }
}

class PassThrough {
  process(block, put) {
    block.forEach(put);
  }
}

class Pcm extends AudioWorkletProcessor {
  #resampler = sampleRate === SAMPLE_RATE ? new PassThrough() : new Resampler(sampleRate);
  #chunk = new Int16Array(CHUNK);
  #filled = 0;
  #open = true;

  constructor() {
    super();
    this.port.onmessage = () => this.#finish();
  }

  process([[block]]) {
    if (block && this.#open) this.#resampler.process(block, (sample) => this.#put(sample));
    return this.#open;
  }

  #put(sample) {
    const level = Math.max(-1, Math.min(1, sample));
    this.#chunk[this.#filled] = Math.round(level * 32767);
    this.#filled += 1;
    if (this.#filled === CHUNK) this.#post();
  }

  #post() {
    const samples = this.#chunk.slice(0, this.#filled);
    this.#filled = 0;
    this.port.postMessage(samples, [samples.buffer]);
  }

  /** The page has asked to finish: posts the last chunk, and then null. */
  #finish() {
    this.#open = false;
    if (this.#filled) this.#post();
    this.port.postMessage(null);
  }
}

registerProcessor('pcm', Pcm);
