/**
 * Forms and buttons that talk with the API:
 *
 *   <form data-api="PATCH /v1/things/1" data-then="reload">   fields become JSON by their names
 *   <button data-api="DELETE /v1/things/1" data-confirm="It will be gone." data-then="/things">
 *
 * {name} in the address of a form is what its field of that name holds, which isn't sent beside it.
 * A name may have dots (retry.max_attempts). data-type: number, percent (20 is 0.2), boolean, json, list; choices: the checked ones of a name
 * are a list, which is left out where none is. An empty field is left out, or null
 * with data-empty="null". An error is shown at its field, else in [data-form-error]; what was typed stays.
 * data-then: reload, stay (only a toast), or an address; {name} in it is filled in from the answer.
 */
import { api, Problem } from "./api.js";
import { confirmed } from "./dialogs.js";
import { parse } from "./exact_json.js";
import { toast } from "./toasts.js";

export function body(form) {
  const result = {};
  for (const control of form.elements) {
    if (!control.name || control.disabled || control.type === "submit") continue;
    if (control.dataset.type === "choices") {
      if (control.checked) (result[control.name] ??= []).push(control.value);
      continue;
    }
    if ((control.type === "checkbox" || control.type === "radio") && !control.dataset.type && !control.checked) continue;
    const value = read(control);
    if (value === undefined) continue;
    const path = control.name.split(".");
    const last = path.pop();
    let place = result;
    for (const name of path) place = place[name] ??= {};
    place[last] = value;
  }
  return result;
}

function read(control) {
  if (control.dataset.type === "boolean") return control.checked;
  const text = control.value;
  if (text.trim() === "") return control.dataset.empty === "null" ? null : control.dataset.empty === "text" ? "" : undefined;
  switch (control.dataset.type) {
    case "number": return Number(text);
    case "percent": return Number(text) / 100;
    case "list": return text.split(",").map((one) => one.trim()).filter(Boolean);
    case "json":
      try {
        return parse(text);
      } catch {
        throw new Problem(422, { message: "", errors: [{ field: control.name, message: "must be JSON" }] });
      }
    default: return text;
  }
}

export function clearErrors(form) {
  for (const place of form.querySelectorAll("[data-error-of]")) place.hidden = true;
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  const whole = form.querySelector("[data-form-error]");
  if (whole) whole.hidden = true;
}

/** Where the error of a field is shown: at the field itself, else at the one it is `inside` of (variables.customer). */
function placeOf(form, field) {
  const outer = field.match(/^[^.[]+/)?.[0];
  for (const [name, inside] of [[field, ""], [outer, field.slice(outer?.length).replace(/^\./, "")]]) {
    const place = name && form.querySelector(`[data-error-of="${CSS.escape(name)}"]`);
    if (place) return { place, field: name, inside };
  }
  return { place: null, field, inside: "" };
}

export function showProblem(form, problem) {
  if (!(problem instanceof Problem)) throw problem;
  let unplaced = problem.errors.length === 0;
  let first = null;
  for (const error of problem.errors) {
    const { place, field, inside } = placeOf(form, error.field);
    const control = form.elements.namedItem(field);
    if (!place) {
      unplaced = true;
      continue;
    }
    place.textContent = inside ? `${inside} ${error.message.replace(/\.?$/, ".")}` : sentence(error.message);
    place.hidden = false;
    if (control instanceof Element) {
      control.setAttribute("aria-invalid", "true");
      first ??= control;
    }
  }
  const whole = form.querySelector("[data-form-error]");
  if (unplaced && whole) {
    whole.textContent = sentence(problem.message);
    if (problem.code === "do_not_call") whole.append(" ", toTheEntry(problem));
    if (["destination_not_allowed", "daily_limit"].includes(problem.code)) whole.append(" ", toTheDestinations());
    whole.hidden = false;
  } else if (unplaced) {
    toast(sentence(problem.message));
  }
  first?.focus();
}

/** Where the number that a refusal names can be taken off the list. */
function toTheEntry(problem) {
  const [number] = problem.message.match(/\+\d+/) ?? [""];
  const link = document.createElement("a");
  link.href = `/do-not-call?number=${encodeURIComponent(number)}`;
  link.textContent = "Show it on the list";
  return link;
}

function toTheDestinations() {
  const link = document.createElement("a");
  link.href = "/settings/destinations";
  link.textContent = "Show the destinations";
  return link;
}

export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : text);

/** Runs `work` with the button shown as busy, and not twice at once. */
export async function busy(button, work) {
  if (button?.dataset.busy !== undefined) return;
  if (button) {
    button.dataset.busy = "";
    button.setAttribute("aria-disabled", "true");
  }
  try {
    await work();
  } finally {
    if (button) {
      delete button.dataset.busy;
      button.removeAttribute("aria-disabled");
    }
  }
}

function go(element, answer) {
  element.dispatchEvent(new CustomEvent("done", { bubbles: true, detail: answer }));
  const then = element.dataset.then ?? "reload";
  if (element.dataset.toast) {
    if (then === "stay") toast(element.dataset.toast);
    else sessionStorage.setItem("toast", element.dataset.toast);
  }
  if (then === "reload") location.reload();
  else if (then !== "stay") location.assign(then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer?.[name] ?? "")));
}

async function submit(form, button) {
  const [method, url] = form.dataset.api.split(" ");
  clearErrors(form);
  try {
    const values = body(form);
    const address = url.replace(/\{(\w+)\}/g, (_, name) => {
      const value = values[name] ?? "";
      delete values[name];
      return encodeURIComponent(value);
    });
    if (form.dataset.confirm && !(await confirmed(form.dataset.confirm, form.dataset.confirmYes))) return;
    go(form, await api(method, address, values));
  } catch (problem) {
    showProblem(form, problem);
  }
}

export function setUp() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.api) return;
    event.preventDefault();
    busy(event.submitter ?? form.querySelector('[type="submit"]'), () => submit(form));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-api]");
    if (!button || (button.type === "submit" && button.form?.dataset.api)) return;
    busy(button, async () => {
      if (button.dataset.confirm && !(await confirmed(button.dataset.confirm, button.dataset.confirmYes))) return;
      const [method, url] = button.dataset.api.split(" ");
      try {
        go(button, await api(method, url, button.dataset.body ? JSON.parse(button.dataset.body) : undefined));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        toast(sentence(problem.message));
      }
    });
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
  document.querySelector("form[data-submits-itself]")?.requestSubmit();
}
