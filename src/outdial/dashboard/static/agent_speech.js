/** Voice, recognition and language of an agent. The source is the one truth: the server writes each change into it, and
 *  sends back what the new source says. A voice is heard with the agent's first sentence before it is saved. */
import { part, Problem } from "./api.js";
import { play } from "./prompt_player.js";
import { sampled } from "./sample_values.js";
import { toast } from "./toasts.js";

const AFTER_TYPING_MS = 600;
const box = () => document.getElementById("agent-speech");

export class AgentSpeech {
  /** @param {import("./script_editor.js").ScriptEditor} editor @param {import("./script_review.js").ScriptReview} review */
  constructor(editor, review) {
    this.editor = editor;
    this.review = review;
    this.timer = null;
    if (!box()) return;
    this.shown = box().querySelector("#speech-source").value;
    const card = box().parentElement;
    card.addEventListener("change", ({ target }) => {
      if (target.dataset.speech) this.send({ path: ["agent", target.dataset.speech], value: target.value.trim() || null });
    });
    card.addEventListener("click", (event) => {
      const button = event.target.closest("#speech-hear");
      if (button) this.hear(button);
    });
  }

  /** What is typed in the source comes here. */
  soon() {
    if (!box()) return;
    clearTimeout(this.timer);
    if (this.editor.text !== this.shown) this.timer = setTimeout(() => this.send(null), AFTER_TYPING_MS);
  }

  async send(edit) {
    clearTimeout(this.timer);
    const source = this.editor.text;
    try {
      const html = await part(`/agents/${box().dataset.agent}/speech`, { source, ...(edit && { edit }) });
      if (this.editor.text !== source) {
        if (edit) await this.send(edit); // somebody typed meanwhile
        return;
      }
      const held = box().contains(document.activeElement) ? document.activeElement.id : "";
      if (held && !edit) return; // somebody is about to change it here
      const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("agent-speech");
      box().replaceWith(document.adoptNode(fresh));
      this.shown = box().querySelector("#speech-source").value;
      if (edit) this.editor.put(this.shown);
      if (held) document.getElementById(held)?.focus({ preventScroll: true });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem.message);
    }
  }

  hear(button) {
    const prompt = document.querySelector("#prompts [data-plays]")?.prompt;
    const voice = document.getElementById("speech-voice").value.trim();
    const words = prompt ? { text: prompt.text, variables: sampled(prompt.variables) } : { text: "1, 2, 3." };
    const language = document.getElementById("speech-language").value.trim() || "en-US";
    if (voice) play(button, { ...words, ...this.review.reading, language, voice }, "/v1/agents/preview-voice");
    else play(button, { ...words, ...this.review.reading, language });
  }
}
