/**
 * The recording of a call: played, shown as the waveform of both channels, and followed by the transcript.
 * It may come into the page later, when the call has ended ([data-player] in a live part).
 */
import { api } from "./api.js";
import { clock } from "./durations.js";

const WIDTH = 1200;       // of the picture, in its own units
const HALF_HEIGHT = 27;   // of a channel's loudest peak
const STEP_S = 2;         // of an arrow key
const MARK = 22;          // pixels that a mark's number takes, and half of the air around it
const SIGNS = { Play: "M6 4l10 6-10 6z", Pause: "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z" };
const MIDDLE = { callee: 30, agent: 90 };

let audio = null;         // of the player that is on the page
let follows = true;       // until the reader scrolls the transcript

const transcript = () => document.querySelector("[data-transcript]");

function outline(peaks, middle) {
  const step = WIDTH / peaks.length;
  const top = peaks.map((peak, index) => `L${(index * step).toFixed(1)} ${(middle - peak * HALF_HEIGHT - 0.5).toFixed(1)}`);
  const bottom = peaks.map((peak, index) => `L${(index * step).toFixed(1)} ${(middle + peak * HALF_HEIGHT + 0.5).toFixed(1)}`);
  return `M0 ${middle}${top.join("")}${bottom.reverse().join("")}Z`;
}

function attach(player) {
  const find = (name) => player.querySelector(`[data-${name}]`);
  const [position, play, note, speed, timeShown] = ["position", "play", "player-note", "speed", "clock"].map(find);
  audio = player.querySelector("audio");
  const mine = audio;
  let length = 0;

  function measure(seconds) {
    if (!Number.isFinite(seconds) || seconds <= 0) return;
    length = seconds;
    position.max = seconds;
    showMarks(player, length);
    show();
  }

  function show() {
    const at = mine.currentTime;
    const x = length ? (at / length) * WIDTH : 0;
    find("played").setAttribute("width", x);
    find("head").setAttribute("x", Math.min(x, WIDTH - 2));
    position.value = at;
    position.setAttribute("aria-valuetext", `${clock(at)} of ${clock(length)}`);
    timeShown.textContent = `${clock(at)} / ${clock(length)}`;
    follow(at * 1000);
  }

  const label = (text) => {
    play.querySelector("span").textContent = text;
    play.querySelector("path").setAttribute("d", SIGNS[text]);
  };
  mine.addEventListener("loadedmetadata", () => measure(mine.duration));
  mine.addEventListener("timeupdate", show);
  mine.addEventListener("seeked", show);
  mine.addEventListener("play", () => label("Pause"));
  mine.addEventListener("pause", () => label("Play"));
  mine.addEventListener("error", () => (note.textContent = "The recording can't be played. Try to download it."));
  play.addEventListener("click", () => {
    follows = true;
    if (mine.paused) start();
    else mine.pause();
  });
  position.addEventListener("input", () => {
    follows = true;
    mine.currentTime = Number(position.value);
    show();
  });
  position.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -STEP_S, ArrowDown: -STEP_S, ArrowRight: STEP_S, ArrowUp: STEP_S }[event.key];
    if (event.key === " ") play.click();
    else if (step) seek(Math.min(length, Math.max(0, mine.currentTime + step)));
    else return;
    event.preventDefault();
  });
  speed.addEventListener("change", () => (mine.playbackRate = Number(speed.value)));

  api("GET", `${player.dataset.player}/waveform`).then(
    (wave) => {
      measure(wave.duration_ms / 1000);
      for (const path of player.querySelectorAll("[data-channel]")) {
        path.setAttribute("d", outline(wave[path.dataset.channel], MIDDLE[path.dataset.channel]));
      }
    },
    () => (note.textContent = "The waveform can't be shown."),
  );
  if (mine.readyState >= 1) measure(mine.duration);
  new ResizeObserver(() => showMarks(player, length)).observe(player);
  seekByAddress();
}

/** The numbers of what spoke for whom stand above the waveform, at their instants; where there is no room, in lanes. */
function showMarks(player, length) {
  const box = player.querySelector("[data-wave-marks]");
  const lines = player.querySelector("[data-mark-lines]");
  if (!box || !length) return;
  const lanes = [];  // how far right each is taken
  const [numbers, paths] = [[], []];
  for (const item of player.querySelectorAll("[data-answer-marks] [data-at-ms]")) {
    const share = Number(item.dataset.atMs) / 1000 / length;
    if (share > 1) continue;  // the recording ends before it
    const x = Math.min(share * box.clientWidth, box.clientWidth - MARK);
    let lane = lanes.findIndex((taken) => taken <= x);
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = x + MARK;
    const number = item.querySelector(".mark-number").cloneNode(true);
    number.dataset.kind = item.dataset.kind;
    number.style.left = `${x}px`;
    number.style.top = `${lane * MARK}px`;
    numbers.push(number);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${(share * WIDTH).toFixed(1)} 0V120`);
    path.setAttribute("class", "wave-mark");
    path.dataset.kind = item.dataset.kind;
    paths.push(path);
  }
  box.style.height = `${lanes.length * MARK}px`;
  box.replaceChildren(...numbers);
  lines.replaceChildren(...paths);
}

/** The turn that is heard now is marked, and in view. */
function follow(ms) {
  const box = transcript();
  if (!box) return;
  let now = null;
  for (const turn of box.querySelectorAll(".turn[data-recorded]")) {
    const end = turn.dataset.endMs === "" ? Infinity : Number(turn.dataset.endMs);
    if (Number(turn.dataset.startMs) <= ms + 50 && ms < end) now = turn;
  }
  const before = box.querySelector(".turn.now");
  if (before === now) return;
  before?.classList.remove("now");
  before?.removeAttribute("aria-current");
  if (!now) return;
  now.classList.add("now");
  now.setAttribute("aria-current", "true");
  if (!follows) return;
  const [inner, outer] = [now.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - outer.height / 3;
}

function start() {
  audio.play().catch(() => {});  // said by its error event
}

function seek(seconds) {
  follows = true;
  audio.currentTime = seconds;
}

function seekByAddress() {
  const at = /^#t=([\d.]+)$/.exec(location.hash);
  if (at && audio) seek(Number(at[1]));
}

export function setUp() {
  const there = document.querySelector("[data-player]");
  if (there) attach(there);
  document.addEventListener("part", (event) => {
    const fresh = event.detail.element.querySelector("[data-player]");
    if (fresh) {
      audio?.pause();
      attach(fresh);
    }
  });
  document.addEventListener("click", (event) => {
    const at = event.target.closest(".turn a.at, [data-answer-marks] a.at");
    if (!at || !audio || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { startMs, atMs } = at.closest("[data-start-ms], [data-at-ms]").dataset;
    seek(Number(startMs ?? atMs) / 1000);
    start();
  });
  for (const kind of ["wheel", "touchmove", "keydown"]) {
    transcript()?.addEventListener(kind, (event) => {
      if (kind !== "keydown" || /^(Arrow|Page|Home|End| )/.test(event.key)) follows = false;
    }, { passive: true });
  }
  addEventListener("hashchange", seekByAddress);
}
