// The events of a build, each once, however often the way to the server breaks.

const LONGEST_WAIT = 30_000;

/** What becomes of following: all was told, the server refuses (with a status), or it does not answer for now. */
export interface Ends {
  told: () => void;
  refused: (status: number) => void;
  waiting: (isWaiting: boolean) => void;
}

/**
 * Listen to `address`. The browser comes back by itself after a connection that broke; but an answer like the 503 of a
 * proxy whose server is away ends its attempts, and then it is asked again here, at growing intervals.
 */
export class Following {
  private seen = 0;
  private tries = 0;
  private timer = 0;
  /** Null while paused. */
  private events: EventSource | null;
  private readonly takers = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(
    private readonly address: string,
    private readonly ends: Ends,
  ) {
    this.events = this.open();
  }

  /** Call `take` with the data of every event of a kind. */
  on<T>(kind: string, take: (data: T) => void): void {
    const taker = (event: MessageEvent<string>): void => {
      const number = Number(event.lastEventId);
      // A stream that was opened anew begins at the start.
      if (number <= this.seen) return;
      this.seen = number;
      take(JSON.parse(event.data) as T);
    };
    this.takers.set(kind, taker);
    this.events?.addEventListener(kind, taker);
  }

  /** Give the connection back: a browser has six for a server. */
  pause(): void {
    window.clearTimeout(this.timer);
    this.events?.close();
    this.events = null;
  }

  /** Go on after a pause. */
  resume(): void {
    this.events ??= this.open();
  }

  private open(): EventSource {
    const events = new EventSource(this.address);
    let isOpen = false;
    for (const [kind, taker] of this.takers) events.addEventListener(kind, taker);
    events.addEventListener("open", () => {
      this.tries = 0;
      isOpen = true;
      this.ends.waiting(false);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) void this.ask();
      // A stream ends when all was told, too: only who then comes back in vain is told so.
      else if (!isOpen) this.ends.waiting(true);
      isOpen = false;
    });
    return events;
  }

  /** Find out why the browser has given up: an event source does not say. */
  private async ask(): Promise<void> {
    const status = await this.status();
    if (this.events === null) return;
    if (status === 204) this.ends.told();
    else if (status === 200) this.events = this.open();
    else if (status >= 400 && status < 500 && status !== 429) this.ends.refused(status);
    else {
      this.ends.waiting(true);
      const wait = Math.min(1000 * 2 ** this.tries++, LONGEST_WAIT);
      this.timer = window.setTimeout(() => void this.ask(), wait);
    }
  }

  private async status(): Promise<number> {
    const stop = new AbortController();
    try {
      const headers = { "Last-Event-ID": String(this.seen) };
      return (await fetch(this.address, { headers, signal: stop.signal, cache: "no-store" }))
        .status;
    } catch {
      return 503;
    } finally {
      stop.abort();
    }
  }
}
