/** The sounds of waiting, made with WebAudio: quiet, without files. */

/** @typedef {{tones: [hz: number, fromS: number, toS: number][], lengthS: number, level: number}} Pattern */

/** Somebody calls: two short rings, a pause. @type {Pattern} */
export const RING = {
  tones: [
    [784, 0, 0.4],
    [988, 0, 0.4],
    [784, 0.6, 1],
    [988, 0.6, 1],
  ],
  lengthS: 3,
  level: 0.06,
};

/** We call: what North American networks let the caller hear (ITU-T E.180), 2 s on, 4 s off. @type {Pattern} */
export const RINGBACK = {
  tones: [
    [440, 0, 2],
    [480, 0, 2],
  ],
  lengthS: 6,
  level: 0.03,
};

const RAMP_S = 0.02; // a tone that starts at full level clicks

export class Ringtone {
  /** @param {Pattern} pattern */
  constructor(pattern = RING) {
    this._pattern = pattern;
    this._context = null;
  }

  /**
   * Sound until `stop`. Before the first click or key press on a page, browsers allow no sound: then it begins with
   * that click. Show the call, too.
   */
  start() {
    if (this._context !== null) return;
    this._context = new AudioContext();
    const source = this._context.createBufferSource();
    source.buffer = this._render(this._context.sampleRate);
    source.loop = true;
    source.connect(this._context.destination);
    source.start();
    this._wake = () => this._context?.resume();
    for (const event of ["pointerdown", "keydown"]) globalThis.addEventListener(event, this._wake);
  }

  /** Whether the browser lets it sound. @returns {boolean} */
  get audible() {
    return this._context?.state === "running";
  }

  stop() {
    if (this._context === null) return;
    for (const event of ["pointerdown", "keydown"]) globalThis.removeEventListener(event, this._wake);
    this._context.close();
    this._context = null;
  }

  /** One round of the pattern. */
  _render(rate) {
    const { tones, lengthS, level } = this._pattern;
    const buffer = new AudioBuffer({ length: Math.round(lengthS * rate), sampleRate: rate });
    const samples = buffer.getChannelData(0);
    for (const [hz, fromS, toS] of tones) {
      for (let i = Math.round(fromS * rate); i < Math.round(toS * rate); i++) {
        const ramp = Math.min(1, (i / rate - fromS) / RAMP_S, (toS - i / rate) / RAMP_S);
        samples[i] += level * ramp * Math.sin((2 * Math.PI * hz * i) / rate);
      }
    }
    return buffer;
  }
}
