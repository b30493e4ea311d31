/** The microphone's audio, cut into the frames of a phone call: each message is 20 ms of PCM16 at 8000 Hz (320 bytes). */

import { Resampler } from "./resampler.js";

const FRAME_SAMPLES = 160;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this._resampler = new Resampler(sampleRate, 8000);
    this._frame = new Int16Array(FRAME_SAMPLES);
    this._filled = 0;
  }

  process([input]) {
    // Without a connected source there is no channel; the frames go on, silent, at the same pace.
    const samples = input.length > 0 ? input[0] : new Float32Array(128);
    for (const sample of this._resampler.process(samples)) {
      this._frame[this._filled++] = Math.round(32767 * Math.max(-1, Math.min(1, sample)));
      if (this._filled === FRAME_SAMPLES) {
        this.port.postMessage(this._frame.buffer, [this._frame.buffer]);
        this._frame = new Int16Array(FRAME_SAMPLES);
        this._filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("phone-capture", Capture);
