/** Requests to Outdial's own API, as the person who is signed in. */

export class Problem extends Error {
  /** @param {number} status 0 when the server can't be reached
   *  @param {{message?: string, code?: string, errors?: {field: string, message: string}[]}} body */
  constructor(status, body) {
    super(body.message ?? "The server could not be reached. Nothing was changed; try again.");
    this.status = status;
    this.code = body.code ?? "unreachable";
    this.errors = body.errors ?? [];
  }
}

const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** @returns {Promise<any>} what the API answers; throws Problem */
export async function api(method, url, body) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, {});
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { message: `The server answered with status ${response.status}.` };
  }
  if (!response.ok) throw new Problem(response.status, answer ?? { message: `Status ${response.status}.` });
  return answer;
}

/** A part of a page as HTML. Throws Problem; goes to the sign-in page when the sign-in has ended. */
export async function part(url) {
  let response;
  try {
    response = await fetch(url, { headers: { "X-Part": "1", Accept: "text/html" } });
  } catch {
    throw new Problem(0, {});
  }
  if (response.status === 401) {
    location.reload();
    return new Promise(() => {});
  }
  const html = await response.text();
  if (!response.ok) {
    const message = new DOMParser().parseFromString(html, "text/html").querySelector("main p")?.textContent;
    throw new Problem(response.status, { message: message ?? `The server answered with status ${response.status}.` });
  }
  return html;
}
