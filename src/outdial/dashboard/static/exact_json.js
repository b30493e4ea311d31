/** JSON whose numbers are passed on as they are written: a number of JavaScript's keeps sixteen digits. */

/** As JSON.parse; JSON.stringify writes its numbers as they were. Older browsers round long ones. @param {string} text */
export function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value,
  );
}

/** What somebody typed. Text stays text, but numbers, true, false, null, lists and objects are what they look like. */
export function typed(text) {
  try {
    return parse(text);
  } catch {
    return text;
  }
}

/** A value of `parse` that is neither a list nor an object, as it is written; else undefined. */
export function written(value) {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return JSON.isRawJSON?.(value) ? value.rawJSON : undefined;
}
