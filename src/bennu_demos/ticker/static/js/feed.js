// The prices of the symbols that the page shows: asks for them, keeps them, and tells the server that they were shown.
//
// The server sends at most one batch, until the page has said `seen`. The page says so after the frame in which it has
// drawn the batch. So a page that is slow, or in a hidden tab, gets fewer batches, and never an old price.
//
// Events: "prices" (detail: the symbols that have changed), "market", "welcome".

const PAUSE = 150; // milliseconds between two requests to watch other symbols
const MOST_MISSED = 3; // points of a chart that a page can make up, because it saw no price meanwhile

const quoteOf = ([price, previous, high, low, volume]) => ({ price, previous, high, low, volume });

export class Feed extends EventTarget {
  held = new Map(); // symbol -> {quote, points} of the symbols that are watched
  market = null;
  delay = 0; // milliseconds that this page waits before it says `seen`
  batches = 0;
  prices = 0; // in all batches

  #channel;
  #wanted = new Set();
  #asked = new Set(); // what the server knows that the page wants
  #isAsking = false;
  #point = 0; // the number of the newest point of the charts
  #ticksPerPoint = 1;

  constructor(socket) {
    super();
    this.#channel = socket.channel("ticker", {});
    this.#channel.on("batch", (batch) => this.#take(batch));
    this.#channel.join().receive("ok", (welcome) => this.#joined(welcome)); // also after each rejoin
  }

  /** Watch exactly these symbols. */
  show(symbols) {
    this.#wanted = new Set(symbols);
    this.#ask();
  }

  #joined(welcome) {
    this.#ticksPerPoint = welcome.ticks_per_point;
    this.#asked.clear();
    this.#isAsking = false;
    this.#setMarket(welcome.market);
    this.#emit("welcome", welcome.seed);
    this.#ask();
  }

  // What is watched.

  #ask() {
    if (this.#isAsking || this.#channel.state !== "joined") return;
    const add = [...this.#wanted].filter((symbol) => !this.#asked.has(symbol));
    const drop = [...this.#asked].filter((symbol) => !this.#wanted.has(symbol));
    if (!add.length && !drop.length) return;
    this.#isAsking = true;
    const push = this.#channel.push("watch", { add, drop });
    push.receive("ok", (reply) => {
      for (const symbol of add) this.#asked.add(symbol);
      for (const symbol of drop) {
        this.#asked.delete(symbol);
        this.held.delete(symbol);
      }
      this.#keep(reply);
      this.#again(PAUSE);
    });
    push.receive("error", ({ retry_after_ms: wait = 2_000 }) => this.#again(wait));
    push.receive("timeout", () => this.#again(PAUSE));
  }

  #again(wait) {
    setTimeout(() => {
      this.#isAsking = false;
      this.#ask();
    }, wait);
  }

  #keep({ tick, snapshots }) {
    this.#advance(tick);
    for (const [symbol, { quote, points }] of Object.entries(snapshots)) {
      this.held.set(symbol, { quote: quoteOf(quote), points });
    }
    this.#emit("prices", new Set(Object.keys(snapshots)));
  }

  // The prices.

  #take({ number, tick, quotes, market }) {
    const changed = new Set(this.#advance(tick) ? this.held.keys() : []);
    for (const [symbol, quote] of Object.entries(quotes)) {
      const held = this.held.get(symbol);
      if (!held) continue; // no longer shown
      held.quote = quoteOf(quote);
      changed.add(symbol);
      this.prices += 1;
    }
    this.batches += 1;
    if (market) this.#setMarket(market);
    this.#emit("prices", changed);
    // The frame is drawn before the timer fires.
    requestAnimationFrame(() => setTimeout(() => this.#channel.push("seen", { number }), this.delay));
  }

  /** Add points to all charts until the tick; return whether there were any. */
  #advance(tick) {
    const point = Math.floor(tick / this.#ticksPerPoint);
    const missed = point - this.#point;
    if (!missed) return false;
    if (missed > MOST_MISSED) for (const symbol of this.held.keys()) this.#asked.delete(symbol); // load the charts anew
    for (const { quote, points } of this.held.values()) {
      for (let step = 0; step < Math.min(missed, points.length); step += 1) {
        points.shift();
        points.push(quote.price);
      }
    }
    this.#point = point;
    this.#ask();
    return true;
  }

  #setMarket(market) {
    this.market = market;
    this.#emit("market");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
