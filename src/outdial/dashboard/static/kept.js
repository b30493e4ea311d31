/** A value that stays in this browser. Browsers may forbid that (private windows, a full disk): then `works` is false. */

export function kept(name) {
  return {
    works: true,
    read() {
      try {
        return JSON.parse(localStorage.getItem(name));
      } catch {
        return null;
      }
    },
    write(value) {
      try {
        localStorage.setItem(name, JSON.stringify(value));
        this.works = true;
      } catch {
        this.works = false;
      }
    },
    forget() {
      try {
        localStorage.removeItem(name);
      } catch {
        this.works = false;
      }
    },
  };
}
