/**
 * The settings pages, and connecting a number:
 *
 *   <form data-api=… data-then="stay" data-shows-once="link.url">   what the answer holds there is shown in [data-shown-once]
 *   <div data-when="plan=custom">   only there, and only sent, while the form's control `plan` has this value
 *   <button data-when-changed>      only there once something of its form was changed
 *   <button data-api=… data-then="stay" data-shows-check="id">   what a check found is shown in the element of that id
 *   <span data-country="DE">        becomes the country's name
 */

const valueOf = (form, name) => {
  const control = form.elements.namedItem(name);
  return control?.value;
};

/** Shows what belongs to the choices made; what is hidden isn't sent, and what was typed in it stays. */
function fit(form) {
  for (const box of form.querySelectorAll("[data-when]")) {
    const wanted = box.dataset.when.split(" ").every((one) => {
      const [name, value] = one.split("=");
      return valueOf(form, name) === value;
    });
    box.hidden = !wanted;
  }
  for (const control of form.elements) {
    if (control.closest("[data-when]")) control.disabled = Boolean(control.closest("[data-when][hidden]"));
  }
}

function showOnce(element, answer) {
  const secret = element.dataset.showsOnce.split(".").reduce((value, name) => value?.[name], answer);
  if (!secret) {
    sessionStorage.setItem("toast", element.dataset.withoutSecret ?? "Done.");
    location.reload();
    return;
  }
  const box = document.querySelector("[data-shown-once]");
  box.querySelector("[data-secret]").textContent = secret;
  box.hidden = false;
  box.scrollIntoView({ block: "start" });
  box.focus();
  element.reset?.();
}

/** Of a speech vendor. */
function showCheck(button, found) {
  const place = document.getElementById(button.dataset.showsCheck);
  const what = found.part === "voice" ? `voice ${found.voice}` : `model ${found.model}`;
  const why = [found.fault, found.code].filter(Boolean).join(", ").replaceAll("_", " ");
  place.textContent = found.works ? `Works: ${what}, ${found.took_ms} ms.` : `Doesn't work: ${what}: ${why}.`;
  place.dataset.tone = found.works ? "good" : "bad";
  place.hidden = false;
}

document.addEventListener("done", (event) => {
  if (event.target.matches("[data-shows-check]")) showCheck(event.target, event.detail);
  if (event.target.matches("[data-shows-once]")) showOnce(event.target, event.detail);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-reloads]")) location.reload();
});

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form) return;
  fit(form);
  form.querySelector("[data-when-changed]")?.removeAttribute("hidden");
});

for (const form of document.querySelectorAll("form")) fit(form);
for (const button of document.querySelectorAll("[data-when-changed]")) button.hidden = true;

// Countries by their names, in the language of the page: <span data-country="DE">DE</span>, <option data-country="DE">.
const names = new Intl.DisplayNames([document.documentElement.lang], { type: "region" });
for (const place of document.querySelectorAll("[data-country]")) {
  const name = names.of(place.dataset.country);
  if (place instanceof HTMLOptionElement) place.label = `${name} (${place.label})`;
  else place.textContent = name;
}

// On a phone not all tabs are in sight; the one that one is on should be.
document.querySelector(".tab[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
