/** A call that is followed where it was placed: state, transcript and controls, in any element. */
import { part } from "./api.js";
import { apply, follow } from "./live.js";
import { show as showTimes } from "./times.js";

export async function watch(callId, box) {
  box.innerHTML = await part(`/calls/${callId}/watch`);
  box.hidden = false;
  showTimes(box);
  box.scrollIntoView({ block: "nearest" });
  return follow(`/live/calls/${callId}`, { onPart: (one) => inSight(box, () => apply(one)) });
}

/** What is said stays in sight, for whoever looks at the end of it. */
function inSight(box, change) {
  const scroller = box.closest("dialog") ?? document.documentElement;
  const bottom = () => box.getBoundingClientRect().bottom - Math.min(innerHeight, scroller.getBoundingClientRect().bottom);
  const looksAtEnd = bottom() < 40;
  change();
  if (looksAtEnd) box.lastElementChild.scrollIntoView({ block: "nearest" });
}
