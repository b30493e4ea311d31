/** What the other side says, out of a jitter buffer: each message in is 20 ms of PCM16 at 8000 Hz; null empties it. */

import { Resampler } from "./resampler.js";

const FRAME_S = 0.02;
// Where the node has no options of its own:
const START_S = 0.06; // collected before anything is heard, at first and after a gap
const LIMIT_S = 0.2; // more than this loses its oldest
const REVIEW_S = 1; // a delay that wasn't needed for so long is shortened by a frame

class Playback extends AudioWorkletProcessor {
  constructor({ processorOptions: { startS = START_S, limitS = LIMIT_S } = {} } = {}) {
    super();
    this._startS = startS;
    this._limitS = limitS;
    this._empty();
    this.port.onmessage = ({ data }) => (data === null ? this._empty() : this._push(new Int16Array(data)));
  }

  process(_, [output]) {
    const [channel] = output;
    if (this._buffered >= this._startS * sampleRate) this._flowing = true;
    if (this._flowing) {
      this._review(channel.length);
      let filled = 0;
      while (filled < channel.length && this._frames.length > 0) filled += this._pull(channel, filled);
      if (filled < channel.length) this._flowing = false; // the rest is silence
    }
    for (let i = 1; i < output.length; i++) output[i].set(channel);
    return true;
  }

  _empty() {
    this._resampler = new Resampler(8000, sampleRate);
    this._frames = []; // resampled
    this._read = 0; // samples of the first of them
    this._buffered = 0;
    this._flowing = false;
    this._least = Infinity;
    this._reviewed = 0;
  }

  _push(pcm) {
    const frame = this._resampler.process(Float32Array.from(pcm, (sample) => sample / 32768));
    this._frames.push(frame);
    this._buffered += frame.length;
    while (this._buffered > this._limitS * sampleRate) this._drop();
  }

  _pull(channel, at) {
    const frame = this._frames[0];
    const count = Math.min(frame.length - this._read, channel.length - at);
    channel.set(frame.subarray(this._read, this._read + count), at);
    this._read += count;
    this._buffered -= count;
    if (this._read === frame.length) {
      this._frames.shift();
      this._read = 0;
    }
    return count;
  }

  /** After a burst, and where the sender's clock is faster than ours. */
  _review(samples) {
    this._least = Math.min(this._least, this._buffered);
    this._reviewed += samples;
    if (this._reviewed < REVIEW_S * sampleRate) return;
    if (this._least > (this._startS + FRAME_S) * sampleRate) this._drop();
    this._least = Infinity;
    this._reviewed = 0;
  }

  _drop() {
    this._buffered -= this._frames.shift().length - this._read;
    this._read = 0;
  }
}

registerProcessor("phone-playback", Playback);
