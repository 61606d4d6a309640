// Runs beside the page in the audio thread: the microphone as 16 kHz mono int16, in chunks.

const RATE = 16000;
const CHUNK = 1600; // samples: 100 ms
const ZEROS = 12; // crossings of the low-pass filter on each side
const STEPS = 512; // entries of its table between two crossings

/** Half of a Hann-windowed sinc, so that what 16 kHz cannot hold does not fold back as noise. */
function makeKernel() {
  const kernel = new Float32Array(ZEROS * STEPS + 1);
  kernel[0] = 1;
  for (let i = 1; i < kernel.length; i += 1) {
    const x = (Math.PI * i) / STEPS;
    kernel[i] = (Math.sin(x) / x) * 0.5 * (1 + Math.cos(x / ZEROS));
  }
  return kernel;
}

class Resampler {
  #kernel = makeKernel();
  #held = new Float32Array(0);
  #at = 0; // of the next output, in samples of #held

  constructor(from) {
    this.step = from / RATE;
    this.cutoff = Math.min(1, RATE / from) * 0.95;
    this.reach = Math.ceil(ZEROS / this.cutoff);
  }

  /** Calls `put` with each sample at 16 kHz that these complete. */
  take(block, put) {
    const joined = new Float32Array(this.#held.length + block.length);
    joined.set(this.#held);
    joined.set(block, this.#held.length);
    while (this.#at + this.reach < joined.length) {
      put(this.#sample(joined, this.#at));
      this.#at += this.step;
    }
    const done = Math.max(0, Math.floor(this.#at) - this.reach);
    this.#held = joined.slice(done);
    this.#at -= done;
  }

  #sample(samples, at) {
    const first = Math.max(0, Math.ceil(at - this.reach));
    const last = Math.min(samples.length - 1, Math.floor(at + this.reach));
    const scale = this.cutoff * STEPS;
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      sum += samples[i] * (this.#kernel[Math.round(Math.abs(i - at) * scale)] ?? 0);
    }
    return sum * this.cutoff;
  }
}

class Plain {
  take(block, put) {
    block.forEach(put);
  }
}

class Pcm extends AudioWorkletProcessor {
  #source = sampleRate === RATE ? new Plain() : new Resampler(sampleRate);
  #chunk = new Int16Array(CHUNK);
  #filled = 0;
  #open = true;

  constructor() {
    super();
    this.port.onmessage = () => this.#finish();
  }

  process([[block]]) {
    if (block && this.#open) this.#source.take(block, (sample) => this.#put(sample));
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

  /** The page has asked for the end: what is left, and then null. */
  #finish() {
    this.#open = false;
    if (this.#filled) this.#post();
    this.port.postMessage(null);
  }
}

registerProcessor('pcm', Pcm);
