/**
 * A script's text as coloured pieces: the script's own words, its steps, variables, comments. Pure: text in, pieces out.
 * It reads as much YAML as scripts are made of, line by line, and never fails: what is wrong is the server's to say.
 *
 * A piece is [kind, text]; joined, the texts of a line's pieces are the line. Kinds: word (the script's own), step (its
 * name, where it begins), leads (a step's name, where it is gone to), variable, text, value, mark, note (a comment),
 * unknown (a word that stands where only the script's own may).
 */
const LEADING = new Set(["start", "goto", "then", "else", "failed", "no_reply", "no_match"]); // behind these is a step's name
const NAMED = new Set(["outcomes", "facts", "transfers"]); // sections of an agent with a model, of names of one's own
const NAMING = new Set(["if", "save_as"]); // and behind these a variable's
// What a key ends with is no space, so that a line without one is read once and not once for each of its spaces.
const KEY = keyOf("");
const KEY_IN_FLOW = keyOf(",\\]}");
const VARIABLE = /\{\{|\}\}|\{[^{}]*\}/g;
const DATA = /^(?:true|false|null|~|-?\d+(?:\.\d+)?)$/;
const QUOTED = { '"': /^(?:[^"\\]|\\.)*"/, "'": /^(?:[^']|'')*'(?!')/ };

export const START = { section: "", steps: 0, names: -1, block: -1, quote: "", open: 0, key: "" };

/** @param {string} line @param {Set<string>} words the script's own @returns {{pieces: string[][], after: object}} */
export function readLine(line, before, words) {
  const reader = new Line(line, { ...before }, words);
  reader.read();
  reader.take("text", reader.rest.length); // spaces at its end
  return { pieces: reader.pieces, after: reader.state };
}

class Line {
  constructor(line, state, words) {
    this.rest = line;
    this.at = 0; // the column
    this.state = state;
    this.words = words;
    this.pieces = [];
  }

  read() {
    const indent = this.rest.search(/\S/);
    if (indent < 0) return this.take("text", this.rest.length);
    if (this.state.block >= 0) {
      if (indent > this.state.block) return this.text(this.rest.length);
      this.state.block = -1;
    }
    this.take("text", indent);
    if (this.state.quote) {
      if (this.quoted(this.state.quote)) this.behind();
    } else if (this.state.open) this.flow();
    else this.entry();
  }

  /** `- - key: value`, `key:`, `- value`, or a text that goes on. */
  entry() {
    while (/^-(\s|$)/.test(this.rest)) {
      this.take("mark", 1);
      this.take("text", Math.max(0, this.rest.search(/\S|$/)));
    }
    if (this.rest.startsWith("#")) return this.take("note", this.rest.length);
    const found = KEY.exec(this.rest);
    if (!found) return this.value(this.at);
    const column = this.at;
    const name = unquoted(found[1]);
    this.take(this.kindOf(name, column), found[1].length);
    this.take("text", found[2].length);
    this.take("mark", 1);
    this.take("text", Math.max(0, this.rest.search(/\S|$/)));
    this.value(column);
  }

  kindOf(name, column) {
    const { state } = this;
    if (column <= state.names) state.names = -1;
    state.key = "";
    if (column === 0) {
      state.section = name;
      state.steps = 0;
    } else if (state.section === "steps" && (!state.steps || column === state.steps)) {
      state.steps = column;
      state.names = -1;
      return "step";
    } else if (NAMED.has(state.section) && (!state.steps || column === state.steps)) {
      state.steps = column;
      return "variable";
    } else if (state.section === "variables" || state.names >= 0) {
      return "variable";
    }
    state.key = name;
    if (name === "set" || name === "variables") state.names = column;
    return this.words.has(name) ? "word" : "unknown";
  }

  /** What is behind a key, or alone in its line; `column` is where that key or text begins. */
  value(column) {
    if (!this.rest) return;
    if (this.rest.startsWith("#")) return this.take("note", this.rest.length);
    if (/^[|>][+-]?\d?[+-]?\s*(#.*)?$/.test(this.rest)) {
      this.state.block = column;
      return this.take("mark", this.rest.length);
    }
    if (this.rest[0] in QUOTED) {
      if (this.open(this.rest[0])) this.behind();
      return;
    }
    if (/^[[{]/.test(this.rest)) return this.flow();
    const comment = this.rest.search(/\s#/);
    const length = (comment < 0 ? this.rest : this.rest.slice(0, comment)).trimEnd().length;
    this.plain(length);
    if (comment >= 0) this.comment();
  }

  comment() {
    this.take("text", this.rest.search(/\S|$/));
    this.take(this.rest.startsWith("#") ? "note" : "text", this.rest.length);
  }

  plain(length) {
    const text = this.rest.slice(0, length);
    const { key } = this.state;
    this.state.key = "";
    if (LEADING.has(key) && this.state.section !== "transfers") this.take("leads", length);
    else if (NAMING.has(key)) this.take("variable", length);
    else if (DATA.test(text)) this.take("value", length);
    else this.text(length);
  }

  /** A text in quotes; whether it ends in this line. */
  open(quote) {
    const { key } = this.state;
    const whole = QUOTED[quote].exec(this.rest.slice(1));
    if (whole && LEADING.has(key)) {
      this.state.key = "";
      this.take("leads", whole[0].length + 1);
      return true;
    }
    this.take("text", 1);
    return this.quoted(quote);
  }

  /** The rest of a text in quotes; whether it ends in this line. */
  quoted(quote) {
    const whole = QUOTED[quote].exec(this.rest);
    this.state.quote = whole ? "" : quote;
    this.text(whole ? whole[0].length : this.rest.length);
    return whole !== null;
  }

  /** What is behind a text in quotes. */
  behind() {
    if (this.state.open) this.flow();
    else this.comment();
  }

  /** [yes, no] and {to: "+1", failed: step}, also over several lines. */
  flow() {
    while (this.rest) {
      const first = this.rest[0];
      const key = KEY_IN_FLOW.exec(this.rest);
      if (/\s/.test(first)) this.take("text", this.rest.search(/\S|$/));
      else if (first === "#") this.take("note", this.rest.length);
      else if (/[[\]{},]/.test(first)) {
        this.state.open += { "[": 1, "{": 1, "]": -1, "}": -1 }[first] ?? 0;
        this.take("mark", 1);
        if (this.state.open <= 0) {
          this.state.open = 0;
          return this.comment();
        }
      } else if (key) {
        const name = unquoted(key[1]);
        const free = this.state.section === "variables" || this.state.names >= 0 || this.state.key === "set";
        this.take(free ? "variable" : this.words.has(name) ? "word" : NAMED.has(this.state.section) ? "variable" : "unknown", key[1].length);
        this.state.key = free ? "set" : name;
        this.take("text", key[2].length);
        this.take("mark", 1);
      } else if (first in QUOTED) {
        if (!this.open(first)) return;
      } else this.plain(/^[^,[\]{}]*/.exec(this.rest)[0].trimEnd().length || 1);
    }
  }

  /** A text with {variables}. */
  text(length) {
    const text = this.rest.slice(0, length);
    let at = 0;
    for (const { 0: found, index } of text.matchAll(VARIABLE)) {
      this.take("text", index - at);
      this.take(found.length > 2 ? "variable" : "text", found.length);
      at = index + found.length;
    }
    this.take("text", length - at);
  }

  take(kind, length) {
    if (!length) return;
    this.pieces.push([kind, this.rest.slice(0, length)]);
    this.rest = this.rest.slice(length);
    this.at += length;
  }
}

/** @param {string} ends characters that no key goes over, as a pattern has them between brackets */
function keyOf(ends) {
  const quoted = String.raw`"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'`;
  const first = String.raw`-[^\s:#${ends}]|[^\s#:'"[\]{},&*!|>%@\x60-]`;
  return new RegExp(String.raw`^(${quoted}|(?:${first})(?:[^:#${ends}]*[^\s:#${ends}])?)(\s*)(:)(?=\s|$)`);
}

export function unquoted(text) {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}
