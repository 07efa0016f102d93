/** Asks the server: with the token that was typed in, and knowing whether the server is there. */

const TOKEN = "moft-token";
const AGAIN_AFTER = 1500;

/** An answer that says no: its sentence is for the user. */
export class Refusal extends Error {}

export class Connection {
  /** `changed` is called when the server goes, comes back, or wants a token. */
  constructor(changed) {
    this.changed = changed;
    this.isGone = false;
    this.wantsToken = false;
  }

  /** Kept for this tab only. */
  get token() {
    return sessionStorage.getItem(TOKEN) ?? "";
  }

  set token(text) {
    sessionStorage.setItem(TOKEN, text);
    this.set({ wantsToken: false });
  }

  set(facts) {
    if (Object.entries(facts).every(([name, value]) => this[name] === value)) return;
    Object.assign(this, facts);
    this.changed(this);
  }

  /**
   * The response to a request, with `body` as JSON.
   *
   * A `Refusal` says why there is none; an aborted request fails with an `AbortError`.
   */
  async ask(path, body = null, signal = null) {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const options =
      body === null
        ? { headers, signal }
        : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.lost();
      throw new Refusal("The server does not answer.");
    }
    if (response.status === 503) {
      this.lost(); // it stops
      throw new Refusal("The server stops.");
    }
    this.set({ isGone: false });
    if (response.status === 401) this.set({ wantsToken: true });
    if (response.ok) return response;
    const content = await response.json().catch(() => null);
    throw new Refusal(content?.error?.message ?? `The server answers ${response.status}.`);
  }

  /** Says that the server is gone, and looks for it again and again. */
  lost() {
    this.set({ isGone: true });
    clearTimeout(this.looking);
    this.looking = setTimeout(async () => {
      try {
        if (!(await fetch("health")).ok) throw new Refusal("The server stops.");
        this.set({ isGone: false });
      } catch {
        this.lost();
      }
    }, AGAIN_AFTER);
  }
}

/** Runs one task at a time; of the inputs that come meanwhile only the newest is kept, so that none wait in a queue. */
export class Newest {
  constructor(run) {
    this.run = run;
    this.isBusy = false;
    this.waiting = null;
  }

  async ask(input) {
    this.waiting = { input };
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.waiting !== null) {
      const next = this.waiting.input;
      this.waiting = null;
      await this.run(next);
    }
    this.isBusy = false;
  }
}
