/** The page Browser phone: shows what phone/phone.js does, and lets an agent call it. */
import { api, Problem } from "./api.js";
import { busy, clearErrors, showProblem } from "./forms.js";
import { MicrophoneUnavailable, Phone } from "./phone/phone.js";
import { RING, RINGBACK, Ringtone } from "./phone/ringtone.js";
import { watch } from "./watched_call.js";

const page = document.querySelector("[data-phone]");
const find = (name) => page.querySelector(`[data-${name}]`);
const card = page.querySelector(".phone");
const form = find("call-me");
const phone = new Phone({ url: page.dataset.phone });
const ring = new Ringtone(RING);
const ringback = new Ringtone(RINGBACK);
const title = document.title;

const STATES = {
  offline: "Not connected",
  connecting: "Connecting to the simulator",
  ready: "Ready to be called",
  ringing: "Incoming call",
  calling: "Calling",
  talking: "Connected",
};
const WHY = {
  hung_up: "You hung up",
  other_side_hung_up: "The agent hung up",
  declined: "You declined",
  missed: "Missed call",
  not_answered: "Nobody answered",
  lost: "The simulator is gone; the call ended with it",
};

let began = null;
let last = "";
let watched = null;
let retry = null; // what to do again without a microphone

function show() {
  const state = phone.state;
  find("own-number").textContent = phone.number ? `Your number: ${phone.number}` : "";
  find("state").textContent = state === "ready" && last ? last : STATES[state];
  find("other").textContent = phone.other;
  for (const [name, states] of Object.entries({
    answer: ["ringing"],
    decline: ["ringing"],
    mute: ["talking"],
    "hang-up": ["calling", "talking"],
    levels: ["talking"],
    clock: ["talking"],
    connect: ["offline"],
  })) {
    find(name).hidden = !states.includes(state);
  }
  for (const key of page.querySelectorAll("[data-key]")) key.disabled = state !== "talking";
  const call = form?.querySelector('[type="submit"]');
  if (call) call.disabled = find("call-in").disabled = state !== "ready";
  card.classList.toggle("rings", state === "ringing");
  document.title = state === "ringing" ? `Incoming call · ${title}` : title;
  if (state === "ringing") ring.start();
  else ring.stop();
  if (state === "calling") ringback.start();
  else ringback.stop();
}

function trouble(text) {
  find("trouble").textContent = text ?? "";
  find("trouble").hidden = !text;
  find("listen-only").hidden = !text || retry === null;
}

const REASONS = {
  denied: "The browser may not use the microphone. Allow it in the address bar, or go on without: then you only listen.",
  missing: "There is no microphone. Without one you only listen.",
  unavailable: "The microphone can't be used now; perhaps another program has it.",
};

function mute(muted) {
  phone.muted = muted;
  find("mute").textContent = muted ? "Unmute" : "Mute";
}

/** Opens the microphone on the way; without one offers to listen only. */
async function withMicrophone(act) {
  trouble(null);
  try {
    await act({});
    retry = null;
  } catch (error) {
    if (!(error instanceof MicrophoneUnavailable)) throw error;
    retry = () => act({ listenOnly: true });
    trouble(REASONS[error.reason] ?? REASONS.unavailable);
  }
}

phone.addEventListener("state", show);
phone.addEventListener("ringing", () => {
  last = "";
  find("answer").focus();
});
phone.addEventListener("answered", () => {
  began = Date.now();
  find("hang-up").focus();
});
phone.addEventListener("ended", ({ detail }) => {
  last = detail.why === "refused" ? detail.detail : WHY[detail.why];
  began = null;
  retry = null;
  trouble(null);
  mute(false);
  const held = card.contains(document.activeElement) || document.activeElement === document.body;
  show();
  if (held) form?.querySelector('[type="submit"]').focus({ preventScroll: true }); // the button that was pressed is gone
});
phone.addEventListener("digit", ({ detail }) => (find("other").textContent = `${phone.other} pressed ${detail.digit}`));
phone.addEventListener("replaced", () => trouble("This phone is used in another window now."));
phone.addEventListener("refused", ({ detail }) => trouble(detail.detail));

find("answer").addEventListener("click", () => withMicrophone((options) => phone.answer(options)));
find("decline").addEventListener("click", () => phone.decline());
find("hang-up").addEventListener("click", () => phone.hangUp());
find("listen-only").addEventListener("click", () => {
  trouble(null);
  retry?.();
});
find("connect").addEventListener("click", () => {
  trouble(null);
  phone.connect();
});
find("mute").addEventListener("click", () => mute(!phone.muted));
find("keypad").addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]");
  if (key) phone.press(key.dataset.key);
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (!typing && !event.ctrlKey && !event.metaKey && /^[0-9*#]$/.test(event.key)) phone.press(event.key);
});

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, async () => {
    clearErrors(form);
    const name = form.elements.user_name.value.trim();
    const agent = form.elements.agent?.value;
    const body = {
      to: phone.number,
      ...(name && { variables: { user_name: name } }),
      ...(agent && { agent: { id: agent, version: "draft" } }),
    };
    try {
      const answer = await api("POST", `/v1/phone-number/${form.elements.number.value}/outbound`, body);
      watched?.close();
      watched = await watch(answer.call_id, find("watched-call"));
    } catch (problem) {
      if (problem instanceof Problem) showProblem(form, problem);
      else throw problem;
    }
  });
});
find("call-in")?.addEventListener("click", () => {
  const chosen = form.elements.number.selectedOptions[0];
  withMicrophone((options) => phone.call(chosen.dataset.e164, { carrier: chosen.dataset.carrier, ...options }));
});

setInterval(() => {
  if (began === null) return;
  const seconds = Math.floor((Date.now() - began) / 1000);
  find("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  find("level-said").value = phone.level.said;
  find("level-heard").value = phone.level.heard;
}, 100);

addEventListener("pagehide", () => phone.close());
addEventListener("pageshow", () => phone.connect());
show();
