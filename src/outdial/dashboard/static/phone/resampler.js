/** Sample rate conversion with a band limit, for audio that comes in pieces. Knows nothing of WebAudio. */

const ZERO_CROSSINGS = 24; // of the filter to either side: 3 ms of delay at 8000 Hz
const KAISER_BETA = 6; // about 60 dB of attenuation
const EDGE = 0.925; // of the lower rate's band: 3700 Hz for 8000 Hz, so that nothing above 4000 Hz comes through

/**
 * A polyphase filter. The rates' ratio is reduced to up/down, and each of the `up` positions an output sample can have
 * between two input samples gets a filter of its own, calculated once.
 */
export class Resampler {
  /** @param {number} fromHz @param {number} toHz whole numbers */
  constructor(fromHz, toHz) {
    const divisor = greatestCommonDivisor(fromHz, toHz);
    this._up = toHz / divisor;
    this._down = fromHz / divisor;
    const cutoff = (EDGE * Math.min(fromHz, toHz)) / fromHz; // 1: half the input's rate
    this._taps = 2 * Math.ceil(ZERO_CROSSINGS / cutoff);
    this._filters = Array.from({ length: this._up }, (_, phase) => filter(this._taps, cutoff, phase / this._up));
    this._input = new Float32Array(this._taps); // what is still needed; silence before the beginning
    this._phase = 0;
  }

  /**
   * @param {Float32Array} input any number of samples
   * @returns {Float32Array} as many as they make; over time exactly in the ratio of the rates
   */
  process(input) {
    const samples = new Float32Array(this._input.length + input.length);
    samples.set(this._input);
    samples.set(input, this._input.length);
    const output = [];
    let at = 0;
    while (at + this._taps < samples.length) {
      const taps = this._filters[this._phase];
      let sum = 0;
      for (let i = 0; i < this._taps; i++) sum += samples[at + 1 + i] * taps[i];
      output.push(sum);
      this._phase += this._down;
      at += Math.floor(this._phase / this._up);
      this._phase %= this._up;
    }
    this._input = samples.slice(at);
    return Float32Array.from(output);
  }
}

/** A windowed sinc for an output sample that lies `offset` (0 to 1) after the middle of its `taps` input samples. */
function filter(taps, cutoff, offset) {
  const half = taps / 2;
  const coefficients = Float64Array.from({ length: taps }, (_, i) => {
    const x = i - half + 1 - offset;
    const window = bessel(KAISER_BETA * Math.sqrt(Math.max(0, 1 - (x / half) ** 2))) / bessel(KAISER_BETA);
    return window * (x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x));
  });
  const gain = coefficients.reduce((sum, value) => sum + value, 0);
  return Float32Array.from(coefficients, (value) => value / gain); // every phase equally loud
}

/** The modified Bessel function I0. */
function bessel(x) {
  let sum = 1;
  for (let k = 1, term = 1; term > sum * 1e-10; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
