// The microphone for live text: 16 kHz mono int16 in chunks of 100 ms, from an AudioWorklet.

import { Failure } from '../shared/api.js';

export const SAMPLE_RATE = 16000;
const FLUSH_TIMEOUT = 500; // milliseconds that the audio thread has to send the last chunk

/** Why this browser can't do live text (a message name), or null. */
export function liveUnavailableReason() {
  if (!window.isSecureContext) return 'mic.insecure';
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) return 'mic.unsupported';
  return null;
}

/** A context at 16 kHz; Firefox cannot feed a microphone into one, there the worklet resamples. */
function contextFor(stream) {
  for (const options of [{ sampleRate: SAMPLE_RATE }, {}]) {
    const context = new AudioContext(options);
    try {
      return { context, source: context.createMediaStreamSource(stream) };
    } catch (error) {
      context.close();
      if (!options.sampleRate) throw error;
    }
  }
  return null;
}

async function loadWorklet(context) {
  try {
    await context.audioWorklet.addModule(new URL('pcm-worklet.js', import.meta.url));
  } catch {
    throw new Failure('broken');
  }
}

export class Microphone {
  stream = null;
  #context = null;
  #node = null;
  #wakeLock = null;

  /** Asks for the microphone and starts; throws what the browser throws, or a Failure. */
  async start(onChunk) {
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    try {
      await this.#connect(onChunk);
    } catch (error) {
      this.release();
      throw error;
    }
    this.#keepScreenOn();
  }

  async #connect(onChunk) {
    const { context, source } = contextFor(this.stream);
    this.#context = context;
    await loadWorklet(context);
    const mono = { channelCount: 1, channelCountMode: 'explicit', outputChannelCount: [1] };
    this.#node = new AudioWorkletNode(context, 'pcm', mono);
    this.#node.port.onmessage = ({ data }) => data && onChunk(data);
    // Safari runs only nodes that are connected to the output; this one outputs silence.
    source.connect(this.#node).connect(context.destination);
    context.onstatechange = () => context.state === 'interrupted' && context.resume();
    await context.resume();
  }

  /** Calls back if the microphone goes away (unplugged, permission withdrawn). */
  onEnded(listener) {
    this.stream.getAudioTracks()[0].onended = listener;
  }

  /** Stops, after the last chunk has been delivered. */
  async stop() {
    const { port } = this.#node;
    const deliver = port.onmessage;
    await new Promise((resolve) => {
      port.onmessage = (event) => (event.data ? deliver(event) : resolve());
      port.postMessage('finish');
      setTimeout(resolve, FLUSH_TIMEOUT);
    });
    this.release();
  }

  release() {
    if (this.#node) this.#node.port.onmessage = null;
    this.stream.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#wakeLock?.release();
    this.#context = null;
    this.#wakeLock = null;
  }

  /** A phone that turns its screen off takes the microphone away. */
  async #keepScreenOn() {
    try {
      const lock = await navigator.wakeLock?.request('screen');
      if (this.#context) this.#wakeLock = lock;
      else lock?.release();
    } catch {
      // Low battery, or the page is hidden: it works without.
    }
  }
}
