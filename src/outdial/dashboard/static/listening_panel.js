/** The panel of a live call: what people hear of it, tell its callee or its agent, and how they take it over. */
import { api, Problem } from "./api.js";
import { clock } from "./durations.js";
import { busy, clearErrors, sentence, showProblem } from "./forms.js";
import { LiveAudio } from "./listening/live_audio.js";
import { toast } from "./toasts.js";

const TOLD = { say: "The agent says it at the next pause.", whisper: "The agent has it for its next turn." };

export function setUp() {
  const panel = document.querySelector("[data-listening]");
  if (panel) new Panel(panel);
}

class Panel {
  constructor(panel) {
    this._panel = panel;
    this._audio = null;
    this._since = 0;
    this._hears = false; // the first sound has come
    this._ticking = null;
    this._find("listen").addEventListener("click", (event) => busy(event.currentTarget, () => this._listen()));
    this._find("stop-listening").addEventListener("click", () => this._stop("You stopped listening."));
    this._find("mute").addEventListener("click", () => this._mute());
    panel.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      busy(event.submitter, () => this._tell(event.target, event.submitter.dataset.verb));
    });
    document.addEventListener("part", () => this._fit());
    document.addEventListener("renewed", () => this._fit());
    this._fit();
  }

  _find(name) {
    return this._panel.querySelector(`[data-${name}]`);
  }

  /** It is there while somebody talks. Who was in it isn't thrown out of the page. */
  _fit() {
    const summary = document.querySelector(".call-summary");
    const talks = summary?.dataset.talks === "yes";
    if (this._panel.hidden === !talks) return;
    const hadFocus = this._panel.contains(document.activeElement);
    this._panel.hidden = !talks;
    if (talks) return;
    if (this._audio) this._stop("The call has ended, and with it your listening.");
    for (const dialog of document.querySelectorAll("#take-over-dialog[open]")) dialog.close();
    if (hadFocus) {
      summary.tabIndex = -1;
      summary.focus({ preventScroll: true });
    }
  }

  async _listen() {
    this._trouble("");
    this._hears = false;
    try {
      this._audio = await LiveAudio.open(this._panel.dataset.listening, {
        onLevels: ({ callee, agent }) => {
          this._find("level-callee").value = callee;
          this._find("level-agent").value = agent;
          if (this._hears) return;
          this._hears = true;
          this._show();
        },
        onOver: (error) => this._over(error),
      });
    } catch (error) {
      this._trouble(error instanceof Problem ? sentence(error.message) : "This browser can't play the call's sound.");
      return;
    }
    this._since = Date.now();
    this._ticking = setInterval(() => this._tick(), 1000);
    this._tick();
    this._show();
    this._find("stop-listening").focus();
  }

  _over(error) {
    this._stop("");
    this._trouble(
      error
        ? "The connection to the call was lost. Listen again to go on."
        : "Listening has ended: the call is over, was transferred, its other party can't be told, or you may listen no more.",
    );
  }

  _stop(words) {
    const audio = this._audio;
    this._audio = null;
    clearInterval(this._ticking);
    audio?.stop();
    const hadFocus = [this._find("stop-listening"), this._find("mute")].includes(document.activeElement);
    this._show();
    if (hadFocus) this._find("listen").focus();
    if (words) toast(words);
  }

  _mute() {
    this._audio.muted = !this._audio.muted;
    this._show();
  }

  _tick() {
    this._find("listening-clock").textContent = clock((Date.now() - this._since) / 1000);
  }

  _show() {
    const on = this._audio !== null;
    const muted = on && this._audio.muted;
    this._find("listen").hidden = on;
    for (const name of ["stop-listening", "mute", "levels", "is-on"]) this._find(name).hidden = !on;
    this._find("mute").setAttribute("aria-pressed", String(muted));
    const waiting = this._panel.dataset.tells === "yes" ? "First the other party is told" : "Connecting";
    this._find("is-on-words").textContent = !this._hears ? waiting : muted ? "Listening, muted" : "Listening";
  }

  _trouble(text) {
    this._find("trouble").textContent = text;
    this._find("trouble").hidden = !text;
  }

  async _tell(form, verb) {
    clearErrors(form);
    try {
      await api("POST", `${form.dataset.words}/${verb}`, { text: form.elements.text.value });
      form.reset();
      toast(TOLD[verb]);
      form.elements.text.focus();
    } catch (problem) {
      showProblem(form, problem);
    }
  }
}
