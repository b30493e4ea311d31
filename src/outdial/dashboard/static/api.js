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

const told = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/** @returns {Promise<any>} what the API answers; throws Problem */
export async function api(method, url, body, { signal } = {}) {
  const response = await request(url, { method, headers: { Accept: "application/json" }, body, signal });
  const answer = await read(response);
  if (!response.ok) throw new Problem(response.status, answer ?? { message: `Status ${response.status}.` });
  return answer;
}

/** What the API answers where that is no JSON: audio. Throws Problem. @returns {Promise<ArrayBuffer>} */
export async function bytes(method, url, body, { signal } = {}) {
  const response = await request(url, { method, headers: {}, body, signal });
  if (!response.ok) throw new Problem(response.status, (await read(response)) ?? { message: `Status ${response.status}.` });
  return response.arrayBuffer();
}

/** An answer that comes piece by piece, for as long as it lasts. Throws Problem. @returns {Promise<ReadableStream>} */
export async function stream(method, url, { signal } = {}) {
  const response = await request(url, { method, headers: {}, signal });
  if (!response.ok) throw new Problem(response.status, (await read(response)) ?? { message: `Status ${response.status}.` });
  return response.body;
}

/** A file as the body of a POST. @returns {Promise<any>} what the API answers; throws Problem */
export async function upload(url, file, type) {
  const response = await request(url, { method: "POST", headers: { Accept: "application/json", "Content-Type": type }, file });
  const answer = await read(response);
  if (!response.ok) throw new Problem(response.status, answer ?? { message: `Status ${response.status}.` });
  return answer;
}

async function request(url, { method, headers, body, file, signal }) {
  headers["X-CSRF-Token"] = told("csrf-token");
  headers["X-Workspace"] = told("workspace"); // it may have been switched in another tab since
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(url, { method, headers, body: body === undefined ? file : JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
}

async function read(response) {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return { message: `The server answered with status ${response.status}.` };
  }
}

/** A part of a page as HTML; with a body, the part for that. Throws Problem; goes to the sign-in page when the sign-in
 *  has ended. */
export async function part(url, body) {
  const method = body === undefined ? "GET" : "POST";
  const response = await request(url, { method, headers: { "X-Part": "1", Accept: "text/html" }, body });
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
