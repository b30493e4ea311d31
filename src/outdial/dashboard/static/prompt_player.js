/** Plays prompts, one at a time. The audio comes as bytes and is decoded here: no URL is made of it. */
import { bytes, Problem } from "./api.js";
import { toast } from "./toasts.js";

let context = null;
let stop = () => {};

/** @param {HTMLButtonElement} button plays, or stops what it plays @param {{text: string, variables: object}} prompt */
export async function play(button, prompt, address = "/v1/agents/preview") {
  const same = button.dataset.playing !== undefined || button.dataset.busy !== undefined;
  stop();
  if (same) return;
  const abort = new AbortController();
  let source = null;
  const mine = (stop = () => {
    abort.abort();
    source?.stop();
    delete button.dataset.playing;
    delete button.dataset.busy;
    button.removeAttribute("aria-pressed");
    if (stop === mine) stop = () => {};
  });
  button.dataset.busy = "";
  button.setAttribute("aria-pressed", "true");
  try {
    context ??= new AudioContext();
    await context.resume();
    const wav = await bytes("POST", address, prompt, { signal: abort.signal });
    const audio = await context.decodeAudioData(wav);
    if (abort.signal.aborted) return;
    delete button.dataset.busy;
    button.dataset.playing = "";
    source = new AudioBufferSourceNode(context, { buffer: audio });
    source.connect(context.destination);
    source.addEventListener("ended", mine);
    source.start();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    mine();
    toast(problem instanceof Problem ? problem.message : "This browser can't play it.");
  }
}
