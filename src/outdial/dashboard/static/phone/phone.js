/**
 * A phone in the browser, on the simulator's network: it has a number, rings, talks. No DOM; a page listens to its
 * events and calls its methods. The protocol is in docs/simulator.md.
 */

import { CallAudio, MICROPHONE, MicrophoneUnavailable } from "./audio.js";

export { MicrophoneUnavailable };

/**
 * - offline: not connected, and not trying (before `connect`, after `close`, `replaced` or `refused`)
 * - connecting: trying, again and again
 * - ready: can be called
 * - ringing: `other` calls
 * - calling: `other` is being called
 * - talking
 *
 * @typedef {"offline" | "connecting" | "ready" | "ringing" | "calling" | "talking"} State
 */

/**
 * Why a call is over; `lost` is the only one the simulator doesn't tell: the connection to it broke.
 *
 * @typedef {"hung_up" | "other_side_hung_up" | "declined" | "missed" | "not_answered" | "refused" | "lost"} Why
 */

const FRAME_BYTES = 320;
const RETRY_MS = [250, 500, 1000, 2000, 4000, 8000]; // the last one for ever
const NOT_A_PHONES_NUMBER = 4400;
const REPLACED = 4409;

/**
 * Events (CustomEvent, facts in `detail`):
 *
 * - `state` {state: State}: it has changed; comes before the events that say why
 * - `ringing` {from, carrier}: a call comes in
 * - `answered`: sound flows both ways
 * - `ended` {why: Why, detail?: string}: `detail` is a sentence for `refused`
 * - `digit` {digit}: the agent pressed a key
 * - `replaced`: another page has taken this phone's number; it stays offline until `connect`
 * - `refused` {detail}: the simulator has no such phone number
 * - `problem` {detail}: the simulator didn't understand us (a fault of these programs)
 */
export class Phone extends EventTarget {
  /**
   * @param {object} options
   * @param {string} options.url the simulator's: "ws://127.0.0.1:8090/_simulator/phone"
   * @param {string} [options.number] +1202555 0131 to 0199; the simulator's default otherwise
   * @param {MediaTrackConstraints} [options.microphone] how to open the microphone
   */
  constructor({ url, number = "", microphone = MICROPHONE }) {
    super();
    this._url = new URL(url);
    if (number) this._url.searchParams.set("number", number);
    this._microphone = microphone;
    this._socket = null;
    this._audio = null;
    this._opening = null; // the promise of audio, while it is being opened
    this._retries = 0;
    this._retry = 0;

    /** @type {State} */
    this.state = "offline";
    /** This phone's own number, once connected. */
    this.number = number;
    /** Who calls or is called, while there is a call. */
    this.other = "";
    /** The carrier through which a call came. */
    this.carrier = "";
    /** While true the other side hears silence. */
    this.muted = false;
    /** How loud the last 20 ms were (RMS, 0 to 1): of our microphone, and of the other side. */
    this.level = { said: 0, heard: 0 };
  }

  /** Become a phone, and stay one: lost connections are made again. */
  connect() {
    if (this.state !== "offline") return;
    this._retries = 0;
    this._open();
  }

  /** Hang up if need be, and be no phone any more. */
  close() {
    clearTimeout(this._retry);
    this._socket?.close(1000);
    this._forget("offline");
  }

  /**
   * Take the call that rings. Call it because of a click; it asks for the microphone first and rings on meanwhile.
   *
   * @param {{listenOnly?: boolean}} [options] listenOnly: without a microphone
   * @throws {MicrophoneUnavailable} and it rings on
   */
  async answer({ listenOnly = false } = {}) {
    if (this.state !== "ringing") return;
    await this._openAudio(listenOnly);
    if (this.state === "ringing") this._send("answer");
    else this._closeAudio(); // the caller gave up, or somebody declined
  }

  /** Refuse the call that rings. */
  decline() {
    if (this.state === "ringing") this._send("decline");
  }

  /** End the call, also one that isn't answered yet. */
  hangUp() {
    if (["ringing", "calling", "talking"].includes(this.state)) this._send("hang_up");
  }

  /** Press a key in a conversation. @param {string} digit one of 0-9 * # A-D */
  press(digit) {
    if (this.state === "talking") this._send("digit", { digit });
  }

  /**
   * Call a number of the simulated account: its agent answers. Call it because of a click.
   *
   * @param {string} to E.164
   * @param {{carrier?: string, listenOnly?: boolean}} [options] carrier: whose number it is, by its name in the registry
   * @throws {MicrophoneUnavailable} and nobody is called
   */
  async call(to, { carrier = "", listenOnly = false } = {}) {
    if (this.state !== "ready") return;
    await this._openAudio(listenOnly);
    if (this.state !== "ready") {
      if (this.state !== "ringing") this._closeAudio(); // lost; a call that came meanwhile can use it
      return;
    }
    this.other = to;
    this.carrier = carrier;
    this._send("call", carrier ? { to, carrier } : { to });
    this._become("calling");
  }

  /** What is heard, for an AnalyserNode; null while there is no call. @returns {AudioNode | null} */
  get output() {
    return this._audio?.output ?? null;
  }

  // -- the connection

  _open() {
    this._become("connecting");
    const socket = new WebSocket(this._url);
    socket.binaryType = "arraybuffer";
    // Events of a socket that was given up must not touch its successor.
    socket.onmessage = ({ data }) => socket === this._socket && this._receive(data);
    socket.onclose = ({ code, reason }) => socket === this._socket && this._closed(code, reason);
    this._socket = socket;
  }

  _closed(code, reason) {
    const inCall = ["ringing", "calling", "talking"].includes(this.state);
    if (code === REPLACED || code === NOT_A_PHONES_NUMBER) {
      this._forget("offline");
    } else {
      this._forget("connecting");
      const wait = RETRY_MS[Math.min(this._retries++, RETRY_MS.length - 1)];
      this._retry = setTimeout(() => this._open(), wait * (0.75 + Math.random() / 2));
    }
    if (inCall) this._emit("ended", { why: "lost" });
    if (code === REPLACED) this._emit("replaced");
    if (code === NOT_A_PHONES_NUMBER) this._emit("refused", { detail: reason });
  }

  _send(type, facts = {}) {
    this._socket?.send(JSON.stringify({ type, ...facts }));
  }

  _receive(data) {
    if (data instanceof ArrayBuffer) {
      this._hear(data);
      return;
    }
    const { type, ...facts } = JSON.parse(data);
    switch (type) {
      case "ready":
        this._retries = 0;
        this.number = facts.number;
        this._become("ready");
        break;
      case "ringing":
        this.other = facts.from;
        this.carrier = facts.carrier;
        this._become("ringing");
        this._emit("ringing", facts);
        break;
      case "answered":
        this._become("talking");
        this._emit("answered");
        break;
      case "ended":
        this._forget("ready", this._socket);
        this._emit("ended", facts);
        break;
      case "digit":
        this._emit("digit", facts);
        break;
      case "error":
        this._emit("problem", facts);
        break;
    }
  }

  // -- sound

  _openAudio(listenOnly) {
    // Two clicks must not open two microphones.
    this._opening ??= CallAudio.open({
      onFrame: (frame) => this._say(frame),
      microphone: listenOnly ? null : this._microphone,
    })
      .then((audio) => {
        this._closeAudio();
        this._audio = audio;
      })
      .finally(() => (this._opening = null));
    return this._opening;
  }

  _closeAudio() {
    this._audio?.close();
    this._audio = null;
    this.level = { said: 0, heard: 0 };
  }

  _say(frame) {
    if (this.state !== "talking") return;
    if (this.muted) frame = new ArrayBuffer(FRAME_BYTES);
    this.level.said = loudness(frame);
    this._socket.send(frame);
  }

  _hear(frame) {
    this.level.heard = loudness(frame);
    this._audio?.play(frame);
  }

  // -- state

  /** The call, if there was one, is over, and so may be the connection. */
  _forget(state, socket = null) {
    this._socket = socket;
    this._closeAudio();
    this.other = this.carrier = "";
    this._become(state);
  }

  _become(state) {
    this.state = state;
    this._emit("state", { state });
  }

  _emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function loudness(frame) {
  const samples = new Int16Array(frame);
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length) / 32768;
}
