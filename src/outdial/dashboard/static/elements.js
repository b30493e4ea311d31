/** Elements that a page makes itself, where no template of the server's has made them. */

/** @param {Record<string, string | number>} attributes @param {(Node | string)[]} content texts stay texts */
export function element(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}
