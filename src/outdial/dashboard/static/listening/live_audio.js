/**
 * A live call's sound in the browser: both sides, mixed, as /v1/calls/<id>/listen sends them. Each block has a head of
 * six bytes (when it begins, how many bytes a side has), then the other party, then the agent; µ-law, 8000 Hz.
 */
import { stream } from "../api.js";

const HEAD = 6;
const FRAME = 160; // samples: 20 ms, what the worklet takes
// A block has 100 ms: so much is collected before anything is heard, and more than that is late, not patient.
const JITTER = { startS: 0.14, limitS: 0.5 };

/** µ-law to PCM16 (ITU-T G.711). */
const PCM = Int16Array.from({ length: 256 }, (_, byte) => {
  const bits = ~byte & 0xff;
  const size = (((bits & 0x0f) << 3) + 0x84 << ((bits & 0x70) >> 4)) - 0x84;
  return bits & 0x80 ? -size : size;
});

export class LiveAudio {
  /**
   * Begin to listen. Call it because of a click: browsers allow no sound without one.
   *
   * @param {string} url
   * @param {object} told
   * @param {(levels: {callee: number, agent: number}) => void} told.onLevels of each block, 0 to 1
   * @param {(problem: Error | null) => void} told.onOver once it is over by itself; null: the server ended it
   * @throws {Problem} when the server doesn't let one
   */
  static async open(url, { onLevels, onOver }) {
    const context = new AudioContext({ latencyHint: "interactive" });
    const abort = new AbortController();
    try {
      const [body] = await Promise.all([
        stream("POST", url, { signal: abort.signal }),
        context.audioWorklet.addModule(new URL("../phone/playback-worklet.js", import.meta.url)),
        context.resume(),
      ]);
      return new LiveAudio(context, abort, body, onLevels, onOver);
    } catch (error) {
      abort.abort();
      await context.close();
      throw error;
    }
  }

  /** Use `LiveAudio.open`. */
  constructor(context, abort, body, onLevels, onOver) {
    /** @type {AudioContext} */
    this.context = context;
    this._abort = abort;
    this._onLevels = onLevels;
    this._playback = new AudioWorkletNode(context, "phone-playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: JITTER,
    });
    this._volume = new GainNode(context);
    this._playback.connect(this._volume).connect(context.destination);
    this._follow(body.getReader()).then(
      () => this._over(onOver, null),
      (error) => this._over(onOver, error),
    );
  }

  /** What is heard, for an AnalyserNode. @returns {AudioNode} */
  get output() {
    return this._volume;
  }

  get muted() {
    return this._volume.gain.value === 0;
  }

  set muted(muted) {
    this._volume.gain.value = muted ? 0 : 1;
  }

  /** Listen no more. */
  async stop() {
    this._abort.abort();
    if (this.context.state !== "closed") await this.context.close();
  }

  async _follow(reader) {
    let waiting = new Uint8Array();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const bytes = new Uint8Array(waiting.length + value.length);
      bytes.set(waiting);
      bytes.set(value, waiting.length);
      waiting = bytes.subarray(this._blocks(bytes));
    }
  }

  /** Plays the blocks that are whole. @returns {number} how many bytes they had */
  _blocks(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= HEAD) {
      const samples = view.getUint16(at + 4);
      if (bytes.length - at < HEAD + 2 * samples) break;
      at += HEAD;
      this._play(bytes.subarray(at, at + samples), bytes.subarray(at + samples, at + 2 * samples));
      at += 2 * samples;
    }
    return at;
  }

  _play(callee, agent) {
    for (let from = 0; from < callee.length; from += FRAME) {
      const frame = new Int16Array(Math.min(FRAME, callee.length - from));
      for (let i = 0; i < frame.length; i++) {
        frame[i] = Math.max(-32768, Math.min(32767, PCM[callee[from + i]] + PCM[agent[from + i]]));
      }
      this._playback.port.postMessage(frame.buffer, [frame.buffer]);
    }
    this._onLevels({ callee: level(callee), agent: level(agent) });
  }

  _over(onOver, error) {
    if (this._abort.signal.aborted) return;
    this.stop();
    onOver(error);
  }
}

function level(ulaw) {
  let sum = 0;
  for (const byte of ulaw) sum += (PCM[byte] / 32768) ** 2;
  return Math.sqrt(sum / Math.max(1, ulaw.length));
}
