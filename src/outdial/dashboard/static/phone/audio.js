/** A call's sound in the browser: microphone in, loudspeaker out, in frames of 20 ms (PCM16, 8000 Hz, 320 bytes). */

/** What a microphone is asked for; echo cancellation keeps the agent from hearing itself. */
export const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** The microphone can't be used; `reason` is "denied", "missing" or "unavailable". */
export class MicrophoneUnavailable extends Error {
  /** @param {"denied" | "missing" | "unavailable"} reason @param {unknown} cause */
  constructor(reason, cause) {
    super(`the microphone is ${reason}`, { cause });
    this.name = "MicrophoneUnavailable";
    this.reason = reason;
  }
}

export class CallAudio {
  /**
   * Ask for the microphone and make sound possible. Call it because of a click: browsers allow neither without one.
   *
   * @param {object} options
   * @param {(frame: ArrayBuffer) => void} options.onFrame gets every frame the microphone makes
   * @param {MediaTrackConstraints | null} options.microphone null: listen only
   * @returns {Promise<CallAudio>}
   * @throws {MicrophoneUnavailable}
   */
  static async open({ onFrame, microphone = MICROPHONE }) {
    const context = new AudioContext({ latencyHint: "interactive" });
    let stream = null;
    try {
      stream = microphone === null ? null : await openMicrophone(microphone);
      await Promise.all([
        context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url)),
        context.audioWorklet.addModule(new URL("./playback-worklet.js", import.meta.url)),
        context.resume(),
      ]);
      return new CallAudio(context, stream, onFrame);
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      await context.close();
      throw error;
    }
  }

  /** Use `CallAudio.open`. */
  constructor(context, stream, onFrame) {
    this._stream = stream;
    this._playback = new AudioWorkletNode(context, "phone-playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this._playback.connect(context.destination);
    this._capture = new AudioWorkletNode(context, "phone-capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this._capture.port.onmessage = ({ data }) => onFrame(data);
    if (stream !== null) context.createMediaStreamSource(stream).connect(this._capture);
    /** @type {AudioContext} */
    this.context = context;
  }

  /** What is heard, for an AnalyserNode. @returns {AudioNode} */
  get output() {
    return this._playback;
  }

  /** Play 20 ms. @param {ArrayBuffer} frame is handed over */
  play(frame) {
    this._playback.port.postMessage(frame, [frame]);
  }

  /** Fall silent, and give the microphone back. */
  async close() {
    this._capture.port.onmessage = null;
    this._stream?.getTracks().forEach((track) => track.stop());
    if (this.context.state !== "closed") await this.context.close();
  }
}

async function openMicrophone(constraints) {
  // Without HTTPS, and not on this machine, there is no mediaDevices.
  if (navigator.mediaDevices === undefined) throw new MicrophoneUnavailable("unavailable");
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: constraints });
  } catch (error) {
    const reason = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing" }[error.name];
    throw new MicrophoneUnavailable(reason ?? "unavailable", error);
  }
}
