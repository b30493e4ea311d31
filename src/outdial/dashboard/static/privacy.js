/**
 * The page Privacy: what would go is shown before anything can be saved or erased.
 *
 *   <form data-days="agent id">         days, tried with /v1/retention/preview
 *   <form data-looks-for="/v1/…">       a number, looked for there
 *   <button data-tries>, <div data-would-go>, <button data-when-tried>   of such a form
 */
import { api, Problem } from "./api.js";
import { body, busy, clearErrors, showProblem } from "./forms.js";

const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const KINDS = { recordings: "recordings", transcripts: "transcripts", details: "all that is personal", callbacks: "callbacks" };

function ofDays(found) {
  const lines = Object.entries(KINDS).filter(([kind]) => found[kind]);
  if (!lines.length) return ["No call would lose anything now.", "good"];
  const told = lines.map(([kind, words]) => `${words} of ${counted(found[kind], "call", "calls")}`);
  return [`Would be erased: ${told.join(", ")}.`, "warn"];
}

function ofNumber(found) {
  if (found.live) return ["A call with this number goes on. Hang up first.", "bad"];
  const told = [
    counted(found.calls, "call", "calls"),
    found.waiting && `${counted(found.waiting, "waiting call", "waiting calls")}, to be canceled`,
    found.transfers && `${counted(found.transfers, "transfer", "transfers")} to it`,
    found.on_do_not_call_list && "a do-not-call entry, which stays as a hash",
  ];
  return [`There is: ${told.filter(Boolean).join("; ")}.`, found.calls || found.waiting || found.transfers ? "warn" : "good"];
}

async function look(form) {
  const values = body(form);
  if (form.dataset.looksFor) return ofNumber(await api("POST", form.dataset.looksFor, values));
  const agent = form.dataset.days || values.agent_id || null;
  return ofDays(await api("POST", "/v1/retention/preview", { ...values, agent_id: agent }));
}

function show(form, text, tone) {
  const alert = Object.assign(document.createElement("p"), { className: "alert", textContent: text });
  alert.dataset.tone = tone;
  form.querySelector("[data-would-go]").replaceChildren(alert);
  form.querySelector("[data-when-tried]").disabled = tone === "bad";
}

for (const form of document.querySelectorAll("[data-days], [data-looks-for]")) {
  const save = form.querySelector("[data-when-tried]");
  save.disabled = true;
  form.addEventListener("input", () => {
    save.disabled = true;
    form.querySelector("[data-would-go]").replaceChildren();
  });
  form.querySelector("[data-tries]").addEventListener("click", (event) => {
    if (!form.reportValidity()) return;
    busy(event.currentTarget, async () => {
      clearErrors(form);
      try {
        show(form, ...(await look(form)));
      } catch (problem) {
        if (problem instanceof Problem) showProblem(form, problem);
        else throw problem;
      }
    });
  });
}
