/** A call that is followed where it was placed: state, transcript and controls, in any element. */
import { part } from "./api.js";
import { follow } from "./live.js";
import { show as showTimes } from "./times.js";

export async function watch(callId, box) {
  box.innerHTML = await part(`/calls/${callId}/watch`);
  box.hidden = false;
  showTimes(box);
  box.scrollIntoView({ block: "nearest" });
  return follow(`/live/calls/${callId}`);
}
