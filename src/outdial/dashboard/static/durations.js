/** <span data-since="instant">: how long ago that is, second by second. */

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = clock((Date.now() - new Date(element.dataset.since)) / 1000);
  }
}

export function setUp() {
  tick();
  setInterval(tick, 1000);
  document.addEventListener("part", tick);
}
